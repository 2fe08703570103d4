//! `checkpoint`: writes a container's processes down and ends them.

mod images;

pub(super) use images::{Images, external_mounts};

use super::{Context, delete};
use crate::arguments::{Arguments, Flag, switch, value};
use crate::log;
use crate::status;
use crate::store::Record;
use anyhow::{Context as _, Result, bail};
use criu::rpc::{CriuFeatures, CriuOpts, CriuPageServerInfo, ExtMountMap};
use criu::{Criu, Event, Kind, Request};
use oci::runtime::{NamespaceKind, Spec, Status};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) const FLAGS: &[Flag] = &[
    value("image-path"),
    value("work-path"),
    value("parent-path"),
    switch("leave-running"),
    switch("tcp-established"),
    switch("tcp-skip-in-flight"),
    switch("link-remap"),
    switch("ext-unix-sk"),
    switch("shell-job"),
    switch("lazy-pages"),
    value("status-fd"),
    value("page-server"),
    switch("file-locks"),
    switch("pre-dump"),
    value("manage-cgroups-mode"),
    value("empty-ns"),
    switch("auto-dedup"),
];

/// Namespaces whose files CRIU is told to leave alone, and what it calls them.
pub(super) const EXTERNAL: [(NamespaceKind, &str, &str); 2] = [
    (NamespaceKind::Network, "net", "extRootNetNS"),
    (NamespaceKind::Pid, "pid", "extRootPidNS"),
];
/// The image in which external mounts that cover masked files are told apart from others.
pub(super) const MASK: &str = "/dev/null";

pub(super) fn checkpoint(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (place, record) = context.container(arguments)?;
    if !rustix::process::geteuid().is_root() {
        log::warn("checkpoint is untested with rootless containers");
    }
    match status::of(&place, &record)? {
        Status::Running | Status::Paused => {}
        other => bail!("Container cannot be checkpointed in {other} state"),
    }
    let spec = place.config()?;
    let images = Images::prepare(arguments, "dump.log")?;
    let pre = arguments.on("pre-dump");
    let mut options = images.options(arguments, &spec)?;
    dump_options(&mut options, arguments, &record)?;
    options.external.extend(external_namespaces(&spec)?);
    let status_fd = expect_features(arguments)?;
    if !pre {
        options.ext_mnt = mounts(&spec, &record);
        images.keep_descriptors(record.pid)?;
    }
    let request = Request {
        kind: if pre { Kind::PreDump } else { Kind::Dump },
        options,
    };
    let heard = |event: Event| -> Result<()> {
        log::debug(&format!("notify: {}", event.script));
        if let ("status-ready", Some(number)) = (event.script.as_str(), status_fd) {
            say_ready(number);
        }
        Ok(())
    };
    let done = Criu::start(&[]).map_err(Into::into);
    let done = done.and_then(|criu| criu.run(&request, heard));
    if let Err(error) = done {
        images.quote_errors();
        return Err(error);
    }
    if !pre && !arguments.on("leave-running") {
        // The processes are in the images; what is left here of the container goes.
        delete::destroy_or_warn(&place, &record);
    }
    Ok(0)
}

fn dump_options(options: &mut CriuOpts, arguments: &Arguments, record: &Record) -> Result<()> {
    options.root = Some(record.rootfs.display().to_string());
    options.pid = Some(record.pid);
    options.leave_running = Some(arguments.on("leave-running"));
    options.tcp_skip_in_flight = Some(arguments.on("tcp-skip-in-flight"));
    options.link_remap = Some(arguments.on("link-remap"));
    let paths = record.cgroup.as_ref().map(|cgroup| &cgroup.paths);
    let freezer = paths.and_then(|paths| paths.get("freezer").or_else(|| paths.get("")));
    options.freeze_cgroup = freezer.map(|path| path.display().to_string());
    if let Some(server) = arguments.text("page-server") {
        options.ps = Some(page_server(server)?);
    }
    if let Some(parent) = arguments.text("parent-path") {
        options.parent_img = Some(parent.to_owned());
        options.track_mem = Some(true);
    }
    Ok(())
}

fn page_server(text: &str) -> Result<CriuPageServerInfo> {
    let parts = text.rsplit_once(':');
    let Some((address, port)) = parts.filter(|(a, p)| !a.is_empty() && !p.is_empty()) else {
        bail!("Use --page-server ADDRESS:PORT to specify page server");
    };
    let port = port.parse().ok().context("Invalid port number")?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    Ok(CriuPageServerInfo {
        address: Some(address.to_owned()),
        port: Some(port),
        ..CriuPageServerInfo::default()
    })
}

/// What CRIU or the kernel must have for these flags; the descriptor to tell readiness on.
fn expect_features(arguments: &Arguments) -> Result<Option<i32>> {
    let (pre, lazy) = (arguments.on("pre-dump"), arguments.on("lazy-pages"));
    if pre || lazy {
        let found = criu::features(CriuFeatures {
            mem_track: Some(pre),
            lazy_pages: Some(lazy),
            pidfd_store: None,
        })?;
        let missing = [
            (pre && found.mem_track != Some(true), "MemTrack"),
            (lazy && found.lazy_pages != Some(true), "LazyPages"),
        ];
        let missing: Vec<&str> = missing
            .iter()
            .filter_map(|(missing, name)| missing.then_some(*name))
            .collect();
        if !missing.is_empty() {
            bail!("criu is missing features: [{}]", missing.join(" "));
        }
    }
    let number: Option<i32> = arguments.number("status-fd")?;
    let Some(number) = number.filter(|number| lazy && *number >= 0) else {
        return Ok(None);
    };
    let fd = sys::fds::borrow(number)
        .with_context(|| format!("invalid --status-fd argument {number}: bad file descriptor"))?;
    let mode = rustix::fs::fcntl_getfl(fd)? & rustix::fs::OFlags::ACCMODE;
    if mode == rustix::fs::OFlags::RDONLY {
        bail!("invalid --status-fd argument {number}: not writable");
    }
    Ok(Some(number))
}

/// Who waits for the server of lazy pages reads a zero byte.
fn say_ready(number: i32) {
    let told = sys::fds::borrow(number).map(|fd| rustix::io::write(fd, &[0]));
    if let Some(Err(errno)) = told {
        log::warn(&format!("can't write \\0 to status fd: {errno}"));
    }
}

/// Joined namespaces as CRIU is told of them: kind, inode and the key that `restore` gives.
fn external_namespaces(spec: &Spec) -> Result<Vec<String>> {
    let namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    let mut external = Vec::new();
    for namespace in namespaces.filter(|namespace| !namespace.path.is_empty()) {
        let known = EXTERNAL.iter().find(|(kind, ..)| *kind == namespace.kind);
        if let Some((_, name, key)) = known {
            let inode = std::fs::metadata(&namespace.path)
                .with_context(|| format!("stat {}", namespace.path))?
                .ino();
            external.push(format!("{name}[{inode}]:{key}"));
        }
    }
    Ok(external)
}

/// The mounts that come from outside, under their own names.
fn mounts(spec: &Spec, record: &Record) -> Vec<ExtMountMap> {
    let external = external_mounts(spec, record);
    let mut mounts: Vec<ExtMountMap> = external
        .into_iter()
        .map(|(destination, _)| ExtMountMap {
            val: destination.clone(),
            key: destination,
        })
        .collect();
    let masked = spec.linux.iter().flat_map(|linux| &linux.masked_paths);
    let inside = Path::new("/proc").join(record.pid.to_string()).join("root");
    for path in masked {
        let place = inside.join(path.trim_start_matches('/'));
        if std::fs::metadata(place).is_ok_and(|found| !found.is_dir()) {
            mounts.push(ExtMountMap {
                key: path.clone(),
                val: MASK.to_owned(),
            });
        }
    }
    mounts
}
