//! Creates, starts and reaps `true` in a Docker-like container again and again, and says how
//! long each part takes. Needs root and /usr/bin/busybox from busybox-static.
//!
//! `cargo run --release --example cycle -- [ROUNDS] [PART...]`; the parts `cgroup`, `seccomp`
//! and `overlay` are left out unless named; with `open` create and start are one.

use anyhow::{Context as _, Result};
use cgroup::{Cgroup, Driver, Reach, Request};
use container::{Create, Gate, Stdio, create};
use oci::runtime::Spec;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};
use types::{ContainerId, Layer, Rootfs, Writable};

const PARTS: [&str; 6] = ["create", "start", "exit", "total", "cgroup", "remove"];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(200), |n| n.parse())?;
    let parts: Vec<String> = arguments.collect();
    let dir = tempfile::tempdir()?;
    let spec = Spec::from_slice(include_bytes!("docker.json"))?;
    let rootfs = rootfs(dir.path(), &parts)?;
    let filter = filter(&parts)?;
    let mut times = [const { Vec::new() }; PARTS.len()];
    for round in 0..rounds {
        let id: ContainerId = format!("cycle-{}-{round}", std::process::id()).parse()?;
        let began = Instant::now();
        let cgroup = group(&id, &parts)?;
        let prepared = Instant::now();
        let mut init = create(&Create {
            id: &id,
            spec: &spec,
            bundle: dir.path(),
            rootfs: &rootfs,
            stdio: Stdio::Inherit,
            cgroup: cgroup.as_ref(),
            seccomp: filter.as_ref(),
            gate: gate(&parts),
            preserve_fds: 0,
            keep_keyring: false,
            no_pivot: false,
            stock: None,
            cloned: None,
        })?;
        let created = Instant::now();
        init.start()?;
        let started = Instant::now();
        waitid(WaitId::PidFd(init.pidfd().as_fd()), WaitIdOptions::EXITED)?;
        let ended = Instant::now();
        if let Some(cgroup) = &cgroup {
            cgroup.delete()?;
        }
        let removed = Instant::now();
        let spans = [
            created - prepared,
            started - created,
            ended - started,
            ended - prepared,
            prepared - began,
            removed - ended,
        ];
        for (list, span) in times.iter_mut().zip(spans) {
            list.push(span);
        }
    }
    report(&mut times)
}

fn report(times: &mut [Vec<Duration>; PARTS.len()]) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    for (name, list) in PARTS.iter().zip(times) {
        list.sort();
        let at = |percent: usize| list.get(list.len() * percent / 100).copied();
        let (median, worst) = at(50).zip(at(90)).context("no rounds")?;
        writeln!(out, "{name:>7}  p50 {median:>9.1?}  p90 {worst:>9.1?}")?;
    }
    Ok(())
}

fn rootfs(dir: &Path, parts: &[String]) -> Result<Rootfs> {
    let root = dir.join("rootfs");
    for name in ["bin", "proc", "sys", "dev"] {
        std::fs::create_dir_all(root.join(name))?;
    }
    std::fs::copy("/usr/bin/busybox", root.join("bin/busybox"))
        .context("install busybox-static")?;
    std::os::unix::fs::symlink("busybox", root.join("bin/true"))?;
    if !parts.iter().any(|part| part == "overlay") {
        return Ok(Rootfs::Directory(root));
    }
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    std::fs::create_dir_all(&upper)?;
    std::fs::create_dir_all(&work)?;
    Ok(Rootfs::Layers {
        lower: vec![Layer::Directory(root)],
        writable: Some(Writable {
            upper,
            work,
            volatile: false,
        }),
    })
}

fn gate(parts: &[String]) -> Gate<'static> {
    if parts.iter().any(|part| part == "open") {
        return Gate::Open;
    }
    Gate::Held
}

fn group(id: &ContainerId, parts: &[String]) -> Result<Option<Cgroup>> {
    if !parts.iter().any(|part| part == "cgroup") {
        return Ok(None);
    }
    Ok(Some(Cgroup::create(&Request {
        id: id.as_str(),
        path: None,
        resources: None,
        intel_rdt: None,
        reach: Reach::Every,
        driver: Driver::Cgroupfs,
        properties: &[],
    })?))
}

fn filter(parts: &[String]) -> Result<Option<seccomp::Program>> {
    if !parts.iter().any(|part| part == "seccomp") {
        return Ok(None);
    }
    let profile = seccomp::docker_default(&["CAP_CHOWN"], seccomp::Host::NATIVE);
    Ok(Some(seccomp::compile(&profile)?))
}
