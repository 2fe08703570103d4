//! Several clients are at work when the daemon is killed: of each, what was answered is done,
//! what was being done is done or is not, and nothing is left.

use super::fault::{Fault, Outcome};
use super::operations::{nothing_left, said, words};
use super::{client, run, sampled};
use std::process::Command;
use std::time::{Duration, Instant};
use testing::TestHost;

/// How many numbers are sampled.
const SAMPLE: u64 = 8;
/// How long until all is as it must be.
const SETTLING: Duration = Duration::from_secs(20);

/// One client's commands, each with what is there once it is done.
struct Work {
    steps: &'static [(&'static str, &'static str)],
    /// What shows what is there.
    look: &'static str,
}

const ALL: [Work; 6] = [
    Work {
        steps: &[
            ("create --network none --name one-a busybox true", "one-a"),
            (
                "run --network none --name one-b busybox true",
                "one-a one-b",
            ),
            ("rename one-a one-c", "one-b one-c"),
            ("start one-c", "one-b one-c"),
            ("rm one-b", "one-c"),
            ("rm -f one-c", ""),
        ],
        look: "ps -a --format {{.Names}} --filter name=one-",
    },
    Work {
        steps: &[
            ("run -d --name two-a busybox sleep 600", "two-a"),
            (
                "run -d -p 8077:80 --name two-b busybox sleep 600",
                "two-a two-b",
            ),
            ("exec two-a true", "two-a two-b"),
            ("stop -t 0 two-a", "two-a two-b"),
            ("rm two-a", "two-b"),
            ("rm -f two-b", ""),
        ],
        look: "ps -a --format {{.Names}} --filter name=two-",
    },
    Work {
        steps: &[
            ("volume create three-a", "three-a"),
            ("volume create three-b", "three-a three-b"),
            (
                "run --rm --network none -v three-a:/v busybox touch /v/x",
                "three-a three-b",
            ),
            ("volume rm three-b", "three-a"),
            ("volume rm three-a", ""),
        ],
        look: "volume ls -q --filter name=three-",
    },
    Work {
        steps: &[
            ("network create four-a", "four-a"),
            ("network create four-b", "four-a four-b"),
            ("network connect four-a joined", "four-a four-b"),
            ("network disconnect four-a joined", "four-a four-b"),
            ("network rm four-b", "four-a"),
            ("network rm four-a", ""),
        ],
        look: "network ls --format {{.Name}} --filter name=four-",
    },
    Work {
        steps: &[
            ("tag busybox five-a", "five-a"),
            ("commit still five-b", "five-a five-b"),
            ("rmi five-a", "five-b"),
            ("tag five-b five-c", "five-b five-c"),
            ("rmi five-b", "five-c"),
            ("rmi five-c", ""),
        ],
        look: "images --format {{.Repository}} --filter reference=five-*",
    },
    Work {
        steps: &[
            ("exec witness true", ""),
            ("cp /etc/passwd joined:/tmp/given", ""),
            ("exec joined cat /tmp/given", ""),
            ("logs witness", ""),
            ("exec witness sleep 0.05", ""),
            ("inspect witness joined", ""),
        ],
        look: "volume ls -q --filter name=six-",
    },
];

/// They outlive a run of every number. Nothing is executed in the last, which is paused while
/// an image is made of it.
const WITNESSES: [&str; 3] = [
    "run -d --network none --name witness busybox sleep 7200",
    "run -d --name joined busybox sleep 7200",
    "run -d --network none --name still busybox sleep 7200",
];
const BESIDE: &str = "inspect -f {{.State.Pid}},{{.State.Status}} witness joined still";
const CLEAN: [&str; 5] = [
    "rm -f one-a one-b one-c two-a two-b",
    "volume rm -f three-a three-b",
    "network disconnect -f four-a joined",
    "network rm four-a four-b",
    "rmi five-a five-b five-c",
];

#[test]
fn a_daemon_killed_while_many_clients_are_at_work_loses_nothing() {
    sampled("daemon, many clients", SAMPLE, &trial);
}

fn trial(host: &mut TestHost, at: Option<u64>) -> Result<Outcome, String> {
    if said(host, "ps -q").split_whitespace().count() != WITNESSES.len() {
        run(&client(host, &["rm", "-f", "witness", "joined", "still"]));
        for command in WITNESSES {
            let ran = run(&client(host, &words(command)));
            assert_eq!(ran.code, 0, "{command}: {ran}");
        }
    }
    let beside = said(host, BESIDE);
    let fault = Fault::seize(host.daemon_pid().unwrap(), "itself", at);
    let clients = ALL.iter().map(|work| {
        let steps = work.steps.iter();
        let commands = steps.map(|(command, _)| client(host, &words(command)));
        let commands: Vec<_> = commands.collect();
        std::thread::spawn(move || done(&commands))
    });
    let clients: Vec<_> = clients.collect();
    // One whose stream its container's supervisor holds waits for the next daemon.
    let daemon = host.daemon_pid().unwrap();
    while lives(daemon) && clients.iter().any(|client| !client.is_finished()) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let outcome = fault.finish();
    host.kill_daemon();
    host.start_daemon();
    let done: Vec<_> = clients.into_iter().map(|c| c.join().unwrap()).collect();
    let mut wrong = Vec::new();
    for (work, done) in ALL.iter().zip(done) {
        if outcome.killed || done == work.steps.len() {
            wrong.extend(work.judge(host, done));
        } else {
            let failed = work.steps.get(done).map(|(command, _)| *command);
            wrong.push(format!("{failed:?} failed, and nobody was killed"));
        }
    }
    let after = said(host, BESIDE);
    if after != beside {
        wrong.push(format!("those beside were {beside}, and are {after}"));
    }
    for command in CLEAN {
        run(&client(host, &words(command)));
    }
    match wrong.is_empty() {
        true => nothing_left(host).map(|()| outcome),
        false => Err(wrong.join("; ")),
    }
}

/// Does all of it, until something fails. Gives how many were answered.
fn done(commands: &[Command]) -> usize {
    let failed = commands.iter().position(|command| run(command).code != 0);
    failed.unwrap_or(commands.len())
}

/// Whether a child of ours has not ended.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

impl Work {
    /// What is wrong with what is there.
    fn judge(&self, host: &TestHost, done: usize) -> Option<String> {
        let there = |count: usize| {
            let last = count.checked_sub(1).and_then(|last| self.steps.get(last));
            last.map_or("", |(_, there)| *there)
        };
        let allowed = [there(done), there((done + 1).min(self.steps.len()))];
        let deadline = Instant::now() + SETTLING;
        loop {
            let shown = said(host, self.look);
            if allowed.contains(&shown.as_str()) {
                return None;
            }
            if Instant::now() > deadline {
                return Some(format!("{shown:?} is none of {allowed:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
