//! Further processes in a container.

use crate::containers::{Joining, not_found};
use crate::error::{Error, Result};
use crate::process::{Life, Process};
use crate::sandbox::{Answer, Sandbox};
use crate::service::{argument, joining, json, now};
use crate::stdio::{Ends, Stdio};
use ::container::{Exec, Gate, Init};
use oci::runtime::Spec;
use proto::shim::{self, Stdin};
use proto::{Request, run};
use seccomp::Program;
use std::fs;
use std::os::fd::AsFd;

/// A process to start in a container.
#[derive(Debug)]
pub(crate) struct Further {
    /// Its id.
    pub id: String,
    /// What it is.
    pub process: oci::runtime::Process,
    /// What becomes of its stdin.
    pub stdin: Stdin,
    /// Clients from the first byte.
    pub clients: Vec<Joining>,
    /// Start it too.
    pub start: bool,
}

impl Sandbox {
    /// Serves our own service's Exec.
    pub(crate) fn own_exec(&mut self, connection: u32, request: &Request) -> Result<Answer> {
        let asked: shim::ExecRequest = argument(request)?;
        let descriptors = self.descriptors(connection, asked.descriptors)?;
        let further = Further {
            stdin: asked.stdin(),
            id: asked.exec,
            process: json("process", &asked.process)?,
            clients: joining(asked.attach, descriptors)?,
            start: true,
        };
        let key = self.exec(&asked.id, further)?;
        let process = self.process_mut(key)?;
        Ok(now(&shim::ExecResponse {
            pid: process.pid.cast_unsigned(),
            started_at: process.started.map_or(0, types::Timestamp::nanos),
        }))
    }

    /// Starts (or makes) a further process in a container that runs; gives its key.
    pub(crate) fn exec(&mut self, id: &str, further: Further) -> Result<u32> {
        self.write_files();
        let container = self.container(id)?;
        if container.execs.contains_key(&further.id) || further.id.is_empty() {
            return Err(Error::Exists {
                kind: "process",
                id: further.id,
            });
        }
        let init = self.processes.get(&container.init);
        let init = init.ok_or_else(|| not_found("container", id))?;
        if !matches!(init.life, Life::Running) || container.paused {
            let state = match container.paused {
                true => "is paused",
                false => "does not run",
            };
            return Err(init.refuse(state));
        }
        let (spec, filter) = configuration(container)?;
        let ends = Ends::make(further.process.terminal, further.stdin, &container.bundle)?;
        let mut made = ::container::exec(&Exec {
            id: &id.parse().map_err(Error::invalid("id"))?,
            pid: init.pid,
            pidfd: init.pidfd.as_fd(),
            spec: &spec,
            process: &further.process,
            stdio: ends.theirs(),
            cgroup: Some(&container.cgroup),
            seccomp: filter.as_ref(),
            gate: if further.start {
                Gate::Open
            } else {
                Gate::Held
            },
            preserve_fds: 0,
            keep_keyring: false,
        })?;
        let key = self.key();
        let stdio = ends.ours(key, further.stdin, None, made.take_console())?;
        self.hold_exec(key, id, further, (made, stdio))?;
        Ok(key)
    }

    fn hold_exec(
        &mut self,
        key: u32,
        id: &str,
        further: Further,
        (made, stdio): (Init, Stdio),
    ) -> Result<()> {
        let process = Process::new(self.shared(id), &further.id, made, !further.start)?;
        self.hold(key, process, stdio)?;
        self.container_mut(id)?.execs.insert(further.id, key);
        self.join(key, further.clients)?;
        self.tell_started(key);
        Ok(())
    }

    /// A further process that has ended and that nobody will ask after.
    pub(crate) fn forget_own_exec(&mut self, key: u32) {
        let Some(process) = self
            .processes
            .get(&key)
            .filter(|process| !process.is_init())
        else {
            return;
        };
        let Some(container) = self.containers.get_mut(&process.container) else {
            return;
        };
        if container.directory.is_some() {
            container.execs.remove(&process.exec);
            self.processes.remove(&key);
        }
    }
}

/// A container's configuration and filter, from its bundle.
fn configuration(container: &crate::sandbox::Container) -> Result<(Spec, Option<Program>)> {
    let path = container.bundle.join(run::CONFIG);
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    let spec = Spec::from_slice(&bytes).map_err(Error::invalid("config.json"))?;
    let filter = match fs::read(container.bundle.join(run::SECCOMP)) {
        Ok(bytes) => Some(crate::filter::decode(&bytes)?),
        Err(_) => crate::filter::compile(&spec)?,
    };
    Ok((spec, filter))
}
