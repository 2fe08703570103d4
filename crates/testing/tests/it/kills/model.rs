//! What must be there afterwards, by what was answered before.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::{Duration, Instant};
use testing::{Ran, TestHost};

/// How long until all is as it must be.
const SETTLING: Duration = Duration::from_secs(20);
/// How long the daemon takes at most to begin what it was asked for.
const DOING: Duration = Duration::from_millis(50);
/// The name of the container.
pub(super) const NAME: &str = "victim";
/// What it runs: it prints [`OUTPUT`] and [`ERRORS`], and exits 7.
pub(super) const PROGRAM: [&str; 4] = [
    "busybox",
    "sh",
    "-c",
    "n=0; while [ $n -lt 30 ]; do n=$((n+1)); echo \"line $n\"; done; echo bad >&2; exit 7",
];
const CODE: i64 = 7;
const UNKNOWN: i64 = 255;

fn output() -> String {
    (1..=30).map(|n| format!("line {n}\n")).collect()
}

const ERRORS: &str = "bad\n";

/// Whether what may not have happened did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Step {
    /// It was not asked for.
    #[default]
    Untried,
    /// It was asked for; no answer came, or a failure.
    Tried,
    /// It was answered.
    Done,
}

impl Step {
    /// By how a command ended.
    pub(super) fn of(ran: &Ran, code: i32) -> Self {
        match ran.code == code {
            true => Self::Done,
            false => Self::Tried,
        }
    }
}

/// What was asked for and answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub create: Step,
    pub start: Step,
    /// The exit status that a client was told.
    pub status: Option<i64>,
    pub remove: Step,
    /// It is removed when it ends.
    pub auto_remove: bool,
    /// Its supervisor was the victim.
    pub shim_died: bool,
    /// It does not end by itself.
    pub endless: bool,
    /// What commands said, for whoever reads a failure.
    pub said: Vec<String>,
}

/// A container as the daemon shows it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    id: String,
    status: String,
    code: i64,
    error: String,
    started: String,
}

/// Fails with words unless the host is as `model` says.
pub(super) fn check(host: &TestHost, model: &Model) -> Result<(), String> {
    let mut before = settled(host, model)?;
    doctored(host)?;
    if model.create == Step::Tried || model.start == Step::Tried {
        std::thread::sleep(DOING);
    }
    let mut seen = settled(host, model)?;
    // What a command asked for before it was killed may be done only now.
    while seen != before {
        before = seen;
        std::thread::sleep(DOING);
        seen = settled(host, model)?;
    }
    if let Some(seen) = &seen {
        check_presence(model)?;
        check_state(host, model, seen)?;
    } else if model.create == Step::Done && model.remove == Step::Untried && !model.auto_remove {
        return Err("a container that was made is not there".into());
    }
    if let Some(seen) = seen {
        check_use(host, model, &seen)?;
        host.cli(&["rm", "-f", NAME]);
        if look(host)?.is_some() {
            return Err("it cannot be removed".into());
        }
    }
    doctored(host)
}

fn check_presence(model: &Model) -> Result<(), String> {
    let removed = model.remove == Step::Done || (model.auto_remove && model.start == Step::Done);
    match removed {
        true => Err("a container that was removed is there".into()),
        false => Ok(()),
    }
}

fn check_state(host: &TestHost, model: &Model, seen: &Seen) -> Result<(), String> {
    let whole = || check_logs(host, 1);
    match seen.status.as_str() {
        "created" if model.start != Step::Done && model.status.is_none() => {
            let logged = logs(host)?;
            match model.shim_died || logged == (String::new(), String::new()) {
                true => Ok(()),
                false => Err(format!(
                    "it ran, and is recorded as never started: {logged:?}"
                )),
            }
        }
        "running" if model.endless && !model.shim_died => Ok(()),
        "exited" if model.endless && seen.code == UNKNOWN && model.shim_died => Ok(()),
        "exited" if model.endless && seen.code == 137 && model.remove == Step::Tried => Ok(()),
        "exited" if seen.code == CODE && seen.started.starts_with("0001") => {
            Err("it ended without ever having started".into())
        }
        "exited" if seen.code == CODE && !model.endless => whole(),
        "exited" if model.shim_died && model.status != Some(CODE) => {
            let unknown = seen.code == UNKNOWN || seen.code == 128;
            match unknown && !seen.error.is_empty() {
                true => check_prefix(host),
                false => Err(format!("its status is neither known nor unknown: {seen:?}")),
            }
        }
        _ => Err(format!("it is not as it was said to be: {seen:?}")),
    }
}

/// A container that is there can be started again, and runs as if nothing had happened.
fn check_use(host: &TestHost, model: &Model, seen: &Seen) -> Result<(), String> {
    if model.endless || model.auto_remove {
        return Ok(());
    }
    let before = logs(host)?;
    let ran = host.cli(&["start", "-a", NAME]);
    if i64::from(ran.code) != CODE || ran.text() != output() || ran.error() != ERRORS {
        return Err(format!("it cannot be started again ({seen:?}):\n{ran}"));
    }
    let (out, err) = logs(host)?;
    let expected = (before.0 + &output(), before.1 + ERRORS);
    match (out, err) == expected {
        true => Ok(()),
        false => Err("its second run's log is not whole".into()),
    }
}

fn check_logs(host: &TestHost, runs: usize) -> Result<(), String> {
    let logged = logs(host)?;
    match logged == (output().repeat(runs), ERRORS.repeat(runs)) {
        true => Ok(()),
        false => Err(format!("its log is not whole: {logged:?}")),
    }
}

fn check_prefix(host: &TestHost) -> Result<(), String> {
    let (out, err) = logs(host)?;
    match output().starts_with(&out) && ERRORS.starts_with(&err) {
        true => Ok(()),
        false => Err(format!("its log has what it never wrote: {out:?} {err:?}")),
    }
}

fn logs(host: &TestHost) -> Result<(String, String), String> {
    let ran = host.cli(&["logs", NAME]);
    match ran.code {
        0 => Ok((ran.text(), ran.error())),
        _ => Err(format!("its log cannot be read:\n{ran}")),
    }
}

/// The output of an attached command: all, as it ran to its end, or none, as it never started.
pub(super) fn check_attached(ran: &Ran) -> Result<(), String> {
    let whole = ran.text() == output() && ran.error().starts_with(ERRORS);
    match whole || (i64::from(ran.code) != CODE && ran.stdout.is_empty()) {
        true => Ok(()),
        false => Err(format!("an attached client lost output:\n{ran}")),
    }
}

/// The output of a client that was itself the victim, or whose shim was.
pub(super) fn check_attached_prefix(ran: &Ran) -> Result<(), String> {
    let text = ran.text();
    // COMPAT: why a process was not executed comes where its output would have, and with a
    // container's end its execs are forgotten.
    let ended = text.starts_with("container ") && text.trim_end().ends_with(" is not running");
    let refused = ran.code == 126 && (ended || text.starts_with("cannot execute in container "));
    let refused = refused || text.starts_with("No such exec instance: ");
    let cut = i64::from(ran.code) != CODE && (output().starts_with(&text) || refused);
    match text == output() || cut {
        true => Ok(()),
        false => Err(format!("an attached client lost output:\n{ran}")),
    }
}

/// The container once nothing about it changes by itself any more.
fn settled(host: &TestHost, model: &Model) -> Result<Option<Seen>, String> {
    let deadline = Instant::now() + SETTLING;
    loop {
        let seen = look(host)?;
        let moving = seen
            .as_ref()
            .is_some_and(|seen| match seen.status.as_str() {
                "running" => !model.endless || model.shim_died || model.remove == Step::Done,
                "created" => false,
                "exited" => model.auto_remove,
                _ => true,
            });
        if !moving {
            return Ok(seen);
        }
        if Instant::now() > deadline {
            return Err(format!("it stays as it is: {seen:?}"));
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

fn look(host: &TestHost) -> Result<Option<Seen>, String> {
    let answer = host.http("GET", "/containers/json?all=1", None);
    let all = answer.json();
    let listed = all.as_array().cloned().unwrap_or_default();
    if listed.len() > 1 {
        return Err(format!("more than one container: {all}"));
    }
    let Some(id) = listed.first().and_then(|one| one["Id"].as_str()) else {
        return Ok(None);
    };
    let answer = host.http("GET", &format!("/containers/{id}/json"), None);
    if answer.status == 404 {
        return Ok(None);
    }
    let state = &answer.json()["State"];
    let text = |name: &str| state[name].as_str().unwrap_or_default().to_owned();
    Ok(Some(Seen {
        id: id.to_owned(),
        status: text("Status"),
        code: state["ExitCode"].as_i64().unwrap_or(-1),
        error: text("Error"),
        started: text("StartedAt"),
    }))
}

/// Doctor finds nothing, and no shim is kept for what has ended.
fn doctored(host: &TestHost) -> Result<(), String> {
    let deadline = Instant::now() + SETTLING;
    loop {
        let known = look(host)?.map(|seen| seen.id.parse().unwrap());
        let records = doctor::Records::Containers(known.into_iter().collect::<BTreeSet<_>>());
        let found = doctor::examine(host.paths(), &records);
        let mut left: Vec<String> = found.leaks.iter().map(ToString::to_string).collect();
        left.extend(found.unread);
        left.extend(shims(host)?);
        left.extend(strange(host));
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("left behind: {}", left.join("; ")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Shims that hold nothing that runs, but for the one that waits for the next container.
fn shims(host: &TestHost) -> Result<Vec<String>, String> {
    let running = look(host)?.filter(|seen| seen.status == "running");
    let names = super::used_shims(host).filter_map(|folder| folder.file_name().map(OsString::from));
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let idle = names.filter(|name| running.as_ref().is_none_or(|seen| seen.id != *name));
    Ok(idle.map(|name| format!("shim of {name}")).collect())
}

/// Names in the daemon's directories that are not for long.
pub(super) fn strange(host: &TestHost) -> Vec<String> {
    let folders = [&host.paths().root, &host.paths().run];
    let entries = folders
        .into_iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .flatten();
    let names = entries.map(|entry| entry.path().display().to_string());
    names
        .filter(|name| name.ends_with(".new") || name.contains('#') || name.ends_with(".tmp"))
        .collect()
}
