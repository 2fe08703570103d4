//! `exec`: one more process in a container.

use super::{Context, create};
use crate::arguments::{Arguments, Flag, switch, value};
use crate::foreground::{self, Signals, Terminal};
use crate::store::{Place, Record};
use crate::{capabilities, console, log, sealed, status};
use anyhow::{Context as _, Result, bail};
use cgroup::{Cgroup, Hierarchies};
use container::{Exec, Gate, Stdio};
use oci::runtime::{Capabilities, Process, Spec, Status};
use std::collections::BTreeMap;
use std::os::fd::AsFd;

pub(super) const FLAGS: &[Flag] = &[
    value("console-socket"),
    value("pidfd-socket"),
    value("cwd"),
    value("env").or("e"),
    switch("tty").or("t"),
    value("user").or("u"),
    value("additional-gids").or("g"),
    value("process").or("p"),
    switch("detach").or("d"),
    value("pid-file"),
    value("process-label"),
    value("apparmor"),
    switch("no-new-privs"),
    value("cap").or("c"),
    value("preserve-fds"),
    value("cgroup"),
    switch("ignore-paused"),
];

/// Marks a failure before the program ran.
#[derive(Debug, thiserror::Error)]
#[error("exec failed")]
pub(crate) struct Failed;

pub(super) fn exec(context: &Context, arguments: &Arguments) -> Result<u8> {
    attempt(context, arguments).context(Failed)
}

fn attempt(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (place, record) = context.container(arguments)?;
    match status::of(&place, &record)? {
        Status::Stopped => bail!("cannot exec in a stopped container"),
        Status::Paused if !arguments.on("ignore-paused") => {
            bail!("cannot exec in a paused container (use --ignore-paused to override)")
        }
        _ => {}
    }
    sealed::ensure()?;
    let spec = place.config()?;
    let process = process(&spec, arguments)?;
    join(
        &place,
        &record,
        &Joining {
            spec,
            process,
            arguments,
        },
    )
}

/// What is to be executed, and with what.
struct Joining<'a> {
    spec: Spec,
    process: Process,
    arguments: &'a Arguments,
}

fn join(_place: &Place, record: &Record, joining: &Joining<'_>) -> Result<u8> {
    let Joining {
        spec,
        process,
        arguments,
    } = joining;
    let detached = arguments.on("detach");
    console::check_flags(process.terminal, detached, arguments)?;
    let pidfd = status::pidfd(record)?.context("cannot exec in a stopped container")?;
    let cgroup = cgroup(record, arguments)?;
    let filter = create::filter(spec)?;
    let signals = match detached {
        true => None,
        false => Some(Signals::catch(false)?),
    };
    let preserve_fds = console::preserved(arguments)?;
    let execute = |cgroup: Option<&Cgroup>| {
        container::exec(&Exec {
            id: &record.id,
            spec,
            pid: record.pid,
            pidfd: pidfd.as_fd(),
            process,
            stdio: Stdio::Inherit,
            cgroup,
            seccomp: filter.as_ref(),
            gate: Gate::Held,
            preserve_fds,
            keep_keyring: false,
        })
    };
    create::reset_affinity();
    let executed = match execute(cgroup.as_ref()) {
        Err(container::Error::Process { source, .. })
            if takes_no_process(&source) && arguments.find("cgroup").is_none() =>
        {
            execute(of_init(record)?.as_ref())
        }
        executed => executed,
    };
    let mut init = match executed {
        Err(container::Error::Process { source, .. }) if takes_no_process(&source) => {
            return Err(source).with_context(adding);
        }
        executed => executed.context("unable to start container process")?,
    };
    log::stages(init.pid(), affinity(process)?.as_deref());
    let terminal = match signals {
        Some(_) => Terminal::of(&mut init)?,
        None => None,
    };
    let mut tell = || {
        if detached {
            console::hand_over(arguments, &mut init)?;
        }
        console::send_pidfd(arguments, &init)?;
        console::write_pid_file(arguments, init.pid())?;
        init.start().context("unable to start container process")
    };
    if let Err(error) = tell() {
        foreground::end(&init);
        return Err(error);
    }
    match signals {
        None => Ok(0),
        Some(signals) => Ok(signals.supervise(&init, terminal)?),
    }
}

/// The CPUs that a process begins on, as a mask.
fn affinity(process: &Process) -> Result<Option<String>> {
    let cpus = container::initial_cpus(process)?;
    let Some(last) = cpus.iter().max() else {
        return Ok(None);
    };
    let mut digits = vec![0_u8; last / 4 + 1];
    for cpu in &cpus {
        digits[cpu / 4] |= 1 << (cpu % 4);
    }
    let digits = digits.iter().rev().map(|digit| format!("{digit:x}"));
    Ok(Some(format!("0x{}", digits.collect::<String>())))
}

fn cgroup(record: &Record, arguments: &Arguments) -> Result<Option<Cgroup>> {
    let Some(state) = &record.cgroup else {
        return Ok(None);
    };
    let cgroup = Cgroup::open(state)?;
    let below = below(arguments)?;
    if below.is_empty() {
        let is_gone = state.paths.contains_key("") && !cgroup.state().paths.contains_key("");
        return if is_gone {
            of_init(record)
        } else {
            Ok(Some(cgroup))
        };
    }
    Ok(Some(cgroup.below(&below).with_context(adding)?))
}

/// COMPAT: the words that callers match on. The pid is ours: there is no other yet.
fn adding() -> String {
    format!("error adding pid {} to cgroups", std::process::id())
}

/// A group of version 2 that gives its controllers to groups below has no processes itself.
fn takes_no_process(error: &std::io::Error) -> bool {
    let number = error.raw_os_error();
    [libc::EBUSY, libc::EOPNOTSUPP].map(Some).contains(&number)
}

/// The container's group, in version 2 where its init is by now: that can have moved, when it
/// manages groups of its own.
fn of_init(record: &Record) -> Result<Option<Cgroup>> {
    let Some(mut state) = record.cgroup.clone() else {
        return Ok(None);
    };
    let path = format!("/proc/{}/cgroup", record.pid);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let unified = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let hierarchies = Hierarchies::probe()?;
    if let (Some(path), Some(hierarchy)) = (unified, hierarchies.find("")) {
        state
            .paths
            .insert(String::new(), hierarchy.mount.join(path));
    }
    Ok(Some(Cgroup::open(&state)?))
}

/// `--cgroup PATH` for version 2, `--cgroup CONTROLLER,..:PATH` for version 1.
fn below(arguments: &Arguments) -> Result<BTreeMap<String, String>> {
    let mut paths = BTreeMap::new();
    for given in arguments.all("cgroup") {
        let (controllers, path) = given.split_once(':').unwrap_or(("", given));
        if path.split('/').any(|part| part == "..") {
            bail!("bad sub cgroup path: {path}");
        }
        if !given.contains(':') && arguments.all("cgroup").count() != 1 {
            bail!("invalid --cgroup argument: {given} (missing <controller>: prefix)");
        }
        for controller in controllers.split(',') {
            if controller.is_empty() && given.contains(':') {
                bail!("invalid --cgroup argument: {given} (empty <controller> prefix)");
            }
            if paths
                .insert(controller.to_owned(), path.to_owned())
                .is_some()
            {
                bail!(
                    "invalid --cgroup argument(s): controller {controller} specified multiple times"
                );
            }
        }
    }
    Ok(paths)
}

/// The process document given, or the container's own with what the flags change.
fn process(spec: &Spec, arguments: &Arguments) -> Result<Process> {
    let mut process = match arguments.text("process") {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("open {path}"))?;
            Process::from_slice(&bytes).with_context(|| format!("read {path}"))?
        }
        None => from_flags(spec, arguments)?,
    };
    create::check_process(Some(&process))?;
    create::override_env(&mut process);
    capabilities::drop_impossible(&mut process);
    // A document that does not say has the container's.
    if let Some(own) = &spec.process {
        process.scheduler = process.scheduler.or_else(|| own.scheduler.clone());
        process.io_priority = process.io_priority.or_else(|| own.io_priority.clone());
    }
    Ok(process)
}

fn from_flags(spec: &Spec, arguments: &Arguments) -> Result<Process> {
    let mut process = spec
        .process
        .clone()
        .context("process property must not be empty")?;
    if arguments.words.len() < 2 {
        bail!("exec args cannot be empty");
    }
    process.args = arguments.words[1..].to_vec();
    process.terminal = arguments.on("tty");
    let texts = [
        ("cwd", &mut process.cwd),
        ("apparmor", &mut process.apparmor_profile),
        ("process-label", &mut process.selinux_label),
    ];
    for (flag, field) in texts {
        if let Some(text) = arguments.text(flag) {
            text.clone_into(field);
        }
    }
    add_capabilities(&mut process, arguments);
    process.env.extend(arguments.all("env").map(str::to_owned));
    if arguments.find("no-new-privs").is_some() {
        process.no_new_privileges = arguments.on("no-new-privs");
    }
    if let Some(user) = arguments.text("user") {
        let (uid, gid) = user
            .split_once(':')
            .map_or((user, None), |(uid, gid)| (uid, Some(gid)));
        if let Some(gid) = gid {
            process.user.gid = gid.parse().with_context(|| format!("bad gid: {gid:?}"))?;
        }
        process.user.uid = uid.parse().with_context(|| format!("bad uid: {uid:?}"))?;
    }
    for gid in arguments.all("additional-gids") {
        let gid = gid
            .parse()
            .with_context(|| format!("additional-gids must be a positive number {gid}"))?;
        process.user.additional_gids.push(gid);
    }
    Ok(process)
}

fn add_capabilities(process: &mut Process, arguments: &Arguments) {
    let mut names = arguments.all("cap").peekable();
    if names.peek().is_none() {
        return;
    }
    let sets = process
        .capabilities
        .get_or_insert_with(Capabilities::default);
    for name in names {
        let name = name.to_owned();
        sets.bounding.push(name.clone());
        sets.effective.push(name.clone());
        sets.permitted.push(name.clone());
        // Ambient ones must be inheritable too, which the flag does not make them.
        if !sets.inheritable.is_empty() {
            sets.ambient.push(name);
        }
    }
}
