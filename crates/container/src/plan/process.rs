//! The program: what is executed, and with which surroundings.

use super::credentials::Credentials;
use super::scheduling::{Memory, Scheduling};
use super::text::{all, c};
use crate::Error;
use oci::runtime::{Process as Requested, RlimitKind};
use rustix::process::{Resource, Rlimit as Limit};
use rustix::termios::Winsize;
use std::ffi::CString;
use sys::exec::Strings;

/// One resource limit.
#[derive(Debug)]
pub(crate) struct Rlimit {
    pub(crate) resource: Resource,
    pub(crate) limit: Limit,
    pub(crate) name: CString,
}

/// The program.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) arguments: Strings,
    pub(crate) environment: Strings,
    /// The environment says where home is.
    pub(crate) has_home: bool,
    /// Where the program may be, in the order in which it is looked for.
    pub(crate) candidates: Vec<CString>,
    pub(crate) cwd: CString,
    pub(crate) cwd_target: super::Target,
    pub(crate) credentials: Credentials,
    pub(crate) rlimits: Vec<Rlimit>,
    pub(crate) terminal: bool,
    pub(crate) size: Option<Winsize>,
    pub(crate) scheduling: Scheduling,
    pub(crate) memory: Memory,
    /// What is written to `oom_score_adj`.
    pub(crate) oom_score_adj: Option<String>,
    /// The file of `/proc/self/attr`, relative to procfs, and what is written to it.
    pub(crate) label: Option<(CString, Vec<u8>)>,
    /// SELinux's label of keys that are made for the process.
    pub(crate) key_label: Option<Vec<u8>>,
}

impl Process {
    pub(crate) fn plan(process: &Requested, field: &str) -> Result<Self, Error> {
        let at = |name: &str| format!("{field}.{name}");
        if process.args.is_empty() || process.args[0].is_empty() {
            return Err(Error::invalid(at("args"), "names no program"));
        }
        if !process.cwd.starts_with('/') {
            let reason = format!("{:?} is not absolute", process.cwd);
            return Err(Error::invalid(at("cwd"), reason));
        }
        let small = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
        let size = process.console_size.map(|size| Winsize {
            ws_row: small(size.height),
            ws_col: small(size.width),
            ws_xpixel: 0,
            ws_ypixel: 0,
        });
        Ok(Self {
            arguments: Strings::new(all(&at("args"), &process.args)?),
            environment: Strings::new(all(&at("env"), &environment(process))?),
            has_home: has_home(&process.env),
            candidates: candidates(&at("args[0]"), &process.args[0], &process.env)?,
            cwd: c(&at("cwd"), &process.cwd)?,
            cwd_target: super::Target::plan(&at("cwd"), &process.cwd)?,
            credentials: Credentials::plan(
                field,
                &process.user,
                process.capabilities.as_ref(),
                process.no_new_privileges,
            )?,
            rlimits: rlimits(&at("rlimits"), process)?,
            terminal: process.terminal,
            size,
            scheduling: Scheduling::plan(field, process)?,
            memory: Memory::default(),
            oom_score_adj: oom_score_adj(&at("oomScoreAdj"), process.oom_score_adj)?,
            label: label(field, process)?,
            key_label: Some(process.selinux_label.clone().into_bytes())
                .filter(|label| !label.is_empty()),
        })
    }
}

/// COMPAT: as for runc, an empty `HOME` is none, and is replaced by the user's.
fn has_home(environment: &[String]) -> bool {
    let mut homes = environment
        .iter()
        .rev()
        .filter_map(|variable| variable.strip_prefix("HOME="));
    homes.next().is_some_and(|home| !home.is_empty())
}

/// The environment, without the `HOME` that is replaced.
fn environment(process: &Requested) -> Vec<String> {
    let mut environment = process.env.clone();
    if !has_home(&process.env) {
        environment.retain(|variable| !variable.starts_with("HOME="));
    }
    environment
}

fn oom_score_adj(field: &str, value: Option<i32>) -> Result<Option<String>, Error> {
    match value {
        Some(value) if !(-1000..=1000).contains(&value) => {
            let reason = format!("{value} is not between -1000 and 1000");
            Err(Error::invalid(field, reason))
        }
        value => Ok(value.map(|value| value.to_string())),
    }
}

/// Where execve is tried: the name itself if it has a slash, else in each directory of `PATH`.
fn candidates(field: &str, name: &str, environment: &[String]) -> Result<Vec<CString>, Error> {
    if name.contains('/') {
        return Ok(vec![c(field, name)?]);
    }
    let path = environment
        .iter()
        .rev()
        .find_map(|variable| variable.strip_prefix("PATH="))
        .unwrap_or("");
    // What is in the current directory only because it is there is not executed.
    path.split(':')
        .filter(|dir| dir.starts_with('/'))
        .map(|dir| c(field, &format!("{}/{name}", dir.trim_end_matches('/'))))
        .collect()
}

fn rlimits(field: &str, process: &Requested) -> Result<Vec<Rlimit>, Error> {
    let mut planned: Vec<Rlimit> = Vec::with_capacity(process.rlimits.len());
    for (i, rlimit) in process.rlimits.iter().enumerate() {
        let field = format!("{field}[{i}]");
        let resource = resource(rlimit.kind);
        if planned.iter().any(|known| known.resource == resource) {
            return Err(Error::invalid(field, "is the second one of its type"));
        }
        if rlimit.soft > rlimit.hard {
            return Err(Error::invalid(field, "soft is above hard"));
        }
        let finite = |value: u64| (value != u64::MAX).then_some(value);
        planned.push(Rlimit {
            resource,
            limit: Limit {
                current: finite(rlimit.soft),
                maximum: finite(rlimit.hard),
            },
            name: c(&field, &format!("{resource:?}"))?,
        });
    }
    Ok(planned)
}

fn resource(kind: RlimitKind) -> Resource {
    match kind {
        RlimitKind::As => Resource::As,
        RlimitKind::Core => Resource::Core,
        RlimitKind::Cpu => Resource::Cpu,
        RlimitKind::Data => Resource::Data,
        RlimitKind::Fsize => Resource::Fsize,
        RlimitKind::Locks => Resource::Locks,
        RlimitKind::Memlock => Resource::Memlock,
        RlimitKind::Msgqueue => Resource::Msgqueue,
        RlimitKind::Nice => Resource::Nice,
        RlimitKind::Nofile => Resource::Nofile,
        RlimitKind::Nproc => Resource::Nproc,
        RlimitKind::Rss => Resource::Rss,
        RlimitKind::Rtprio => Resource::Rtprio,
        RlimitKind::Rttime => Resource::Rttime,
        RlimitKind::Sigpending => Resource::Sigpending,
        RlimitKind::Stack => Resource::Stack,
    }
}

/// What the program's security label is, and where it is written.
fn label(field: &str, process: &Requested) -> Result<Option<(CString, Vec<u8>)>, Error> {
    let module = |name: &str, on: &str, directory: &str| {
        if std::path::Path::new(on).exists() {
            return Ok(());
        }
        let reason = format!("{directory} is not enabled on this host");
        Err(Error::invalid(format!("{field}.{name}"), reason))
    };
    match (&*process.apparmor_profile, &*process.selinux_label) {
        ("" | "unconfined", "") => Ok(None),
        (profile, "") => {
            module(
                "apparmorProfile",
                "/sys/kernel/security/apparmor",
                "AppArmor",
            )?;
            let path = match std::path::Path::new("/proc/self/attr/apparmor").exists() {
                true => c"self/attr/apparmor/exec",
                false => c"self/attr/exec",
            };
            Ok(Some((
                path.to_owned(),
                format!("exec {profile}").into_bytes(),
            )))
        }
        ("" | "unconfined", label) => {
            module("selinuxLabel", "/sys/fs/selinux/enforce", "SELinux")?;
            Ok(Some((
                c"self/attr/exec".to_owned(),
                label.as_bytes().to_vec(),
            )))
        }
        _ => Err(Error::invalid(
            format!("{field}.selinuxLabel"),
            "together with an apparmorProfile",
        )),
    }
}
