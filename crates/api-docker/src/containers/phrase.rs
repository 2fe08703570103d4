//! A container's state that stands against an operation, in dockerd's words.

use crate::error::{Error, chain};
use engine::Problem;
use http::StatusCode;
use types::ExecId;

/// The error in dockerd's words.
pub(crate) fn phrase(error: &engine::Error) -> Error {
    match error {
        engine::Error::State {
            action,
            id,
            problem,
        } => Error::of(error).worded(state(action, id.as_str(), *problem)),
        engine::Error::Command {
            exit_code, message, ..
        } => Error::new(StatusCode::BAD_REQUEST, command(*exit_code, message)),
        engine::Error::Invalid {
            field: "container name",
            reason,
        } => Error::of(error).worded(format!("Invalid container name {reason}")),
        // What these say is dockerd's whole sentence.
        engine::Error::Invalid { field, reason } if SENTENCES.contains(field) => {
            Error::of(error).worded(reason.clone())
        }
        engine::Error::Unmet { field, reason } if OF_RUNTIME.contains(field) => {
            Error::of(error).worded(format!("{CREATED}{reason}"))
        }
        engine::Error::Logging { .. } => {
            Error::of(error).prefixed("failed to create task for container: ")
        }
        engine::Error::Task { .. } => of_supervisor(error),
        // COMPAT: what is missing is said with its words before.
        // COMPAT: what is no reference is told without its text before.
        engine::Error::Image {
            kind: types::ErrorKind::InvalidArgument,
            source,
            ..
        } => Error::of(error).worded(source.to_string()),
        engine::Error::Networking { source } => {
            phrase(source).prefixed("failed to set up container networking: ")
        }
        error => Error::of(error),
    }
}

/// Fields that dockerd leaves to runc.
const OF_RUNTIME: [&str; 2] = ["HostConfig.Sysctls", "HostConfig.Ulimits"];

/// What dockerd says before what runc said.
const CREATED: &str = "failed to create task for container: failed to create shim task: OCI \
                       runtime create failed: runc create failed: ";

/// Fields whose refusal is told in dockerd's sentence, without the field before it.
const SENTENCES: [&str; 26] = [
    "CgroupParent",
    "Env",
    "HostConfig.ExtraHosts",
    "Cmd",
    "WorkingDir",
    "mount",
    "Exec.User",
    "HostConfig.Links",
    "HostConfig.PidMode",
    "HostConfig.IpcMode",
    "ps_args",
    "HostConfig.VolumesFrom",
    "LogConfig",
    "Memory",
    "MemorySwap",
    "MemoryReservation",
    "MemorySwappiness",
    "NanoCpus",
    "CpuPeriod",
    "CpuQuota",
    "CpusetCpus",
    "CpusetMems",
    "BlkioWeight",
    "OomScoreAdj",
    "Hostname",
    "HostConfig.AutoRemove",
];

/// The sentence about a path in a volume that leads to nothing.
fn absent(words: &str) -> Option<String> {
    let (_, rest) = words.split_once("error mounting \"/")?;
    let (volume, rest) = rest.split_once("\" to rootfs at ")?;
    let (_, rest) = rest.split_once(": find the subpath ")?;
    let (path, reason) = rest.rsplit_once(": ")?;
    let (path, reason) = (path.trim_matches('"'), in_go_words(reason));
    let path = format!("/{volume}/{path}");
    (reason == NOTHING).then(|| format!("cannot access path {path}: lstat {path}: {NOTHING}"))
}

/// The kernel's word for a path that leads to nothing.
const NOTHING: &str = "no such file or directory";

/// A supervisor's error; who is not in the container's files is told in dockerd's words alone.
fn of_supervisor(error: &engine::Error) -> Error {
    let (told, words) = (Error::of(error), chain(error));
    if let Some(words) = absent(&words) {
        return Error::new(StatusCode::NOT_FOUND, words);
    }
    let words = match (account(&words), shares(&words), set_up(&words)) {
        (Some(words), ..) => words.to_owned(),
        (None, Some(words), _) => {
            format!("{SET_UP}error setting cgroup config for procHooks process: {words}")
        }
        (None, None, Some(words)) => match real_time(words) {
            Some(words) => format!("{CREATED}unable to start container process: {words}"),
            None => format!("{SET_UP}{}", in_go_words(words)),
        },
        (None, None, None) => return told,
    };
    // COMPAT: only what docker's client has an exit status for is the caller's fault.
    let status = match EXECUTED.iter().any(|text| words.contains(text)) {
        true => StatusCode::BAD_REQUEST,
        false => StatusCode::INTERNAL_SERVER_ERROR,
    };
    told.worded(words).with_status(status)
}

/// Words by which docker tells a program that is not there or cannot be executed.
const EXECUTED: [&str; 3] = ["executable file not found", NOTHING, "permission denied"];

/// Why a container could not be set up, without the words of those who passed it on.
fn set_up(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("cannot run container ")?;
    rest.split_once(": ").map(|(_, reason)| reason)
}

/// The sentence about a limit of real time that the kernel does not take.
fn real_time(words: &str) -> Option<String> {
    let (value, rest) = words.strip_prefix("cannot write ")?.split_once(" to ")?;
    let (path, reason) = rest.rsplit_once(": ")?;
    path.contains("/cpu.rt_").then(|| {
        let reason = in_go_words(reason);
        format!(
            "unable to apply cgroup configuration: failed to write {value:?}: write {path}: {reason}"
        )
    })
}

/// The sentence about shares of processors that the kernel does not take.
fn shares(text: &str) -> Option<&str> {
    let bounds = [
        "the minimum allowed cpu-shares",
        "the maximum allowed cpu-shares",
    ];
    let at = bounds.iter().find_map(|words| text.find(words))?;
    text.get(at..)
}

/// What dockerd says before the reason why a container could not be set up.
const SET_UP: &str = "failed to create task for container: failed to create shim task: OCI \
                      runtime create failed: runc create failed: unable to start container \
                      process: error during container init: ";

/// The sentence about a user or group that is not there, from its beginning.
fn account(text: &str) -> Option<&str> {
    let kinds = ["unable to find user ", "unable to find group "];
    let at = kinds.iter().find_map(|words| text.find(words))?;
    text.get(at..)
}

fn state(action: &str, id: &str, problem: Problem) -> String {
    match problem {
        Problem::NoLog => problem.to_string(),
        Problem::NotRunning => format!("container {id} is not running"),
        Problem::Paused if action == "pause" => format!("Container {id} is already paused"),
        Problem::Paused => {
            format!("container {id} is paused, unpause the container before {action}")
        }
        Problem::NotPaused => format!("Container {id} is not paused"),
        Problem::Restarting => {
            format!("Container {id} is restarting, wait until the container is running")
        }
        Problem::Removing if action == "remove" => {
            format!("removal of container {id} is already in progress")
        }
        problem => {
            let reason = problem.to_string();
            format!("cannot {action} container {id:?}: {reason}")
        }
    }
}

/// COMPAT: docker's client makes its exit status 127 or 126 of words that it looks for.
fn command(exit_code: u8, message: &str) -> String {
    let message = in_go_words(message);
    let known = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let words = match exit_code {
        127 if !known(&["executable file not found", "no such file or directory"]) => {
            ": no such file or directory"
        }
        126 if !known(&["permission denied", "is a directory"]) => ": permission denied",
        _ => "",
    };
    format!("{SET_UP}{message}{words}")
}

/// What ends the search for a program.
const SEARCHED: &str = "executable file not found in $PATH";

/// The kernel's errors as Go spells them: in small letters, without the number.
fn in_go_words(message: &str) -> String {
    const WORDS: [(&str, &str); 9] = [
        ("Invalid argument", "invalid argument"),
        ("Operation not permitted", "operation not permitted"),
        ("No such device", "no such device"),
        ("Too many open files", "too many open files"),
        ("No such file or directory", "no such file or directory"),
        ("Not a directory", "not a directory"),
        ("Permission denied", "permission denied"),
        ("Is a directory", "is a directory"),
        ("Exec format error", "exec format error"),
    ];
    let message = match message.rsplit_once(" (os error ") {
        Some((before, number)) if number.trim_end_matches(')').parse::<u32>().is_ok() => before,
        _ => message,
    };
    // The search says all that Go's does; the kernel's word adds nothing.
    let message = match message.split_once(SEARCHED) {
        Some((before, _)) => &format!("{before}{SEARCHED}"),
        None => message,
    };
    let message = message.replace(": cannot be executed: ", ": ");
    let replaced = |message: String, (from, to): (&str, &str)| message.replace(from, to);
    let words = WORDS.into_iter().fold(message, replaced);
    match words.ends_with("is a directory") {
        true => words + ": permission denied",
        false => words,
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        phrase(&error)
    }
}

/// Why an exec could not be started, which goes to its stream or is the answer.
pub(crate) fn exec_failure(id: &ExecId, error: engine::Error) -> Error {
    let words = match &error {
        engine::Error::State {
            problem: Problem::Executing,
            ..
        } => format!("exec command {id} is already running"),
        engine::Error::State {
            problem: Problem::AlreadyExecuted,
            ..
        } => format!("exec command {id} has already run"),
        engine::Error::Command { message, .. } => {
            format!(
                "{EXEC}unable to start container process: {}",
                in_go_words(message)
            )
        }
        engine::Error::Unmet { reason, .. } => format!("{EXEC}{reason}"),
        engine::Error::Task { .. } => match directory(&chain(&error)) {
            Some(words) => return Error::bad_request(words),
            None => return error.into(),
        },
        _ => return error.into(),
    };
    Error::of(&error).worded(words)
}

/// What dockerd says before what runc said of an exec.
const EXEC: &str = "OCI runtime exec failed: exec failed: ";

/// The sentence about a working directory that cannot be entered.
fn directory(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(ENTER)?;
    let rest = in_go_words(rest);
    let (dir, reason) = rest.split_once(": ").unwrap_or((&rest, ""));
    Some(format!(
        "{EXEC}unable to start container process: chdir to cwd ({dir}) set in config.json failed: \
         {reason}"
    ))
}

/// What the supervisor says before a working directory that cannot be entered.
const ENTER: &str = "enter working directory ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_in_dockers_words() {
        for (action, problem, words) in [
            ("kill", Problem::NotRunning, "container a is not running"),
            ("pause", Problem::Paused, "Container a is already paused"),
            (
                "exec",
                Problem::Paused,
                "container a is paused, unpause the container before exec",
            ),
            ("unpause", Problem::NotPaused, "Container a is not paused"),
        ] {
            assert_eq!(state(action, "a", problem), words);
        }
    }

    #[test]
    fn a_program_that_cannot_be_executed_is_told_in_words_that_the_client_knows() {
        assert!(command(127, "exec x").ends_with("no such file or directory"));
        assert!(command(126, "exec x").ends_with("permission denied"));
        let directory = command(126, "exec: \"/bin\": Is a directory (os error 21)");
        assert!(
            directory.ends_with("\"/bin\": is a directory: permission denied"),
            "{directory}"
        );
        let plain = "exec: \"x\": executable file not found in $PATH";
        assert!(command(127, plain).ends_with(plain));
    }
}
