//! How processes end: drained, recorded, reaped, told.

use crate::process::{Exit, Life, Process};
use crate::record;
use crate::sandbox::Sandbox;
use proto::containerd::task::v3::WaitResponse;
use proto::shim::{Empty, event};
use proto::{Response, run};
use std::time::Instant;
use types::Timestamp;

impl Sandbox {
    /// A process's descriptor says that it has ended.
    pub(crate) fn process_ready(&mut self, key: u32) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        match process.look() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.place.report("cannot wait for a process", &error),
        }
        drop(self.poll.remove(&process.pidfd));
        if process.is_init() {
            self.end_others(key);
        }
        if let Err(error) = self.streams.process_ended(key) {
            self.place.report("cannot drain a process", &error);
        }
        let drained = self.streams.get(key).is_none_or(|stdio| stdio.is_drained());
        if drained {
            self.finish(key);
        }
    }

    /// A container without a pid namespace of its own ends with its init nevertheless.
    fn end_others(&mut self, init: u32) {
        let mut held = self.containers.values();
        let Some(container) = held.find(|container| container.init == init) else {
            return;
        };
        if !container.own_pids
            && let Err(error) = container.cgroup.kill()
        {
            self.place
                .report("cannot end a container's processes", &error);
        }
    }

    /// Its outputs have ended; if it has, too, that is all.
    pub(crate) fn finish_drained(&mut self, key: u32) {
        let process = self.processes.get(&key);
        if process.is_some_and(|process| matches!(process.life, Life::Draining(..))) {
            self.finish(key);
        }
    }

    /// Ends the wait for outputs that others keep open too long.
    pub(crate) fn end_drains(&mut self) {
        let now = Instant::now();
        let late = self.processes.iter().filter(
            |(_, process)| matches!(process.life, Life::Draining(_, until) if until <= now),
        );
        let late: Vec<u32> = late.map(|(key, _)| *key).collect();
        for key in late {
            self.end_drain(key);
        }
    }

    /// Ends the wait for a process's outputs, if it has ended.
    pub(crate) fn end_drain(&mut self, key: u32) {
        let process = self.processes.get(&key);
        if process.is_some_and(|process| matches!(process.life, Life::Draining(..))) {
            if let Err(error) = self.streams.abandon(key) {
                self.place.report("cannot read the last output", &error);
            }
            self.finish(key);
        }
    }

    /// Records, reaps and tells.
    fn finish(&mut self, key: u32) {
        let Some(process) = self.processes.get(&key) else {
            return;
        };
        let Life::Draining(mut exit, _) = process.life else {
            return;
        };
        if process.is_init() {
            exit.oom_killed = self.oom_killed(&process.container.clone());
            self.record(key, exit);
        }
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        process.life = Life::Over(exit);
        if let Err(error) = process.reap() {
            self.place.report("cannot reap a process", &error);
        }
        let (container, exec) = (process.container.clone(), process.exec.clone());
        let told = event::Kind::Exited(told(exit));
        self.events.push(&container, &exec, exit.at, told);
        if let Some(words) = self.streams.get(key).and_then(|stdio| stdio.log_failure()) {
            self.place.note("output was not logged", words);
        }
        self.streams.remove(key);
        self.forget_own_exec(key);
    }

    fn record(&self, key: u32, exit: Exit) {
        let Some(process) = self.processes.get(&key) else {
            return;
        };
        let Some(container) = self.containers.get(&process.container) else {
            return;
        };
        let Some(folder) = container.directory.as_deref() else {
            return;
        };
        let lasting = !container.auto_remove;
        if let Err(error) = record::exit(folder, &document(process, exit), lasting) {
            self.place.report("cannot record an exit", &error);
        }
    }

    /// Whether the kernel has killed in the container for want of memory; tells it if this is new.
    fn oom_killed(&mut self, id: &str) -> bool {
        let Some(container) = self.containers.get_mut(id) else {
            return false;
        };
        let kills = container.cgroup.oom_kills().unwrap_or(0);
        if kills > container.oom_kills {
            container.oom_kills = kills;
            let kind = event::Kind::Oom(Empty {});
            self.events.push(id, "", Timestamp::now(), kind);
        }
        kills > 0
    }

    /// A client left a process by its keys.
    pub(crate) fn detached(&mut self, key: u32) {
        if let Some(process) = self.processes.get(&key) {
            let kind = event::Kind::Detached(Empty {});
            let now = Timestamp::now();
            self.events
                .push(&process.container, &process.exec, now, kind);
        }
    }

    /// What a Task API caller that waited for a process is answered.
    pub(crate) fn awaited_exit(&self, key: u32) -> Option<Response> {
        let exit = match self.processes.get(&key) {
            Some(process) => process.exit()?,
            None => Exit {
                code: None,
                at: Timestamp::now(),
                oom_killed: false,
            },
        };
        Some(proto::body(&WaitResponse {
            exit_status: status(exit),
            exited_at: Some(timestamp(exit.at)),
        }))
    }
}

/// The number that APIs without "unknown" give.
pub(crate) fn status(exit: Exit) -> u32 {
    u32::from(exit.code.unwrap_or(255))
}

/// As our own service says it.
pub(crate) fn told(exit: Exit) -> proto::shim::Exit {
    proto::shim::Exit {
        code: exit.code.map(u32::from),
        at: exit.at.nanos(),
        oom_killed: exit.oom_killed,
    }
}

fn document(process: &Process, exit: Exit) -> run::Exit {
    run::Exit {
        version: run::VERSION,
        id: process.container.to_string(),
        pid: process.pid,
        started_at: process.started.map(Timestamp::nanos),
        exited_at: exit.at.nanos(),
        code: exit.code,
        oom_killed: exit.oom_killed,
    }
}

/// As protobuf has it.
pub(crate) fn timestamp(at: Timestamp) -> proto::prost_types::Timestamp {
    proto::prost_types::Timestamp {
        seconds: at.seconds().cast_signed(),
        nanos: i32::try_from(at.subsec_nanos()).unwrap_or(0),
    }
}
