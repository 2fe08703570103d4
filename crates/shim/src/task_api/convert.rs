//! containerd's documents and ours.

use crate::error::{Error, Result};
use cgroup::Stats;
use oci::runtime::Spec;
use proto::containerd::types::Mount;
use proto::io::containerd::cgroups::v1 as metrics;
use proto::prost::{Message as _, Name as _};
use proto::prost_types::Any;
use std::path::{Path, PathBuf};
use types::{Layer, Rootfs, Writable};

/// The root file system that a caller describes by mounts that nobody has made yet.
pub(crate) fn rootfs(mounts: &[Mount], spec: &Spec, bundle: &Path) -> Result<Rootfs> {
    let root = spec
        .root
        .as_ref()
        .map_or("rootfs", |root| root.path.as_str());
    match mounts {
        [] => Ok(Rootfs::Directory(bundle.join(root))),
        [mount] if mount.r#type == "bind" => Ok(Rootfs::Directory(PathBuf::from(&mount.source))),
        [mount] if mount.r#type == "overlay" => overlay(mount),
        [mount] => Err(Error::Unsupported(format!(
            "a root of file system {}",
            mount.r#type
        ))),
        _ => Err(Error::Unsupported("a root of several mounts".to_owned())),
    }
}

fn overlay(mount: &Mount) -> Result<Rootfs> {
    let option = |name: &str| {
        let mut options = mount.options.iter();
        options.find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    };
    let volatile = mount.options.iter().any(|option| option == "volatile");
    let lower = option("lowerdir").ok_or_else(|| Error::invalid("rootfs")("has no lowerdir"))?;
    let lower = lower.split(':').map(|path| Layer::Directory(path.into()));
    let writable = match (option("upperdir"), option("workdir")) {
        (Some(upper), Some(work)) => Some(Writable {
            upper: upper.into(),
            work: work.into(),
            volatile,
        }),
        _ => None,
    };
    if let Some(mark) = writable.as_ref().and_then(unsynced) {
        return Err(Error::invalid("rootfs")(format!(
            "was mounted volatile before: if all of it is there still, remove {}",
            mark.display()
        )));
    }
    Ok(Rootfs::Layers {
        lower: lower.collect(),
        writable,
    })
}

/// The mark of a writable part whose changes need not be on the disk. Only its owner knows better.
fn unsynced(writable: &Writable) -> Option<PathBuf> {
    let mark = sys::overlay::volatile_mark(&writable.work);
    mark.symlink_metadata().is_ok().then_some(mark)
}

/// A group's use, as containerd's clients read it from version 1 groups.
pub(crate) fn metrics(stats: &Stats) -> Any {
    let (cpu, memory) = (&stats.cpu, &stats.memory);
    let document = metrics::Metrics {
        pids: Some(metrics::PidsStat {
            current: stats.pids.current,
            limit: stats.pids.limit,
        }),
        cpu: Some(metrics::CpuStat {
            usage: Some(metrics::CpuUsage {
                total: cpu.usage.total,
                kernel: cpu.usage.kernel,
                user: cpu.usage.user,
                per_cpu: cpu.usage.percpu.clone(),
            }),
            throttling: Some(metrics::Throttle {
                periods: cpu.throttling.periods,
                throttled_periods: cpu.throttling.throttled_periods,
                throttled_time: cpu.throttling.throttled_time,
            }),
        }),
        memory: Some(metrics::MemoryStat {
            usage: Some(metrics::MemoryEntry {
                usage: memory.usage.usage,
                limit: memory.usage.limit,
                max: memory.usage.max,
                failcnt: memory.usage.failcnt,
            }),
            ..metrics::MemoryStat::default()
        }),
        ..metrics::Metrics::default()
    };
    Any {
        type_url: metrics::Metrics::full_name(),
        value: document.encode_to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volatile_part_is_taken_so_and_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        let options = ["lowerdir=/l", "upperdir=/u", "volatile"].map(str::to_owned);
        let workdir = format!("workdir={}", work.display());
        let mount = Mount {
            r#type: "overlay".to_owned(),
            options: options.into_iter().chain([workdir]).collect(),
            ..Mount::default()
        };
        let Ok(Rootfs::Layers {
            writable: Some(writable),
            ..
        }) = overlay(&mount)
        else {
            panic!("it has a writable part");
        };
        assert!(writable.volatile);
        let mark = sys::overlay::volatile_mark(&work);
        std::fs::create_dir_all(&mark).unwrap();
        let refused = overlay(&mount).unwrap_err().to_string();
        assert!(refused.contains(mark.to_str().unwrap()), "{refused}");
    }
}
