//! What the machine is, for those who ask the daemon.

use anyhow::Context;
use api_docker::Host;
use std::fs;
use std::path::Path;

/// Reads it.
pub(crate) fn host() -> Host {
    let uname = rustix::system::uname();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let forwarding = fs::read_to_string("/proc/sys/net/ipv4/ip_forward");
    let info = rustix::system::sysinfo();
    Host {
        name: uname.nodename().to_string_lossy().into_owned(),
        kernel: uname.release().to_string_lossy().into_owned(),
        system: field(&release, "PRETTY_NAME"),
        system_version: field(&release, "VERSION_ID"),
        cpus: std::thread::available_parallelism().map_or(1, Into::into),
        memory: info.totalram.saturating_mul(info.mem_unit.into()),
        // The unified hierarchy is at the root only where it is the only one.
        cgroup_version: match Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            true => 2,
            false => 1,
        },
        ipv4_forwarding: forwarding.is_ok_and(|value| value.trim() == "1"),
    }
}

fn field(release: &str, name: &str) -> String {
    let mut pairs = release.lines().filter_map(|line| line.split_once('='));
    let found = pairs.find(|(key, _)| *key == name);
    found.map_or(String::new(), |(_, value)| {
        value.trim_matches('"').to_owned()
    })
}

/// The daemon's id, made when its root is first used.
pub(crate) fn id(root: &Path) -> anyhow::Result<String> {
    let path = root.join("engine-id");
    if let Ok(id) = fs::read_to_string(&path)
        && !id.trim().is_empty()
    {
        return Ok(id.trim().to_owned());
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .context("cannot make an id for the daemon")?;
    let what = || format!("cannot write {}", path.display());
    let draft = path.with_extension("new");
    fs::write(&draft, &id).with_context(what)?;
    fs::rename(&draft, &path).with_context(what)?;
    Ok(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let host = host();
        assert!(host.cpus > 0 && host.memory > 0 && !host.kernel.is_empty());
        let release = "NAME=a\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(
            field(release, "PRETTY_NAME"),
            "Debian GNU/Linux 12 (bookworm)"
        );
        assert_eq!(field(release, "VERSION_ID"), "");
    }

    #[test]
    fn the_id_stays() {
        let root = tempfile::tempdir().unwrap();
        let first = id(root.path()).unwrap();
        assert_eq!(first.len(), 36);
        assert_eq!(id(root.path()).unwrap(), first);
    }
}
