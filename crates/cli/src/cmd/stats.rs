//! `stats`: what containers use.

use super::{container, short};
use crate::command::Action;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::table::{Column, Row, Table, row};
use crate::{output, units};
use client::{Call, Client};
use docker_schema::container::{Stats as Sample, Summary};
use std::time::Duration;

const COLUMNS: &[Column] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Stats {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, value_name = "string")]
    format: Option<String>,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(hide = true)]
    containers: Vec<String>,
}

impl Action for Stats {
    const ABOUT: &'static str = "Display a live stream of container(s) resource usage statistics";
    const USAGE: &'static str = "[OPTIONS] [CONTAINER...]";

    async fn run(self, cx: &Context) -> Result {
        let client = cx.client().await?;
        loop {
            let names = self.names(client).await?;
            let mut rows = Vec::new();
            for (name, sample) in samples(client, &names).await {
                match sample {
                    Ok(sample) => rows.push(self.row(&name, &sample)),
                    // One that ended while it was asked is no longer in the list.
                    Err(error) if error.is_not_found() && self.containers.is_empty() => {}
                    Err(error) => return Err(Failure::from(error)),
                }
            }
            let table = Table {
                columns: COLUMNS,
                shown: vec![
                    "ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs",
                ],
                rows,
            };
            let text = table.render(self.format.as_deref())?;
            if !self.no_stream && output::is_terminal() {
                output::text("\x1b[H\x1b[J")?;
            }
            output::text(&text)?;
            if self.no_stream {
                return Ok(0);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

impl Stats {
    async fn names(&self, client: &Client) -> Result<Vec<String>> {
        if !self.containers.is_empty() {
            return Ok(self.containers.clone());
        }
        let call = Call::get("/containers/json").flag("all", self.all);
        let found: Vec<Summary> = client.json(call).await?;
        Ok(found.into_iter().map(|one| one.id).collect())
    }

    fn row(&self, name: &str, sample: &Sample) -> Row {
        let memory = used_memory(sample);
        let limit = sample.memory_stats.limit;
        let networks = sample
            .networks
            .iter()
            .flat_map(|networks| networks.values());
        let (received, sent) = networks.fold((0, 0), |(rx, tx), one| {
            (rx + one.rx_bytes, tx + one.tx_bytes)
        });
        let (read, written) = block_io(sample);
        let id = match self.no_trunc {
            true => sample.id.as_str(),
            false => short(&sample.id),
        };
        row([
            ("Container", name.into()),
            ("ID", id.into()),
            ("Name", sample.name.trim_start_matches('/').into()),
            ("CPUPerc", format!("{:.2}%", cpu(sample)).into()),
            (
                "MemUsage",
                format!(
                    "{} / {}",
                    units::binary_size(signed(memory)),
                    units::binary_size(signed(limit))
                )
                .into(),
            ),
            ("MemPerc", format!("{:.2}%", percent(memory, limit)).into()),
            ("NetIO", pair(received, sent).into()),
            ("BlockIO", pair(read, written).into()),
            ("PIDs", sample.pids_stats.current.to_string().into()),
        ])
    }
}

/// One sample of each, asked for at the same time: each takes a second or so.
async fn samples(client: &Client, names: &[String]) -> Vec<(String, client::Result<Sample>)> {
    let asked: Vec<_> = names
        .iter()
        .map(|name| {
            let call = Call::get(container(name, "/stats")).query("stream", "0");
            Box::pin(client.json::<Sample>(call))
        })
        .collect();
    let answers = together(asked).await;
    names.iter().cloned().zip(answers).collect()
}

/// Waits for all of them.
async fn together<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<_> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match std::pin::Pin::new(future).poll(cx) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        match pending {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(()),
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn pair(a: u64, b: u64) -> String {
    format!(
        "{} / {}",
        units::short_size(signed(a)),
        units::short_size(signed(b))
    )
}

/// Without the page cache that can be dropped.
fn used_memory(sample: &Sample) -> u64 {
    let usage = sample.memory_stats.usage;
    let inactive = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|name| sample.memory_stats.stats.get(*name).copied());
    usage.saturating_sub(inactive.filter(|value| *value < usage).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn percent(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64 * 100.0,
    }
}

fn cpu(sample: &Sample) -> f64 {
    let (now, before) = (&sample.cpu_stats, &sample.precpu_stats);
    let used = now
        .cpu_usage
        .total_usage
        .saturating_sub(before.cpu_usage.total_usage);
    let whole = now.system_cpu_usage.saturating_sub(before.system_cpu_usage);
    percent(used, whole) * f64::from(now.online_cpus.max(1))
}

fn block_io(sample: &Sample) -> (u64, u64) {
    let entries = sample
        .blkio_stats
        .io_service_bytes_recursive
        .iter()
        .flatten();
    entries.fold((0, 0), |(read, written), entry| {
        match entry.op.as_bytes().first() {
            Some(b'r' | b'R') => (read + entry.value, written),
            Some(b'w' | b'W') => (read, written + entry.value),
            _ => (read, written),
        }
    })
}
