//! Daemon, command and supervisor are killed at each of their system calls; nothing is lost
//! and nothing is left.
//!
//! A sample runs as a test. `CORTEN_KILLS=all` runs every number until the victim outlives it,
//! `CORTEN_KILLS=FROM..TO` a range, `CORTEN_KILLS=N` one; `CORTEN_KILLS_OF=WORDS` only the trials
//! whose names have these words. A failure names its number; as threads take turns, the same
//! number need not hit the same call twice.

#![expect(clippy::print_stderr, reason = "figures for whoever runs every number")]

mod attach;
mod clients;
mod fault;
mod model;
mod operations;
mod registry;
mod resize;

use crate::spare::{await_spare, end_spare};
use fault::{Fault, Outcome};
use model::{Model, NAME, PROGRAM, Step};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::time::Instant;
use testing::{Ran, TestHost};

/// How many numbers each test samples.
const SAMPLE: u64 = 9;
/// So many numbers after the last that killed, there are no more.
const BEYOND: u64 = 10;

/// A run with a victim that dies at a call, if it makes so many; then all is checked.
type Trial<'a> = &'a dyn Fn(&mut TestHost, Option<u64>) -> Result<Outcome, String>;

#[test]
fn a_daemon_killed_while_a_container_is_made_run_and_removed_loses_nothing() {
    every("daemon, create to rm", |host, at| {
        let fault = Fault::seize(host.daemon_pid().unwrap(), "itself", at);
        let model = create_to_remove(host);
        judge_daemon(host, fault, &model)
    });
}

#[test]
fn a_daemon_killed_while_a_client_is_attached_loses_nothing() {
    every("daemon, run --rm", |host, at| {
        let fault = Fault::seize(host.daemon_pid().unwrap(), "itself", at);
        let ran = run(&attached(host, &["--rm"]));
        let model = of_run(&ran, true);
        let outcome = judge_daemon(host, fault, &model)?;
        model::check_attached(&ran)?;
        Ok(outcome)
    });
}

#[test]
fn a_daemon_killed_while_a_process_is_executed_loses_nothing() {
    every("daemon, exec and rm", |host, at| {
        let mut model = sleeping(host);
        let fault = Fault::seize(host.daemon_pid().unwrap(), "itself", at);
        let ran = run(&exec(host));
        model.remove = remove_if(&ran, host);
        let outcome = judge_daemon(host, fault, &model)?;
        model::check_attached(&ran)?;
        Ok(outcome)
    });
}

#[test]
fn a_daemon_killed_while_it_takes_over_loses_nothing() {
    every("daemon, start of it", |host, at| {
        let model = sleeping(host);
        host.kill_daemon();
        let paths = host.paths();
        let mut daemon = Command::new(testing::binary("corten"));
        daemon.args(["daemon", "--root"]).arg(&paths.root);
        daemon.arg("--run").arg(&paths.run);
        let mut waiting = fault::waiting(&daemon, Stdio::null(), Stdio::null());
        let fault = Fault::seize(waiting.id(), "corten-daemon", at);
        fault::go(&mut waiting);
        let answered = || {
            let asked = testing::request(&host.paths().socket, "GET", "/containers/json", None);
            asked.is_some_and(|answer| answer.text().contains(NAME))
        };
        let deadline = Instant::now() + testing::PATIENCE;
        while !answered() && waiting.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it neither answers nor ends");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let outcome = fault.finish();
        waiting.kill().unwrap();
        waiting.wait().unwrap();
        host.start_daemon();
        judge(host, &model)?;
        Ok(outcome)
    });
}

#[test]
fn a_command_killed_while_it_runs_a_container_leaves_it_whole() {
    every("command, run", |host, at| {
        let (ran, outcome) = fault::run(&attached(host, &[]), at);
        judge(host, &of_run(&ran, false))?;
        model::check_attached_prefix(&ran)?;
        Ok(outcome)
    });
}

#[test]
fn a_command_killed_while_it_runs_a_container_to_be_removed_leaves_nothing() {
    every("command, run --rm", |host, at| {
        let (ran, outcome) = fault::run(&attached(host, &["--rm"]), at);
        judge(host, &of_run(&ran, true))?;
        model::check_attached_prefix(&ran)?;
        Ok(outcome)
    });
}

#[test]
fn a_command_killed_while_it_executes_a_process_leaves_the_container_whole() {
    every("command, exec", |host, at| {
        let model = sleeping(host);
        let (ran, outcome) = fault::run(&exec(host), at);
        judge(host, &model)?;
        model::check_attached_prefix(&ran)?;
        Ok(outcome)
    });
}

#[test]
fn a_command_killed_while_it_removes_a_container_leaves_it_whole_or_gone() {
    every("command, rm -f", |host, at| {
        let mut model = sleeping(host);
        let (ran, outcome) = fault::run(&client(host, &["rm", "-f", NAME]), at);
        model.remove = Step::of(&ran, 0);
        judge(host, &model)?;
        Ok(outcome)
    });
}

#[test]
fn a_command_killed_while_it_starts_the_daemon_leaves_one_or_none() {
    every("command, start of the daemon", |host, at| {
        host.kill_daemon();
        let (_, outcome) = fault::run(&host.command(&["ps"]), at);
        // The next command finds or starts the one that there is.
        host.cli(&["ps"]).success();
        judge(host, &Model::default())?;
        host.stop_self_started();
        host.start_daemon();
        Ok(outcome)
    });
}

#[test]
fn a_shim_killed_while_its_container_is_made_run_and_removed_leaves_nothing() {
    every("shim, create to rm", |host, at| {
        end_spare(host);
        let fault = Fault::seize(host.daemon_pid().unwrap(), "corten-shim", at);
        let mut model = create_to_remove(host);
        let outcome = finish_with_shim(host, fault, model.remove);
        model.shim_died = outcome.killed;
        judge(host, &model)?;
        Ok(outcome)
    });
}

#[test]
fn a_shim_killed_while_a_client_is_attached_leaves_nothing() {
    every("spare shim, run --rm", |host, at| {
        let fault = Fault::seize(await_spare(host), "itself", at);
        let ran = run(&attached(host, &["--rm"]));
        let outcome = fault.finish();
        let mut model = of_run(&ran, true);
        model.shim_died = outcome.killed;
        judge(host, &model)?;
        model::check_attached_prefix(&ran)?;
        Ok(outcome)
    });
}

#[test]
fn a_shim_killed_while_a_process_is_executed_leaves_nothing() {
    every("shim, exec and rm", |host, at| {
        let mut model = sleeping(host);
        let shim = shim_pid(host);
        let fault = Fault::seize(shim, "itself", at);
        let ran = run(&exec(host));
        model.remove = remove_if(&ran, host);
        let outcome = finish_with_shim(host, fault, model.remove);
        model.shim_died = outcome.killed;
        judge(host, &model)?;
        model::check_attached_prefix(&ran)?;
        Ok(outcome)
    });
}

/// The commands of a container's life, until one fails.
fn create_to_remove(host: &TestHost) -> Model {
    let mut model = Model::default();
    let create = [
        &["create", "--network", "none", "--name", NAME][..],
        &PROGRAM,
    ]
    .concat();
    for (step, args) in [
        &create[..],
        &["start", NAME],
        &["wait", NAME],
        &["rm", NAME],
    ]
    .into_iter()
    .enumerate()
    {
        let ran = run(&client(host, args));
        let done = Step::of(&ran, 0);
        match step {
            0 => model.create = done,
            1 => model.start = done,
            2 => model.status = ran.text().trim().parse().ok(),
            _ => model.remove = done,
        }
        model.said.push(format!("{}: {ran}", args[0]));
        if done != Step::Done {
            break;
        }
    }
    model
}

fn attached(host: &TestHost, options: &[&str]) -> Command {
    let mut args = vec!["run", "--network", "none", "--name", NAME];
    args.extend(options);
    args.extend(PROGRAM);
    client(host, &args)
}

fn of_run(ran: &Ran, auto_remove: bool) -> Model {
    let done = Step::of(ran, 7);
    Model {
        create: done,
        start: done,
        status: (done == Step::Done).then_some(7),
        auto_remove,
        said: vec![ran.to_string()],
        ..Model::default()
    }
}

/// A container that sleeps, started before anything is killed.
fn sleeping(host: &TestHost) -> Model {
    host.run_detached(&[
        "--network",
        "none",
        "--name",
        NAME,
        "busybox",
        "sleep",
        "600",
    ]);
    Model {
        create: Step::Done,
        start: Step::Done,
        endless: true,
        ..Model::default()
    }
}

fn exec(host: &TestHost) -> Command {
    let [_, sh, c, program] = PROGRAM;
    client(host, &["exec", NAME, sh, c, program])
}

/// Removes the container by force if the command before succeeded.
fn remove_if(before: &Ran, host: &TestHost) -> Step {
    match before.code {
        7 => Step::of(&run(&client(host, &["rm", "-f", NAME])), 0),
        _ => Step::Untried,
    }
}

/// Lets a shim go once it has ended, if its container is removed: its end is part of the trial.
fn finish_with_shim(host: &TestHost, fault: Fault, removed: Step) -> Outcome {
    if removed == Step::Done {
        host.until("the shim ends", |host| used_shims(host).next().is_none());
    }
    fault.finish()
}

/// The container's shim; one that is started ahead may be there as well.
fn shim_pid(host: &TestHost) -> u32 {
    let id = host.inspect(NAME, "{{.Id}}");
    let folder = host.paths().shims().join(id);
    let text = std::fs::read(folder.join("shim.json")).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
    u32::try_from(document["process"]["pid"].as_u64().unwrap()).unwrap()
}

/// The run directories of shims that a container uses.
fn used_shims(host: &TestHost) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = std::fs::read_dir(host.paths().shims()).unwrap().flatten();
    entries.map(|entry| entry.path()).filter(|folder| {
        let own = folder.file_name().unwrap_or_default();
        !folder.join(own).join("prepared.json").exists()
    })
}

/// A command that does not start a daemon in place of one that was killed.
fn client(host: &TestHost, args: &[&str]) -> Command {
    let mut command = host.command(args);
    command.env("DOCKER_HOST", host.address());
    command
}

fn run(command: &Command) -> Ran {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args()).env_clear();
    copy.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    testing::run(copy)
}

/// The daemon is started again, and all checked.
fn judge_daemon(host: &mut TestHost, fault: Fault, model: &Model) -> Result<Outcome, String> {
    let outcome = fault.finish();
    host.kill_daemon();
    host.start_daemon();
    judge(host, model)?;
    Ok(outcome)
}

fn judge(host: &TestHost, model: &Model) -> Result<(), String> {
    model::check(host, model).map_err(|words| format!("{words}\n{model:?}"))
}

fn every(name: &str, trial: fn(&mut TestHost, Option<u64>) -> Result<Outcome, String>) {
    sampled(name, SAMPLE, &trial);
}

/// Tries each number that is asked for, or so many.
fn sampled(name: &str, samples: u64, trial: Trial<'_>) {
    let only = std::env::var("CORTEN_KILLS_OF").unwrap_or_default();
    if std::env::var_os("CORTEN_TEST_HOST").is_some() || !name.contains(&only) {
        return;
    }
    let mut tried = Tried {
        host: TestHost::start(),
        trial,
        failures: Vec::new(),
    };
    let asked = std::env::var("CORTEN_KILLS").unwrap_or_default();
    let count = tried.once(None).map_or(0, |outcome| outcome.calls);
    let number = |text: &str| text.parse::<u64>().expect("CORTEN_KILLS is a number");
    let ran = match (asked.as_str(), asked.split_once("..")) {
        ("", _) => tried.sample(count, samples),
        ("all", _) => tried.range(1, u64::MAX),
        (_, Some((from, to))) => tried.range(number(from), number(to)),
        (one, None) => tried.range(number(one), number(one) + 1),
    };
    let failures = tried.failures;
    eprintln!(
        "{name}: {count} calls, {ran} kills, {} failures",
        failures.len()
    );
    assert!(failures.is_empty(), "{name}:\n{}", failures.join("\n\n"));
}

/// A host, and what went wrong on it so far.
struct Tried<'a> {
    host: TestHost,
    trial: Trial<'a>,
    failures: Vec<String>,
}

impl Tried<'_> {
    fn sample(&mut self, count: u64, samples: u64) -> u64 {
        for sample in 0..samples {
            self.once(Some(1 + count * sample / samples));
        }
        samples
    }

    /// Until the victim outlives it, or `to`.
    fn range(&mut self, from: u64, to: u64) -> u64 {
        let (mut kills, mut spared) = (0, 0);
        for at in from..to {
            match self.once(Some(at)) {
                Some(outcome) if !outcome.killed => spared += 1,
                _ => {
                    kills += 1;
                    spared = 0;
                }
            }
            if spared == BEYOND {
                break;
            }
        }
        kills
    }

    /// One trial; after a failure on a new host.
    fn once(&mut self, at: Option<u64>) -> Option<Outcome> {
        let tried = catch_unwind(AssertUnwindSafe(|| (self.trial)(&mut self.host, at)));
        let words = match tried {
            Ok(Ok(outcome)) => return Some(outcome),
            Ok(Err(words)) => words,
            Err(panic) => text(panic.as_ref()),
        };
        eprintln!("at {at:?}: {words}");
        self.failures.push(format!("at {at:?}: {words}"));
        let old = std::mem::replace(&mut self.host, TestHost::start());
        // What it left is part of the failure already.
        drop(catch_unwind(AssertUnwindSafe(|| drop(old))));
        None
    }
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let owned = panic.downcast_ref::<String>().cloned();
    let borrowed = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    owned.or(borrowed).unwrap_or_else(|| "a panic".to_owned())
}
