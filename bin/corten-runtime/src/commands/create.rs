//! `create` and `run`.

use super::{Context, delete, start, state, update};
use crate::arguments::{Arguments, Flag, switch, value};
use crate::foreground::{self, Signals, Terminal};
use crate::store::{Place, Record, parse_id};
use crate::{capabilities, console, log, name, sealed, status};
use anyhow::{Context as _, Result, bail};
use cgroup::{Cgroup, Driver, Property, Reach, Request};
use container::{Create, Gate, Init, Stdio, Waiting};
use oci::runtime::{Namespace, NamespaceKind, Process, SeccompAction, Spec, Status};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use types::{ContainerId, Rootfs, Timestamp};

pub(super) const CREATE_FLAGS: &[Flag] = &[
    value("bundle").or("b"),
    value("console-socket"),
    value("pidfd-socket"),
    value("pid-file"),
    switch("no-pivot"),
    switch("no-new-keyring"),
    value("preserve-fds"),
];
pub(super) const RUN_FLAGS: &[Flag] = &[
    value("bundle").or("b"),
    value("console-socket"),
    value("pidfd-socket"),
    switch("detach").or("d"),
    switch("keep"),
    value("pid-file"),
    switch("no-subreaper"),
    switch("no-pivot"),
    switch("no-new-keyring"),
    value("preserve-fds"),
];

/// How far a container is brought, and who stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Up to its gate.
    Create,
    /// Started, and left alone.
    Detached,
    /// Started, and waited for.
    Foreground,
}

pub(super) fn create(context: &Context, arguments: &Arguments) -> Result<u8> {
    sealed::ensure()?;
    make(context, arguments, Mode::Create)
        .with_context(|| format!("{} create failed", name::of_program()))
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<u8> {
    sealed::ensure()?;
    let mode = match arguments.on("detach") {
        true => Mode::Detached,
        false => Mode::Foreground,
    };
    make(context, arguments, mode).with_context(|| format!("{} run failed", name::of_program()))
}

/// What the command line and the bundle ask for.
pub(super) struct Wanted<'a> {
    pub(super) id: ContainerId,
    pub(super) bundle: PathBuf,
    pub(super) config: Vec<u8>,
    pub(super) spec: Spec,
    pub(super) rootfs: PathBuf,
    driver: Driver,
    rootless: bool,
    pub(super) arguments: &'a Arguments,
    pub(super) mode: Mode,
}

/// Reads what is asked for, and checks it.
pub(super) fn wanted<'a>(
    context: &Context,
    arguments: &'a Arguments,
    mode: Mode,
) -> Result<Wanted<'a>> {
    let id = parse_id(&arguments.words[0])?;
    let bundle = std::path::absolute(arguments.text("bundle").unwrap_or("."))?;
    let bundle: PathBuf = bundle.components().collect();
    let config = read_config(&bundle)?;
    let mut spec = Spec::from_slice(&config).context("read config.json")?;
    check_version(&spec.oci_version)?;
    check_process(spec.process.as_ref())?;
    let process = spec
        .process
        .as_mut()
        .context("process property must not be empty")?;
    console::check_flags(process.terminal, mode != Mode::Foreground, arguments)?;
    console::pass_sockets(process);
    override_env(process);
    capabilities::drop_impossible(process);
    let linux = spec.linux.as_mut();
    if let Some(resources) = linux.and_then(|linux| linux.resources.as_mut()) {
        update::drop_kernel_memory(resources);
    }
    let root = spec.root.as_ref().context("root must be specified")?;
    Ok(Wanted {
        id,
        rootfs: bundle.join(&root.path).components().collect(),
        bundle,
        config,
        spec,
        driver: if context.systemd {
            Driver::Systemd
        } else {
            Driver::Cgroupfs
        },
        rootless: context.rootless,
        arguments,
        mode,
    })
}

fn make(context: &Context, arguments: &Arguments, mode: Mode) -> Result<u8> {
    let wanted = wanted(context, arguments, mode)?;
    let place = context.store().create(&wanted.id)?;
    let mut record = wanted.record();
    match bring_up(&wanted, &place, &mut record) {
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

fn read_config(bundle: &Path) -> Result<Vec<u8>> {
    match std::fs::read(bundle.join("config.json")) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && bundle.is_dir() => {
            bail!("JSON specification file config.json not found")
        }
        Err(error) => Err(error).with_context(|| format!("open {}", bundle.display())),
    }
}

/// Refuses a configuration of another specification. COMPAT: runc takes one that names none.
fn check_version(version: &str) -> Result<()> {
    let mut parts = version.split(['.', '-', '+']);
    let major = parts.next().and_then(|part| part.parse::<u32>().ok());
    let minor = parts.next().and_then(|part| part.parse::<u32>().ok());
    if version.is_empty() || (major.is_some_and(|major| major <= 1) && minor.is_some()) {
        return Ok(());
    }
    bail!(
        "ociVersion: {version:?} is no version up to {}",
        oci::runtime::VERSION
    )
}

/// What runc says of an unusable process, in its words.
pub(super) fn check_process(process: Option<&Process>) -> Result<()> {
    let Some(process) = process else {
        bail!("process property must not be empty");
    };
    if process.cwd.is_empty() {
        bail!("Cwd property must not be empty");
    }
    if !process.cwd.starts_with('/') {
        bail!("Cwd must be an absolute path");
    }
    if process.args.is_empty() {
        bail!("args must not be empty");
    }
    if !process.selinux_label.is_empty() && !Path::new("/sys/fs/selinux/enforce").exists() {
        bail!("selinux label is specified in config, but selinux is disabled or not supported");
    }
    Ok(())
}

/// Of several values of a variable the last one counts; the others are not passed on.
pub(super) fn override_env(process: &mut Process) {
    let name = |line: &String| line.split('=').next().unwrap_or_default().to_owned();
    let mut later = std::collections::HashSet::new();
    let kept = process
        .env
        .iter()
        .rev()
        .filter(|line| later.insert(name(line)));
    let mut kept: Vec<String> = kept.cloned().collect();
    kept.reverse();
    process.env = kept;
}

impl Wanted<'_> {
    pub(super) fn record(&self) -> Record {
        let own = |namespace: &Namespace| {
            namespace.kind == NamespaceKind::Pid && namespace.path.is_empty()
        };
        let linux = self.spec.linux.as_ref();
        let hooks = self.spec.hooks.as_ref();
        Record {
            version: Record::VERSION,
            id: self.id.clone(),
            oci_version: self.spec.oci_version.clone(),
            bundle: self.bundle.clone(),
            rootfs: self.rootfs.clone(),
            created: Timestamp::now(),
            pid: 0,
            start_time: 0,
            cgroup: None,
            own_pid_namespace: linux.is_some_and(|linux| linux.namespaces.iter().any(own)),
            poststart: hooks.is_some_and(|hooks| !hooks.poststart.is_empty()),
            poststop: hooks.is_some_and(|hooks| !hooks.poststop.is_empty()),
            annotations: self.spec.annotations.clone(),
        }
    }

    /// What annotations ask of systemd's unit.
    fn properties(&self) -> Result<Vec<Property>> {
        if self.driver != Driver::Systemd {
            return Ok(Vec::new());
        }
        let annotations = self.spec.annotations.iter();
        let named = annotations.filter_map(|(key, text)| {
            let name = key.strip_prefix("org.systemd.property.")?;
            let property = Property::parse(name, text);
            Some(property.with_context(|| format!("annotation {key}={text} value parse error")))
        });
        named.collect()
    }

    pub(super) fn cgroup(&self) -> Result<Option<Cgroup>> {
        let linux = self.spec.linux.as_ref();
        let path = linux.map(|linux| linux.cgroups_path.as_str());
        let intel_rdt = linux.and_then(|linux| linux.intel_rdt.as_ref());
        let properties = self.properties()?;
        let resources = linux.and_then(|linux| linux.resources.as_ref());
        if let Some(words) = resources.and_then(|all| Cgroup::passed_over(self.driver, all)) {
            log::warn(words);
        }
        let made = Cgroup::create(&Request {
            id: self.id.as_str(),
            path,
            resources,
            intel_rdt,
            reach: Reach::Every,
            driver: self.driver,
            properties: &properties,
        });
        match made {
            Ok(cgroup) => self.hand_over(cgroup).map(Some),
            // Without rights on any cgroup a container can still be.
            Err(_) if self.rootless && path.is_none_or(str::is_empty) && intel_rdt.is_none() => {
                Ok(None)
            }
            Err(error) => Err(error).context("unable to apply cgroup configuration"),
        }
    }
}

impl Wanted<'_> {
    /// Makes a group the container's user's that it can write to, as the specification allows.
    fn hand_over(&self, cgroup: Cgroup) -> Result<Cgroup> {
        let Some(user) = container::owner_of_cgroup(&self.spec) else {
            return Ok(cgroup);
        };
        // Who has no rights on the host can give nothing away, and keeps it.
        if let Err(error) = cgroup.give(user)
            && !self.rootless
        {
            drop(cgroup.delete());
            return Err(error).context("unable to apply cgroup configuration");
        }
        Ok(cgroup)
    }
}

/// The compiled filter of a configuration, if it has one that does anything.
pub(super) fn filter(spec: &Spec) -> Result<Option<seccomp::Program>> {
    let seccomp = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let Some(seccomp) = seccomp else {
        return Ok(None);
    };
    if seccomp.default_action == SeccompAction::Allow && seccomp.syscalls.is_empty() {
        return Ok(None);
    }
    let program = seccomp::compile(seccomp)?;
    log::debug(&format!("seccomp filter flags: {}", program.flags()));
    Ok(Some(program))
}

/// A container may run on every CPU that its cgroup has, whatever its caller was pinned to.
pub(super) fn reset_affinity() {
    let mut all = CpuSet::new();
    for cpu in 0..CpuSet::MAX_CPU {
        all.set(cpu);
    }
    // Where that is refused the caller's CPUs are what there is.
    if let Err(errno) = sched_setaffinity(None, &all) {
        log::debug(&format!("cannot reset the CPU affinity: {errno}"));
    }
}

fn bring_up(wanted: &Wanted<'_>, place: &Place, record: &mut Record) -> Result<u8> {
    let filter = filter(&wanted.spec)?;
    place.keep_config(&wanted.config)?;
    let cgroup = wanted.cgroup()?;
    record.cgroup = cgroup.as_ref().map(Cgroup::state);
    // From here on a killed create can be deleted by name.
    place.write(record)?;
    let foreground = wanted.mode == Mode::Foreground;
    let signals = match foreground {
        true => Some(Signals::catch(!wanted.arguments.on("no-subreaper"))?),
        false => None,
    };
    let drafted = Cell::new(Ok(()));
    let drafts = RefCell::new(&mut *record);
    // While the init sets itself up.
    let draft = |pid| {
        let mut record = drafts.borrow_mut();
        record.pid = pid;
        record.start_time = status::process(pid).map_or(0, |process| process.start_time);
        drafted.set(place.draft(&record));
    };
    let mut init = create_init(wanted, place, (cgroup.as_ref(), filter.as_ref()), &draft)?;
    drop(cgroup);
    drafted.into_inner().and_then(|()| place.publish())?;
    let terminal = match signals {
        Some(_) => Terminal::of(&mut init)?,
        None => None,
    };
    if let Err(error) = tell(wanted, &mut init, record) {
        foreground::end(&init);
        return Err(error);
    }
    match signals {
        None => Ok(0),
        Some(signals) => {
            let code = signals.supervise(&init, terminal)?;
            if !wanted.arguments.on("keep") {
                delete::destroy_or_warn(place, record);
            }
            Ok(code)
        }
    }
}

fn create_init(
    wanted: &Wanted<'_>,
    place: &Place,
    (cgroup, filter): (Option<&Cgroup>, Option<&seccomp::Program>),
    draft: &dyn Fn(i32),
) -> Result<Init> {
    let gate = match wanted.mode {
        Mode::Create => Some(Waiting::create(&place.gate())?),
        Mode::Detached | Mode::Foreground => None,
    };
    let rootfs = Rootfs::Directory(wanted.rootfs.clone());
    let request = Create {
        id: &wanted.id,
        spec: &wanted.spec,
        bundle: &wanted.bundle,
        rootfs: &rootfs,
        stdio: Stdio::Inherit,
        cgroup,
        seccomp: filter,
        gate: gate.as_ref().map_or(Gate::Held, Gate::Waiting),
        preserve_fds: console::preserved(wanted.arguments)?,
        keep_keyring: wanted.arguments.on("no-new-keyring"),
        no_pivot: wanted.arguments.on("no-pivot"),
        stock: None,
        cloned: Some(container::Told(draft)),
    };
    reset_affinity();
    let init = container::create(&request).map_err(|error| {
        let inside = error.is_of_init();
        let mut error = anyhow::Error::new(error);
        if inside {
            error = error.context("error during container init");
        }
        error.context("unable to start container process")
    })?;
    log::stages(init.pid(), None);
    Ok(init)
}

/// Tells the caller of the init, and starts it unless somebody else will.
fn tell(wanted: &Wanted<'_>, init: &mut Init, record: &Record) -> Result<()> {
    if wanted.mode != Mode::Foreground {
        console::hand_over(wanted.arguments, init)?;
    }
    console::send_pidfd(wanted.arguments, init)?;
    console::write_pid_file(wanted.arguments, init.pid())?;
    if wanted.mode == Mode::Create {
        return Ok(());
    }
    init.start().context("unable to start container process")?;
    start::poststart(&wanted.spec, &state::document(record, Status::Running))
}
