//! The program: words, environment, user, limits.

use super::{Input, capabilities, environment};
use crate::links::Linked;
use crate::{ContainerRecord, ContainerSpec, Error, ExecSpec, ResourceSpec};
use oci::runtime::{ConsoleSize, Process, Rlimit, RlimitKind};
use task::Size;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn of(input: &Input<'_>) -> Result<Process, Error> {
    let (record, spec) = (input.record, input.spec());
    let security = &spec.security;
    Ok(Process {
        terminal: spec.streams.tty,
        console_size: console_size(spec.streams.tty, spec.console_size),
        user: crate::user::process_user(&spec.process.user, &security.group_add)
            .map_err(|error| unmet_user(spec, error))?,
        args: words(input),
        env: env(record, input.links, spec.streams.tty, &[]),
        cwd: cwd(spec),
        capabilities: Some(capabilities::of(security)?),
        rlimits: rlimits(&spec.resources)?,
        no_new_privileges: security.no_new_privileges,
        apparmor_profile: apparmor(spec),
        oom_score_adj: spec.resources.oom_score_adj,
        ..Process::default()
    })
}

/// Who it cannot run as. COMPAT: in dockerd's words.
fn unmet_user(spec: &ContainerSpec, error: Error) -> Error {
    let user = &spec.process.user;
    let words = match error.to_string() {
        words if words.ends_with(crate::user::RANGE) => crate::user::RANGE.to_owned(),
        _ if crate::user::check(user).is_err() => {
            format!("unable to find user {user}: no matching entries in passwd file")
        }
        _ => "unable to find group: a name has no control character, slash, comma or colon"
            .to_owned(),
    };
    Error::unmet("User", words)
}

/// A further process of a container.
pub(crate) fn exec(
    record: &ContainerRecord,
    links: &[Linked],
    exec: &ExecSpec,
    size: Option<Size>,
) -> Result<Process, Error> {
    let spec = &record.spec;
    let user = match exec.user.as_str() {
        "" => &spec.process.user,
        user => user,
    };
    let capabilities = match exec.privileged {
        true => capabilities::all(),
        false => capabilities::of(&spec.security)?,
    };
    let cwd = match exec.working_dir.as_str() {
        "" => cwd(spec),
        dir if dir.starts_with('/') => dir.to_owned(),
        _ => {
            return Err(Error::unmet(
                "Exec.WorkingDir",
                "Cwd must be an absolute path",
            ));
        }
    };
    Ok(Process {
        terminal: exec.tty,
        console_size: console_size(exec.tty, size.map(|size| (size.height, size.width))),
        user: crate::user::process_user(user, &spec.security.group_add)?,
        args: exec.command.clone(),
        env: env(record, links, exec.tty, &exec.env),
        cwd,
        capabilities: Some(capabilities),
        rlimits: rlimits(&spec.resources)?,
        no_new_privileges: spec.security.no_new_privileges,
        apparmor_profile: match exec.privileged {
            true => String::new(),
            false => apparmor(spec),
        },
        oom_score_adj: spec.resources.oom_score_adj,
        ..Process::default()
    })
}

/// The program's words, after those of the init.
fn words(input: &Input<'_>) -> Vec<String> {
    let init = input.init.map(|_| [super::INIT, "--"]);
    let words = init.into_iter().flatten().chain(input.record.program());
    words.map(str::to_owned).collect()
}

fn cwd(spec: &ContainerSpec) -> String {
    match spec.process.working_dir.as_str() {
        "" => "/".to_owned(),
        dir => dir.to_owned(),
    }
}

fn console_size(tty: bool, size: Option<(u16, u16)>) -> Option<ConsoleSize> {
    let (height, width) = size.filter(|_| tty)?;
    Some(ConsoleSize {
        height: height.into(),
        width: width.into(),
    })
}

/// `HOME` is added inside, where the user's entry can be read.
fn env(record: &ContainerRecord, links: &[Linked], tty: bool, over: &[String]) -> Vec<String> {
    let mut base = vec![
        PATH.to_owned(),
        format!("HOSTNAME={}", crate::files::hostname(record)),
    ];
    if tty {
        base.push("TERM=xterm".to_owned());
    }
    base.extend(links.iter().flat_map(Linked::env));
    let own = environment::merge(&base, &record.spec.process.env);
    environment::merge(&own, over)
}

/// Limits by the kernel's numbers.
const ORDER: [RlimitKind; 16] = [
    RlimitKind::Cpu,
    RlimitKind::Fsize,
    RlimitKind::Data,
    RlimitKind::Stack,
    RlimitKind::Core,
    RlimitKind::Rss,
    RlimitKind::Nproc,
    RlimitKind::Nofile,
    RlimitKind::Memlock,
    RlimitKind::As,
    RlimitKind::Locks,
    RlimitKind::Sigpending,
    RlimitKind::Msgqueue,
    RlimitKind::Nice,
    RlimitKind::Rtprio,
    RlimitKind::Rttime,
];

pub(super) fn rlimits(resources: &ResourceSpec) -> Result<Vec<Rlimit>, Error> {
    let limit = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    let rlimit = |ulimit: &crate::Ulimit| {
        let name = format!("RLIMIT_{}", ulimit.name.to_ascii_uppercase());
        let kind = RlimitKind::ALL.iter().find(|kind| kind.as_str() == name);
        let kind = *kind.ok_or_else(|| {
            // COMPAT: in runc's words, as the next.
            Error::unmet("HostConfig.Ulimits", format!("wrong rlimit value: {name}"))
        })?;
        let (soft, hard) = (limit(ulimit.soft), limit(ulimit.hard));
        if soft > hard {
            let reason = format!(
                "unable to start container process: error during container init: error setting \
                 rlimits for ready process: error setting rlimit type {}: invalid argument",
                ORDER
                    .iter()
                    .position(|known| *known == kind)
                    .unwrap_or_default()
            );
            return Err(Error::unmet("HostConfig.Ulimits", reason));
        }
        Ok(Rlimit { kind, hard, soft })
    };
    resources.ulimits.iter().map(rlimit).collect()
}

fn has_apparmor() -> bool {
    let enabled = std::fs::read("/sys/module/apparmor/parameters/enabled");
    enabled.is_ok_and(|text| text.starts_with(b"Y"))
}

/// The profile that the caller named. COMPAT: without AppArmor it is nothing.
fn apparmor(spec: &ContainerSpec) -> String {
    match spec.security.apparmor.as_deref() {
        Some(profile) if profile != "unconfined" && has_apparmor() => profile.to_owned(),
        _ => String::new(),
    }
}
