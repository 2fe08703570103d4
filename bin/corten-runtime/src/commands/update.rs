//! `update`: other limits for a container that is there.

use super::{Context, pause};
use crate::arguments::{Arguments, Flag, value};
use crate::store::Place;
use crate::{log, status};
use anyhow::{Context as _, Result, bail};
use cgroup::{Cgroup, Resctrl};
use oci::runtime::{BlockIo, Cpu, IntelRdt, Memory, Pids, Resources, Status};
use std::io::Read;

pub(super) const FLAGS: &[Flag] = &[
    value("resources").or("r"),
    value("blkio-weight"),
    value("cpu-period"),
    value("cpu-quota"),
    value("cpu-burst"),
    value("cpu-share"),
    value("cpu-rt-period"),
    value("cpu-rt-runtime"),
    value("cpu-idle"),
    value("cpuset-cpus"),
    value("cpuset-mems"),
    value("kernel-memory"),
    value("kernel-memory-tcp"),
    value("memory"),
    value("memory-reservation"),
    value("memory-swap"),
    value("pids-limit"),
    value("l3-cache-schema"),
    value("mem-bw-schema"),
];

pub(super) fn update(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (place, mut record) = context.container(arguments)?;
    if status::of(&place, &record)? == Status::Stopped {
        bail!("container not running");
    }
    let mut resources = match arguments.text("resources") {
        Some(path) => document(path)?,
        None => from_flags(arguments)?,
    };
    drop_kernel_memory(&mut resources);
    // COMPAT: devices cannot be updated; others add rules of their own behind us.
    resources.devices.clear();
    let driver = record.cgroup.as_ref().map(|cgroup| cgroup.driver);
    if let Some(words) = driver.and_then(|driver| Cgroup::passed_over(driver, &resources)) {
        log::warn(words);
    }
    let class = class(&place, arguments)?;
    let mut cgroup = pause::cgroup(&record)?;
    cgroup.update(&resources)?;
    if let Some(class) = class {
        cgroup.update_class(&class)?;
    }
    let state = cgroup.state();
    if record.cgroup.as_ref() != Some(&state) {
        record.cgroup = Some(state);
        place.write(&record)?;
    }
    Ok(0)
}

/// COMPAT: as runc, with its warning.
pub(super) fn drop_kernel_memory(resources: &mut Resources) {
    let Some(memory) = &mut resources.memory else {
        return;
    };
    if memory.kernel.take().is_some() | memory.kernel_tcp.take().is_some() {
        log::warn("Kernel memory settings are ignored and will be removed");
    }
}

/// The shares of caches and bandwidth that the flags ask for. COMPAT: runc's words.
fn class(place: &Place, arguments: &Arguments) -> Result<Option<IntelRdt>> {
    let line = |flag| arguments.text(flag).unwrap_or_default().to_owned();
    let (cache, bandwidth) = (line("l3-cache-schema"), line("mem-bw-schema"));
    if cache.is_empty() && bandwidth.is_empty() {
        return Ok(None);
    }
    let resctrl = Resctrl::find();
    let has = |resource| resctrl.as_ref().is_ok_and(|resctrl| resctrl.has(resource));
    if !cache.is_empty() && !has("L3") {
        bail!("Intel RDT/CAT: l3 cache schema is not enabled");
    }
    if !bandwidth.is_empty() && !has("MB") {
        bail!("Intel RDT/MBA: memory bandwidth schema is not enabled");
    }
    let linux = place.config()?.linux;
    let Some(configured) = linux.and_then(|linux| linux.intel_rdt) else {
        bail!("updating a non-existent Intel RDT configuration is not supported");
    };
    Ok(Some(IntelRdt {
        l3_cache_schema: cache,
        mem_bw_schema: bandwidth,
        ..configured
    }))
}

fn document(path: &str) -> Result<Resources> {
    let mut bytes = Vec::new();
    if path == "-" {
        std::io::stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("open {path}"))?;
    }
    Resources::from_slice(&bytes).context("read the resources")
}

fn from_flags(arguments: &Arguments) -> Result<Resources> {
    let text = |name| arguments.text(name).unwrap_or_default().to_owned();
    let cpu = Cpu {
        shares: number(arguments, "cpu-share")?,
        quota: number(arguments, "cpu-quota")?,
        burst: number(arguments, "cpu-burst")?,
        period: number(arguments, "cpu-period")?,
        realtime_runtime: number(arguments, "cpu-rt-runtime")?,
        realtime_period: number(arguments, "cpu-rt-period")?,
        cpus: text("cpuset-cpus"),
        mems: text("cpuset-mems"),
        idle: number(arguments, "cpu-idle")?,
    };
    let memory = Memory {
        limit: bytes(arguments, "memory")?,
        reservation: bytes(arguments, "memory-reservation")?,
        swap: bytes(arguments, "memory-swap")?,
        kernel: bytes(arguments, "kernel-memory")?,
        kernel_tcp: bytes(arguments, "kernel-memory-tcp")?,
        ..Memory::default()
    };
    let weight: Option<u16> = number(arguments, "blkio-weight")?;
    Ok(Resources {
        cpu: Some(cpu),
        memory: Some(memory),
        pids: Some(Pids {
            limit: number(arguments, "pids-limit")?,
        }),
        block_io: Some(BlockIo {
            weight: weight.filter(|weight| *weight != 0),
            ..BlockIo::default()
        }),
        ..Resources::default()
    })
}

fn number<T: std::str::FromStr>(arguments: &Arguments, name: &str) -> Result<Option<T>> {
    match arguments.text(name) {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => bail!("invalid value for {name}: {text:?}"),
        },
    }
}

fn bytes(arguments: &Arguments, name: &str) -> Result<Option<i64>> {
    let Some(text) = arguments.text(name) else {
        return Ok(None);
    };
    let bytes = parse_bytes(text).with_context(|| format!("invalid value for {name}: {text:?}"))?;
    Ok(Some(bytes))
}

/// A size with an optional binary unit, such as `64m`, `1.5GiB` or `-1`.
fn parse_bytes(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let lower = text.to_ascii_lowercase();
    let end = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    let unit = unit.trim_start();
    let unit = unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<i64>() {
        return whole.checked_mul(1 << shift);
    }
    let number: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a fraction of a unit is no exact wish"
    )]
    let bytes = (number * (1_i64 << shift) as f64) as i64;
    (bytes >= 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn sizes_have_binary_units() {
        for (text, expected) in [
            ("64", Some(64)),
            ("-1", Some(-1)),
            ("64k", Some(65_536)),
            ("1.5MiB", Some(1_572_864)),
            ("2GB", Some(2 << 30)),
            ("1 m", Some(1 << 20)),
            ("x", None),
            ("5q", None),
            ("9999999999999t", None),
        ] {
            assert_eq!(parse_bytes(text), expected, "{text}");
        }
    }
}
