//! `restore`: brings a container back from where `checkpoint` wrote it.

use super::checkpoint::{EXTERNAL, Images, MASK, external_mounts};
use super::create::{self, Mode, Wanted};
use super::{Context, delete, state};
use crate::arguments::{Arguments, Flag, switch, value};
use crate::foreground::{Signals, Terminal};
use crate::store::{Place, Record};
use crate::{console, log, status};
use anyhow::{Context as _, Result, bail};
use cgroup::Cgroup;
use container::Init;
use container::hooks::{self, Stage};
use criu::rpc::{CgroupRoot, CriuOpts, ExtMountMap, InheritFd, JoinNamespace};
use criu::{Criu, Event, Kind, Request};
use oci::runtime::{Namespace, NamespaceKind, Status};
use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree, unmount};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use sys::mount::{Change, Extent, Propagation, set_attributes};
use types::Timestamp;

pub(super) const FLAGS: &[Flag] = &[
    value("console-socket"),
    value("image-path"),
    value("work-path"),
    switch("tcp-established"),
    switch("ext-unix-sk"),
    switch("shell-job"),
    switch("file-locks"),
    value("manage-cgroups-mode"),
    value("bundle").or("b"),
    switch("detach").or("d"),
    value("pid-file"),
    switch("no-subreaper"),
    switch("no-pivot"),
    value("empty-ns"),
    switch("auto-dedup"),
    switch("lazy-pages"),
    value("lsm-profile"),
    value("lsm-mount-context"),
];

/// Since this version CRIU restores into a time namespace.
const TIME_NAMESPACES: i32 = 31_400;

pub(super) fn restore(context: &Context, arguments: &Arguments) -> Result<u8> {
    if arguments.on("no-pivot") {
        // COMPAT: runc takes it too, and CRIU does as it does.
        log::warn("--no-pivot changes nothing: CRIU enters the root in its own way");
    }
    if !rustix::process::geteuid().is_root() {
        log::warn("restore is untested with rootless containers");
    }
    let mode = match arguments.on("detach") {
        true => Mode::Detached,
        false => Mode::Foreground,
    };
    let wanted = create::wanted(context, arguments, mode)?;
    cut_off().context("make a mount namespace")?;
    let images = Images::prepare(arguments, "restore.log")?;
    let place = context.store().create(&wanted.id)?;
    let mut record = wanted.record();
    match bring_back(&wanted, &place, (&images, &mut record)) {
        Ok(code) => Ok(code),
        Err(error) => {
            // What failed is told; whatever was made goes again.
            if let Err(left) = delete::discard(&place, &record) {
                log::warn(&format!("{left:#}"));
            }
            Err(error)
        }
    }
}

fn bring_back(
    wanted: &Wanted<'_>,
    place: &Place,
    (images, record): (&Images, &mut Record),
) -> Result<u8> {
    place.keep_config(&wanted.config)?;
    let cgroup = wanted.cgroup()?;
    record.cgroup = cgroup.as_ref().map(Cgroup::state);
    place.write(record)?;
    let signals = match wanted.mode {
        Mode::Foreground => Some(Signals::catch(!wanted.arguments.on("no-subreaper"))?),
        _ => None,
    };
    let restored = restored(wanted, place, (images, &mut *record, cgroup.as_ref()));
    if restored.is_err() {
        images.quote_errors();
    }
    let mut init = restored?;
    keep_time_namespace(wanted, place)?;
    let terminal = match signals {
        Some(_) => Terminal::of(&mut init)?,
        None => None,
    };
    console::hand_over(wanted.arguments, &mut init)?;
    console::write_pid_file(wanted.arguments, init.pid())?;
    match signals {
        None => Ok(0),
        Some(signals) => {
            let code = signals.supervise(&init, terminal)?;
            delete::destroy_or_warn(place, record);
            Ok(code)
        }
    }
}

/// What joins the container later must join the time namespace too that CRIU has made.
fn keep_time_namespace(wanted: &Wanted<'_>, place: &Place) -> Result<()> {
    let mut spec = wanted.spec.clone();
    let Some(linux) = &mut spec.linux else {
        return Ok(());
    };
    let time = NamespaceKind::Time;
    if linux.namespaces.iter().any(|one| one.kind == time) || criu::version()? < TIME_NAMESPACES {
        return Ok(());
    }
    linux.namespaces.push(Namespace {
        kind: time,
        path: String::new(),
    });
    place.keep_config(&serde_json::to_vec(&spec)?)
}

fn restored(
    wanted: &Wanted<'_>,
    place: &Place,
    (images, record, cgroup): (&Images, &mut Record, Option<&Cgroup>),
) -> Result<Init> {
    container::make_targets(&wanted.rootfs, &wanted.bundle, &wanted.spec)?;
    let mut options = images.options(wanted.arguments, &wanted.spec)?;
    let root = Root::bind(wanted, place)?;
    options.root = Some(root.path.display().to_string());
    options.evasive_devices = Some(true);
    options.rst_sibling = Some(true);
    let text = |name| wanted.arguments.text(name).map(str::to_owned);
    options.lsm_profile = text("lsm-profile");
    options.lsm_mount_context = text("lsm-mount-context");
    options.ext_mnt = mounts(wanted, record);
    for (number, link) in (0..).zip(images.descriptors()?) {
        if link.contains("pipe:") {
            let (key, fd) = (link, number);
            options.inherit_fd.push(InheritFd { key, fd });
        }
    }
    let namespaces = namespaces(wanted, &mut options)?;
    let inherited: Vec<_> = namespaces.iter().map(AsFd::as_fd).collect();
    let criu = Criu::start(&inherited)?;
    if let Some(cgroup) = cgroup {
        // What CRIU forks is in its group.
        cgroup.add(criu.pid())?;
        options.cg_root = groups(criu.pid())?;
    }
    let request = Request {
        kind: Kind::Restore,
        options,
    };
    let mut terminal = None;
    criu.run(&request, |event| {
        heard(wanted, place, (&mut *record, event, &mut terminal))
    })?;
    Init::adopt(record.pid, terminal).context("hold the restored process")
}

fn heard(
    wanted: &Wanted<'_>,
    place: &Place,
    (record, event, terminal): (&mut Record, Event, &mut Option<OwnedFd>),
) -> Result<()> {
    log::debug(&format!("notify: {}", event.script));
    match event.script.as_str() {
        "setup-namespaces" => {
            let Some(list) = &wanted.spec.hooks else {
                return Ok(());
            };
            let mut state = state::document(record, Status::Creating);
            state.pid = event.pid;
            hooks::run(&list.prestart, Stage::Prestart, &state)?;
            hooks::run(&list.create_runtime, Stage::CreateRuntime, &state)?;
        }
        "post-restore" => {
            record.pid = event.pid;
            record.start_time = status::process(record.pid).map_or(0, |process| process.start_time);
            record.created = Timestamp::now();
            place.write(record)?;
        }
        "orphan-pts-master" => *terminal = event.descriptor,
        _ => {}
    }
    Ok(())
}

/// What is mounted for CRIU and by it is in a mount namespace of our own, so that the host has
/// nothing of it. Directories that CRIU mounts in must be opened after this.
fn cut_off() -> std::io::Result<()> {
    sys::namespace::unshare(sys::namespace::Kind::Mount.flag())?;
    let change = Change {
        propagation: Some(Propagation::Slave),
        ..Change::default()
    };
    set_attributes(CWD, c"/", &change, Extent::Tree)
}

/// The root as CRIU wants it: a mount point that nothing covers, for as long as CRIU works.
struct Root {
    path: PathBuf,
}

impl Root {
    fn bind(wanted: &Wanted<'_>, place: &Place) -> Result<Self> {
        let path = place.root();
        let bind = || -> std::io::Result<()> {
            fs::create_dir(&path)?;
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE;
            let tree = open_tree(CWD, &wanted.rootfs, flags)?;
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(&tree, c"", CWD, &path, flags)?;
            Ok(())
        };
        bind().with_context(|| format!("bind the root file system at {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // The container's directory is removed with what is in it: not with its files.
        if let Err(errno) = unmount(&self.path, UnmountFlags::DETACH) {
            log::warn(&format!("unmount {}: {errno}", self.path.display()));
        }
    }
}

fn mounts(wanted: &Wanted<'_>, record: &Record) -> Vec<ExtMountMap> {
    let mounts = external_mounts(&wanted.spec, record).into_iter();
    let mut mounts: Vec<ExtMountMap> = mounts.map(|(key, val)| ExtMountMap { key, val }).collect();
    let linux = wanted.spec.linux.as_ref();
    if linux.is_some_and(|linux| !linux.masked_paths.is_empty()) {
        mounts.push(ExtMountMap {
            key: MASK.to_owned(),
            val: MASK.to_owned(),
        });
    }
    mounts
}

/// Has CRIU join the namespaces that the configuration names by path.
fn namespaces(wanted: &Wanted<'_>, options: &mut CriuOpts) -> Result<Vec<OwnedFd>> {
    let mut inherited = Vec::new();
    let namespaces = wanted.spec.linux.iter().flat_map(|linux| &linux.namespaces);
    for namespace in namespaces.filter(|namespace| !namespace.path.is_empty()) {
        if let Some((_, name, key)) = EXTERNAL.iter().find(|(kind, ..)| *kind == namespace.kind) {
            let file = fs::File::open(&namespace.path)
                .with_context(|| format!("open {name} namespace {}", namespace.path))?;
            // Not among the numbers that become the process' standard streams.
            let file = rustix::io::fcntl_dupfd_cloexec(&file, 4)?;
            options.inherit_fd.push(InheritFd {
                key: (*key).to_owned(),
                fd: file.as_raw_fd(),
            });
            inherited.push(file);
            continue;
        }
        let name = match namespace.kind {
            NamespaceKind::Cgroup => {
                bail!("linux.namespaces: a cgroup namespace cannot be joined by restore")
            }
            NamespaceKind::Mount => "mnt",
            other => other.as_str(),
        };
        options.join_ns.push(JoinNamespace {
            ns: name.to_owned(),
            ns_file: namespace.path.clone(),
            extra_opt: None,
        });
    }
    Ok(inherited)
}

/// The groups of a process, as roots of those in the images.
fn groups(pid: i32) -> Result<Vec<CgroupRoot>> {
    let path = format!("/proc/{pid}/cgroup");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let lines = text.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        Some((controllers, path))
    });
    let mut roots = Vec::new();
    for (controllers, path) in lines {
        for controller in controllers.split(',') {
            roots.push(CgroupRoot {
                ctrl: Some(controller.to_owned()),
                path: path.to_owned(),
            });
        }
    }
    Ok(roots)
}
