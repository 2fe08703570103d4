//! What a container uses, once or every second.

use crate::body::{self, Response, Writer};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::server::Api;
use crate::version::ApiVersion;
use docker_schema::ZERO_TIME;
use docker_schema::container::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats, Stats,
    ThrottlingData,
};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use types::{ContainerId, Timestamp};

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// A container's use at one moment.
#[derive(Clone, Debug, Default)]
struct Sample {
    at: Option<Timestamp>,
    /// The whole machine's processor time.
    system: u64,
    used: engine::Stats,
    traffic: BTreeMap<String, engine::Traffic>,
}

pub(crate) async fn stats(call: Call) -> Result<Response> {
    let once = !call.query.flag_or("stream", true);
    let primed = !call.query.flag("one-shot");
    if !once && !primed {
        let words = "cannot have stream=true and one-shot=true";
        return Err(Error::bad_request(words));
    }
    let id = call.container()?;
    let api = call.api.clone();
    if once {
        let mut before = Sample::default();
        let mut now = sample(&api, &id).await?;
        if primed && now.at.is_some() {
            tokio::time::sleep(INTERVAL).await;
            before = std::mem::replace(&mut now, sample(&api, &id).await?);
        }
        return Ok(body::ok(&document(
            (&api, call.version),
            &id,
            &before,
            &now,
        )?));
    }
    let (writer, response) = body::stream("application/json");
    let (stopping, version) = (call.api.stopping.clone(), call.version);
    call.api.tracker.spawn(async move {
        tokio::select! {
            // It ends only when the client or the container is gone.
            sent = send((&api, version), &id, &writer) => drop(sent),
            () = writer.closed() => {}
            () = stopping.cancelled() => writer.interrupt(),
        }
    });
    Ok(response)
}

async fn send(
    (api, version): (&Api, ApiVersion),
    id: &ContainerId,
    writer: &Writer,
) -> io::Result<()> {
    let mut before = Sample::default();
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let now = match sample(api, id).await {
            Ok(now) => now,
            // Removed: what ends the stream.
            Err(_) => return Ok(()),
        };
        match document((api, version), id, &before, &now) {
            Ok(document) => writer.document(&document).await?,
            Err(_) => return Ok(()),
        }
        before = now;
    }
}

/// COMPAT: a container that does not run uses nothing, which is no error.
async fn sample(api: &Api, id: &ContainerId) -> Result<Sample> {
    let containers = api.engine.containers();
    if !containers.find(id)?.state.status.is_live() {
        return Ok(Sample::default());
    }
    match containers.stats(id).await {
        Ok(used) => Ok(Sample {
            at: Some(Timestamp::now()),
            system: api.engine.system().cpu_time(),
            used,
            traffic: containers.traffic(id).await?,
        }),
        // Ended meanwhile.
        Err(engine::Error::State { .. }) => Ok(Sample::default()),
        Err(error) => Err(Error::from(error)),
    }
}

/// The version since which the platform is said.
const OS_TYPE: ApiVersion = ApiVersion::new(1, 52);

fn document(
    (api, version): (&Api, ApiVersion),
    id: &ContainerId,
    before: &Sample,
    now: &Sample,
) -> Result<Stats> {
    let container = api.engine.containers().find(id)?;
    let time = |at: Option<Timestamp>| at.map_or(ZERO_TIME.to_owned(), |at| at.to_string());
    let about = api.about();
    let cpus = about.host.cpus;
    Ok(Stats {
        name: format!("/{}", container.record.name),
        id: id.to_string(),
        os_type: match version >= OS_TYPE {
            true => "linux".to_owned(),
            false => String::new(),
        },
        read: time(now.at),
        preread: time(before.at),
        pids_stats: PidsStats {
            current: now.used.pids.current,
            limit: now.used.pids.limit,
        },
        blkio_stats: block(now),
        cpu_stats: processor(now, cpus),
        precpu_stats: processor(before, cpus),
        memory_stats: memory(now, about.host.memory),
        networks: networks(now),
        ..Stats::default()
    })
}

fn networks(sample: &Sample) -> Option<BTreeMap<String, NetworkStats>> {
    let told = sample.traffic.iter().map(|(name, traffic)| {
        let (received, sent) = (traffic.received, traffic.sent);
        let stats = NetworkStats {
            rx_bytes: received.bytes,
            rx_packets: received.packets,
            rx_errors: received.errors,
            rx_dropped: received.dropped,
            tx_bytes: sent.bytes,
            tx_packets: sent.packets,
            tx_errors: sent.errors,
            tx_dropped: sent.dropped,
        };
        (name.clone(), stats)
    });
    (!sample.traffic.is_empty()).then(|| told.collect())
}

fn processor(sample: &Sample, cpus: usize) -> CpuStats {
    let (usage, throttling) = (&sample.used.cpu.usage, &sample.used.cpu.throttling);
    let cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
    CpuStats {
        cpu_usage: CpuUsage {
            total_usage: usage.total,
            percpu_usage: usage.percpu.clone(),
            usage_in_kernelmode: usage.kernel,
            usage_in_usermode: usage.user,
        },
        system_cpu_usage: sample.system,
        online_cpus: if sample.at.is_some() { cpus } else { 0 },
        throttling_data: ThrottlingData {
            periods: throttling.periods,
            throttled_periods: throttling.throttled_periods,
            throttled_time: throttling.throttled_time,
        },
    }
}

fn memory(sample: &Sample, installed: u64) -> MemoryStats {
    if sample.at.is_none() {
        return MemoryStats::default();
    }
    let memory = &sample.used.memory;
    let limit = memory.usage.limit;
    MemoryStats {
        usage: memory.usage.usage,
        max_usage: memory.usage.max,
        stats: memory.raw.clone(),
        failcnt: memory.usage.failcnt,
        // No limit is that of the machine.
        limit: if limit == 0 {
            installed
        } else {
            limit.min(installed)
        },
    }
}

fn block(sample: &Sample) -> BlkioStats {
    if sample.at.is_none() {
        return BlkioStats::default();
    }
    let blkio = &sample.used.blkio;
    // COMPAT: version 1's are in the kernel's words, which end with a total; version 2's are not.
    let own_words = blkio
        .io_service_bytes_recursive
        .iter()
        .any(|e| e.op == "Total");
    let entry = |major, minor, op: &str, value| BlkioEntry {
        major,
        minor,
        op: match own_words {
            true => op.to_owned(),
            false => op.to_lowercase(),
        },
        value,
    };
    let bytes = blkio.io_service_bytes_recursive.iter();
    let bytes = bytes.map(|e| entry(e.major, e.minor, &e.op, e.value));
    let operations = blkio.io_serviced_recursive.iter();
    let operations = operations.map(|e| entry(e.major, e.minor, &e.op, e.value));
    let none = || Some(Vec::new());
    BlkioStats {
        io_service_bytes_recursive: Some(bytes.collect()),
        io_serviced_recursive: Some(operations.collect()),
        io_queue_recursive: none(),
        io_service_time_recursive: none(),
        io_wait_time_recursive: none(),
        io_merged_recursive: none(),
        io_time_recursive: none(),
        sectors_recursive: none(),
    }
}
