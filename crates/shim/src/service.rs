//! Our own service: docs/formats/shim.md.

use crate::client::Wants;
use crate::containers::{Joining, New};
use crate::error::{Error, Result};
use crate::exits::told;
use crate::process::{Life, Process};
use crate::sandbox::{Answer, Awaited, Sandbox, Unwritten};
use oci::runtime::{Resources, Spec};
use proto::prost::Message;
use proto::shim::{self, Attachment, event};
use proto::{Code, Request, Status, body, failure};
use rustix::termios::Winsize;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use types::{Signal, Timestamp};

type Served = std::result::Result<Answer, Status>;

/// The argument of a call.
pub(crate) fn argument<M: Message + Default>(request: &Request) -> Result<M> {
    M::decode(request.payload.as_slice()).map_err(Error::invalid("request"))
}

/// This answer, now.
pub(crate) fn now(message: &impl Message) -> Answer {
    Answer::Now(body(message), Vec::new())
}

impl Sandbox {
    /// Serves one call of our own service.
    pub(crate) fn own_service(&mut self, connection: u32, request: &Request) -> Served {
        let served = match request.method.as_str() {
            "State" => self.own_state(),
            "Prepare" => self.own_prepare(connection, request),
            "Create" => self.own_create(connection, request, false),
            "Run" => self.own_create(connection, request, true),
            "Start" => self.own_start(request),
            "Exec" => self.own_exec(connection, request),
            "Attach" => self.own_attach(connection, request),
            "Kill" => self.own_kill(request),
            "Resize" => self.own_resize(request),
            "CloseStdin" => self.own_close_stdin(request),
            "Pause" | "Resume" => self.own_freeze(request),
            "Pids" => self.own_pids(request),
            "Stats" => self.own_stats(request),
            "Update" => self.own_update(request),
            "Delete" => self.own_delete(request),
            "Events" => argument::<shim::EventsRequest>(request)
                .map(|asked| Answer::When(Awaited::Event(asked.after))),
            "Acknowledge" => self.own_acknowledge(request),
            "Shutdown" => {
                self.shutdown = self.containers.is_empty();
                Ok(now(&shim::Empty {}))
            }
            other => {
                let message = format!("method {other} of corten's shim does not exist");
                return Err(failure(Code::Unimplemented, message));
            }
        };
        served.map_err(|error| error.status())
    }

    fn own_state(&mut self) -> Result<Answer> {
        let containers = self.containers.iter().map(|(id, container)| {
            let init = self.processes.get(&container.init).map(Box::as_ref);
            let execs = container.execs.iter().filter_map(|(id, key)| {
                let process = self.processes.get(key)?;
                Some(shim::Process {
                    id: id.clone(),
                    pid: process.pid.cast_unsigned(),
                    exit: process.exit().map(told),
                })
            });
            shim::Container {
                id: id.to_string(),
                pid: init.map_or(0, |process| process.pid.cast_unsigned()),
                started_at: init.map_or(0, started),
                paused: container.paused,
                exit: init.and_then(Process::exit).map(told),
                execs: execs.collect(),
            }
        });
        Ok(now(&shim::StateResponse {
            version: proto::VERSION,
            pid: std::process::id(),
            containers: containers.collect(),
        }))
    }

    fn own_prepare(&mut self, connection: u32, request: &Request) -> Result<Answer> {
        let asked: shim::PrepareRequest = argument(request)?;
        let mut layers = self.descriptors(connection, asked.descriptors)?;
        let bare = if asked.bare { layers.pop() } else { None };
        self.prepare(&asked, (&layers, bare.as_ref()))?;
        Ok(now(&shim::Empty {}))
    }

    fn own_create(&mut self, connection: u32, request: &Request, start: bool) -> Result<Answer> {
        let asked: shim::CreateRequest = argument(request)?;
        let mut layers = self.descriptors(connection, asked.descriptors)?;
        let promise = match (asked.promised, start) {
            (false, _) => None,
            (true, true) => layers.pop(),
            (true, false) => return Err(Error::invalid("promised")("it is for Run")),
        };
        let counted = usize::try_from(asked.layers).unwrap_or(usize::MAX);
        let clients = layers.split_off(counted.min(layers.len()));
        let new = New {
            promise,
            ..self.read_create(asked, (layers, clients), start)?
        };
        let key = self.create(new)?;
        let process = self.process_mut(key)?;
        Ok(now(&shim::CreateResponse {
            pid: process.pid.cast_unsigned(),
            started_at: started(process),
        }))
    }

    fn read_create(
        &self,
        asked: shim::CreateRequest,
        (layers, clients): (Vec<OwnedFd>, Vec<OwnedFd>),
        start: bool,
    ) -> Result<New> {
        let stdin = asked.stdin();
        let bundle = self.place.bundle(&asked.id);
        let spec = Spec::from_slice(&asked.spec).map_err(Error::invalid("spec"))?;
        let compiled = match asked.seccomp.is_empty() {
            true => crate::filter::compile(&spec)?,
            false => Some(crate::filter::decode(&asked.seccomp)?),
        };
        Ok(New {
            id: asked.id.parse().map_err(Error::invalid("id"))?,
            spec,
            bundle,
            rootfs: json("rootfs", &asked.rootfs)?,
            layers,
            seccomp: compiled,
            stdin,
            log: json("log", &asked.log)?,
            directory: Some(PathBuf::from(asked.directory)),
            unwritten: Some(Unwritten {
                config: Some(asked.spec),
                seccomp: (!asked.seccomp.is_empty()).then_some(asked.seccomp),
            }),
            auto_remove: asked.auto_remove,
            clients: joining(asked.attach, clients)?,
            start,
            promise: None,
        })
    }

    fn own_start(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::StartRequest = argument(request)?;
        let key = self.find(&asked.id, "")?;
        self.start(key)?;
        let process = self.process_mut(key)?;
        Ok(now(&shim::StartResponse {
            pid: process.pid.cast_unsigned(),
            started_at: started(process),
        }))
    }

    fn own_attach(&mut self, connection: u32, request: &Request) -> Result<Answer> {
        let asked: shim::AttachRequest = argument(request)?;
        let descriptors = self.descriptors(connection, asked.descriptors)?;
        let key = self.find(&asked.id, &asked.exec)?;
        let clients = joining(asked.attach.into_iter().collect(), descriptors)?;
        self.join(key, clients)?;
        Ok(now(&shim::Empty {}))
    }

    fn own_kill(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::KillRequest = argument(request)?;
        let number = u8::try_from(asked.signal).map_err(Error::invalid("signal"))?;
        let signal = Signal::try_from(number).map_err(Error::invalid("signal"))?;
        self.kill(&asked.id, &asked.exec, signal, asked.all)?;
        Ok(now(&shim::Empty {}))
    }

    /// Sends a signal to a process, or to `all` of its container.
    pub(crate) fn kill(&mut self, id: &str, exec: &str, signal: Signal, all: bool) -> Result<()> {
        let key = self.find(id, exec)?;
        if all {
            for pid in self.pids(id)? {
                // It may have ended since it was listed.
                if let Ok(pidfd) = crate::process::pidfd(pid) {
                    drop(sys::kill::signal(pidfd.as_fd(), signal.number()));
                }
            }
            return Ok(());
        }
        let process = self.process_mut(key)?;
        if !process.is_alive() {
            return Err(process.refuse("has ended"));
        }
        process
            .signal(signal)
            .map_err(Error::io("signal", Path::new("a process")))
    }

    fn own_resize(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::ResizeRequest = argument(request)?;
        self.resize(&asked.id, &asked.exec, asked.height, asked.width)?;
        Ok(now(&shim::Empty {}))
    }

    /// Sets the size of a process's terminal.
    pub(crate) fn resize(&mut self, id: &str, exec: &str, height: u32, width: u32) -> Result<()> {
        let key = self.find(id, exec)?;
        let size = Winsize {
            ws_row: u16::try_from(height).map_err(Error::invalid("height"))?,
            ws_col: u16::try_from(width).map_err(Error::invalid("width"))?,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let master = self.streams.get(key).and_then(crate::stdio::Stdio::master);
        let Some(master) = master else {
            return Err(self.process_mut(key)?.refuse("has no terminal"));
        };
        rustix::termios::tcsetwinsize(master, size)
            .map_err(Error::io("resize", Path::new("a terminal")))
    }

    fn own_close_stdin(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::ProcessRequest = argument(request)?;
        let key = self.find(&asked.id, &asked.exec)?;
        self.close_stdin(key)?;
        Ok(now(&shim::Empty {}))
    }

    /// Ends a process's stdin.
    pub(crate) fn close_stdin(&mut self, key: u32) -> Result<()> {
        self.streams
            .end_input(key)
            .map_err(Error::io("close", Path::new("stdin")))
    }

    fn own_freeze(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::ContainerRequest = argument(request)?;
        self.freeze(&asked.id, request.method == "Pause")?;
        Ok(now(&shim::Empty {}))
    }

    /// Freezes a container that runs, or lets it run on.
    pub(crate) fn freeze(&mut self, id: &str, pause: bool) -> Result<()> {
        let init = self.container(id)?.init;
        let process = self.process_mut(init)?;
        if !matches!(process.life, Life::Running) {
            return Err(process.refuse("does not run"));
        }
        if self.container(id)?.paused == pause {
            let state = if pause { "is paused" } else { "is not paused" };
            return Err(self.process_mut(init)?.refuse(state));
        }
        let container = self.container_mut(id)?;
        let kind = match pause {
            true => {
                container.cgroup.freeze()?;
                event::Kind::Paused(shim::Empty {})
            }
            false => {
                container.cgroup.thaw()?;
                event::Kind::Resumed(shim::Empty {})
            }
        };
        container.paused = pause;
        self.events.push(id, "", Timestamp::now(), kind);
        Ok(())
    }

    fn own_pids(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::ContainerRequest = argument(request)?;
        let pids = self.pids(&asked.id)?;
        let pids = pids.into_iter().map(i32::cast_unsigned).collect();
        Ok(now(&shim::PidsResponse { pids }))
    }

    fn own_stats(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::ContainerRequest = argument(request)?;
        let stats = self.container(&asked.id)?.cgroup.stats()?;
        let encoded = serde_json::to_vec(&stats);
        let stats = encoded.map_err(Error::io("encode", Path::new("statistics")))?;
        Ok(now(&shim::StatsResponse { stats }))
    }

    fn own_update(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::UpdateRequest = argument(request)?;
        let resources = Resources::from_slice(&asked.resources);
        let resources = resources.map_err(Error::invalid("resources"))?;
        self.container_mut(&asked.id)?.cgroup.update(&resources)?;
        Ok(now(&shim::Empty {}))
    }

    fn own_delete(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::ContainerRequest = argument(request)?;
        self.delete(&asked.id)?;
        Ok(now(&shim::Empty {}))
    }

    fn own_acknowledge(&mut self, request: &Request) -> Result<Answer> {
        let asked: shim::AcknowledgeRequest = argument(request)?;
        self.events.acknowledge(asked.sequence);
        Ok(now(&shim::Empty {}))
    }

    /// The descriptors that a request came with.
    pub(crate) fn descriptors(&mut self, connection: u32, count: u32) -> Result<Vec<OwnedFd>> {
        let connection = self.connections.get_mut(&connection);
        let taken = connection.and_then(|connection| connection.take(count));
        taken.ok_or_else(|| Error::invalid("descriptors")("fewer came than are named"))
    }
}

/// When a process was started, 0 if it was not.
fn started(process: &Process) -> u64 {
    process.started.map_or(0, Timestamp::nanos)
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(field: &'static str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(Error::invalid(field))
}

/// Each client with its descriptor.
pub(crate) fn joining(attach: Vec<Attachment>, descriptors: Vec<OwnedFd>) -> Result<Vec<Joining>> {
    if attach.len() != descriptors.len() {
        return Err(Error::invalid("attach")("each client needs one descriptor"));
    }
    let clients = attach.into_iter().zip(descriptors);
    let clients = clients.map(|(attachment, fd)| Joining {
        fd,
        wants: Wants {
            stdin: attachment.stdin,
            stdout: attachment.stdout,
            stderr: attachment.stderr,
            multiplexed: attachment.multiplexed,
            detach_keys: attachment.detach_keys,
        },
        unread: attachment.unread,
    });
    Ok(clients.collect())
}
