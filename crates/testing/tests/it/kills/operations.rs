//! Operations of a daemon that is killed at one of its system calls: each was done or was not,
//! a container beside runs on, and nothing is left.

use super::fault::{Fault, Outcome};
use super::{client, model, run, sampled};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use testing::TestHost;

/// How many numbers each operation samples: there are many operations.
const SAMPLE: u64 = 4;
/// How long until all is as it must be.
const SETTLING: Duration = Duration::from_secs(20);
/// A container that nothing is asked of, and that writes meanwhile.
const WITNESS: &str = "witness";
const WRITES: &str = "n=0; while :; do n=$((n+1)); echo $n; usleep 10000; done";
/// After so many lines another writes, so that reading them all stays quick.
const LINES: usize = 5_000;

/// One operation.
pub(super) struct Operation {
    /// Commands before it. `SCRATCH` is a directory of the test's.
    pub before: &'static [&'static str],
    /// The operation.
    pub act: &'static str,
    /// What shows whether it was done.
    pub look: &'static str,
    /// What that shows when it was not, and when it was.
    pub shown: [&'static str; 2],
    /// What it may show besides, when it was cut short.
    pub between: &'static [&'static str],
    /// Commands after it, which may fail.
    pub after: &'static [&'static str],
}

/// A running container, `victim`.
const VICTIM: &str = "run -d --network none --name victim busybox sleep 600";
const GONE: &str = "rm -f victim other";
const STATUS: &str = "inspect -f {{.State.Status}} victim";
const IMAGES: &str = "images --format {{.Repository}}";

fn containers() -> [Operation; 12] {
    let of = |act, look, shown| Operation {
        before: &[VICTIM],
        act,
        look,
        shown,
        between: &[],
        after: &[GONE],
    };
    let names = "ps -a --format {{.Names}}";
    [
        of(
            "rename victim other",
            names,
            ["victim witness", "other witness"],
        ),
        of(
            "update --restart on-failure:3 --cpu-shares 512 victim",
            "inspect -f {{.HostConfig.RestartPolicy.Name}},{{.HostConfig.CpuShares}} victim",
            ["no,0", "on-failure,512"],
        ),
        of("pause victim", STATUS, ["running", "paused"]),
        Operation {
            before: &[VICTIM, "pause victim"],
            ..of("unpause victim", STATUS, ["paused", "running"])
        },
        Operation {
            between: &["exited"],
            ..of("restart -t 0 victim", STATUS, ["running", "running"])
        },
        of("stop -t 0 victim", STATUS, ["running", "exited"]),
        of("kill victim", STATUS, ["running", "exited"]),
        Operation {
            before: &["create --name victim busybox true"],
            ..of("container prune -f", names, ["victim witness", "witness"])
        },
        of("top victim", STATUS, ["running", "running"]),
        of("stats --no-stream victim", STATUS, ["running", "running"]),
        of("diff victim", STATUS, ["running", "running"]),
        of("logs victim", STATUS, ["running", "running"]),
    ]
}

/// With all that a container may have besides: a network, a port, volumes.
fn outfitted() -> [Operation; 3] {
    let of = |before, act, look, shown| Operation {
        before,
        act,
        look,
        shown,
        between: &[],
        after: &[GONE, "volume rm vol", "volume prune -f", "network rm net"],
    };
    const NET: &str = "network create net";
    const OUTFIT: &str = "create --name victim --network net -p 8099:80 -v vol:/etc -v /data \
                          busybox sleep 600";
    let all = "ps -a --format {{.Names}} ; volume ls --format {{.Driver}}";
    [
        Operation {
            // A volume with a name is nobody's, and stays.
            between: &["witness local"],
            ..of(
                &[NET],
                OUTFIT,
                all,
                ["witness ", "victim witness local local"],
            )
        },
        of(
            &[NET, OUTFIT],
            "start victim",
            STATUS,
            ["created", "running"],
        ),
        of(
            &[NET, OUTFIT, "start victim"],
            "rm -f -v victim",
            all,
            ["victim witness local local", "witness local"],
        ),
    ]
}

fn files() -> [Operation; 3] {
    let of = |before, act, look, shown| Operation {
        before,
        act,
        look,
        shown,
        between: &[],
        after: &[GONE],
    };
    [
        of(
            &[VICTIM],
            "cp /etc/passwd victim:/tmp/given",
            "exec victim find /tmp -name given -size +0",
            ["", "/tmp/given"],
        ),
        of(
            &[VICTIM],
            "cp victim:/etc -",
            STATUS,
            ["running", "running"],
        ),
        of(&[VICTIM], "export victim", STATUS, ["running", "running"]),
    ]
}

fn volumes_and_networks() -> [Operation; 11] {
    let of = |before, act, look, shown| Operation {
        before,
        act,
        look,
        shown,
        between: &[],
        after: &[GONE, "volume rm vol", "network rm net"],
    };
    let volumes = "volume ls -q";
    let networks = "network ls -q --filter name=net --format {{.Name}}";
    let joined = "inspect -f {{range$k,$v:=.NetworkSettings.Networks}}{{$k}},{{end}} victim";
    const JOINED: &str = "run -d --name victim -p 8099:80 busybox sleep 600";
    const BEST: &str = "network connect --gw-priority 1 net victim";
    // In which networks it is, and by which link it sends what has no other route.
    let led = "inspect -f {{range$k,$v:=.NetworkSettings.Networks}}{{$k}},{{end}} victim ; \
               exec victim awk $2==\"00000000\"{print$1} /proc/net/route";
    [
        of(&[], "volume create vol", volumes, ["", "vol"]),
        of(
            &["volume create vol"],
            "volume rm vol",
            volumes,
            ["vol", ""],
        ),
        of(
            &["volume create vol"],
            "volume prune -af",
            volumes,
            ["vol", ""],
        ),
        of(&[], "network create net", networks, ["", "net"]),
        of(
            &["network create net"],
            "network rm net",
            networks,
            ["net", ""],
        ),
        of(
            &["network create net"],
            "network prune -f",
            networks,
            ["net", ""],
        ),
        Operation {
            // Containers go first, then networks.
            between: &["witness net"],
            ..of(
                &["network create net", "create --name victim busybox true"],
                "system prune -f",
                "ps -a --format {{.Names}} ; network ls -q --filter name=net --format {{.Name}}",
                ["victim witness net", "witness "],
            )
        },
        of(
            &["network create net", JOINED],
            "network connect net victim",
            joined,
            ["bridge,", "bridge,net,"],
        ),
        of(
            &["network create net", JOINED, "network connect net victim"],
            "network disconnect net victim",
            joined,
            ["bridge,net,", "bridge,"],
        ),
        of(
            &["network create net", JOINED],
            BEST,
            led,
            ["bridge, eth0", "bridge,net, eth1"],
        ),
        of(
            &["network create net", JOINED, BEST],
            "network disconnect net victim",
            led,
            ["bridge,net, eth1", "bridge, eth0"],
        ),
    ]
}

fn images() -> [Operation; 7] {
    let of = |before, act, shown| Operation {
        before,
        act,
        look: IMAGES,
        shown,
        between: &[],
        after: &[GONE, "rmi made", "image prune -f"],
    };
    const CHANGED: &str = "exec victim touch /changed";
    [
        of(&[], "tag busybox made", ["busybox", "busybox made"]),
        of(
            &["tag busybox made"],
            "rmi made",
            ["busybox made", "busybox"],
        ),
        of(
            &[VICTIM, CHANGED, "commit victim made"],
            "rmi made",
            ["busybox made", "busybox"],
        ),
        of(&[], "image prune -f", ["busybox", "busybox"]),
        of(
            &[VICTIM, CHANGED, "commit victim"],
            "image prune -f",
            ["<none> busybox", "busybox"],
        ),
        of(&[], "save -o SCRATCH/saved busybox", ["busybox", "busybox"]),
        of(&[], "system df", ["busybox", "busybox"]),
    ]
}

fn written_images() -> [Operation; 3] {
    let of = |before, act, look, shown| Operation {
        before,
        act,
        look,
        shown,
        between: &[],
        after: &[GONE, "rmi made"],
    };
    // It is held while it is written down, and by no means longer.
    let held = "images --format {{.Repository}} ; inspect -f {{.State.Status}} victim";
    [
        of(
            &[VICTIM],
            "commit victim made",
            held,
            ["busybox running", "busybox made running"],
        ),
        of(
            &[VICTIM, "export -o SCRATCH/tree victim"],
            "import SCRATCH/tree made",
            IMAGES,
            ["busybox", "busybox made"],
        ),
        of(
            &[
                VICTIM,
                "exec victim touch /written",
                "commit victim made",
                "save -o SCRATCH/saved made",
                "rmi made",
            ],
            "load -i SCRATCH/saved",
            IMAGES,
            ["busybox", "busybox made"],
        ),
    ]
}

#[test]
fn a_daemon_killed_while_a_container_is_changed_loses_nothing() {
    containers().iter().for_each(Operation::tried);
}

#[test]
fn a_daemon_killed_while_a_container_comes_and_goes_with_all_it_has_loses_nothing() {
    outfitted().iter().for_each(Operation::tried);
}

#[test]
fn a_daemon_killed_while_files_go_in_and_out_loses_nothing() {
    files().iter().for_each(Operation::tried);
}

#[test]
fn a_daemon_killed_while_volumes_and_networks_come_and_go_loses_nothing() {
    volumes_and_networks().iter().for_each(Operation::tried);
}

#[test]
fn a_daemon_killed_while_images_are_named_and_counted_loses_nothing() {
    images().iter().for_each(Operation::tried);
}

#[test]
fn a_daemon_killed_while_images_are_written_loses_nothing() {
    written_images().iter().for_each(Operation::tried);
}

impl Operation {
    fn tried(&self) {
        let name = format!("daemon, {}", self.act);
        sampled(&name, SAMPLE, &|host, at| self.trial(host, at));
    }

    pub(super) fn trial(&self, host: &mut TestHost, at: Option<u64>) -> Result<Outcome, String> {
        if said(host, "ps -aq --filter name=witness").is_empty() {
            let of = ["--network", "none", "--name", WITNESS];
            host.run_detached(&[&of[..], &["busybox", "sh", "-c", WRITES]].concat());
        }
        let beside = format!("inspect -f {{{{.State.Pid}}}},{{{{.State.Status}}}} {WITNESS}");
        let witness = said(host, &beside);
        let scratch = host.scratch().to_str().unwrap().to_owned();
        let placed = |command: &str| command.replace("SCRATCH", &scratch);
        for command in self.before {
            let ran = run(&client(host, &words(&placed(command))));
            if ran.code != 0 {
                return Err(format!("{command}: {ran}"));
            }
        }
        let fault = Fault::seize(host.daemon_pid().unwrap(), "itself", at);
        let ran = run(&client(host, &words(&placed(self.act))));
        let outcome = fault.finish();
        host.kill_daemon();
        host.start_daemon();
        let [not, done] = self.shown;
        let allowed: Vec<&str> = match ran.code {
            0 => vec![done],
            _ => [not, done]
                .into_iter()
                .chain(self.between.iter().copied())
                .collect(),
        };
        let shown = await_said(host, self.look, &allowed);
        let beside = said(host, &beside);
        for command in self.after {
            run(&client(host, &words(command)));
        }
        match (allowed.contains(&shown.as_str()), beside == witness) {
            (false, _) => Err(format!(
                "{:?}: {shown:?} is none of {allowed:?}: {ran}",
                self.act
            )),
            (_, false) => Err(format!(
                "the container beside was {witness}, and is {beside}"
            )),
            (true, true) => {
                nothing_left(host)?;
                all_written(host, WITNESS)?;
                Ok(outcome)
            }
        }
    }
}

/// Each line of the container is in its log, once and in its place.
fn all_written(host: &TestHost, name: &str) -> Result<(), String> {
    let ran = run(&client(host, &["logs", name]));
    let text = ran.text();
    let lines: Vec<&str> = text.lines().collect();
    let odd = lines.iter().zip(1_usize..);
    let odd = odd.map(|(line, n)| (*line, n.to_string()));
    if let Some((line, n)) = odd.into_iter().find(|(line, n)| line != n) {
        return Err(format!("{line:?} is in the log of {name} in place of {n}"));
    }
    match lines.len() {
        0 => Err(format!("nothing is in the log of {name}: {ran}")),
        LINES.. => {
            run(&client(host, &["rm", "-f", name]));
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().collect()
}

/// What commands say, the lines of each sorted.
pub(super) fn said(host: &TestHost, commands: &str) -> String {
    let one = |command: &str| {
        let text = run(&client(host, &words(command))).text();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.join(" ")
    };
    let all: Vec<_> = commands.split(" ; ").map(one).collect();
    all.join(" ")
}

/// What a command says once it is allowed, or at last.
fn await_said(host: &TestHost, command: &str, allowed: &[&str]) -> String {
    let deadline = Instant::now() + SETTLING;
    loop {
        let shown = said(host, command);
        if allowed.contains(&shown.as_str()) || Instant::now() > deadline {
            return shown;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn nothing_left(host: &TestHost) -> Result<(), String> {
    let deadline = Instant::now() + SETTLING;
    loop {
        let ids = said(host, "ps -aq --no-trunc");
        let known: BTreeSet<_> = words(&ids)
            .into_iter()
            .map(|id| id.parse().unwrap())
            .collect();
        let found = doctor::examine(host.paths(), &doctor::Records::Containers(known));
        let mut left: Vec<String> = found.leaks.iter().map(ToString::to_string).collect();
        left.extend(found.unread);
        left.extend(model::strange(host));
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("left behind: {}", left.join("; ")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
