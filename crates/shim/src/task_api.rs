//! containerd's Task API, versions 2 and 3: the same messages under two names.

mod convert;
mod stdio;

use crate::containers::New;
use crate::error::{Error, Result};
use crate::execs::Further;
use crate::exits::{status, timestamp};
use crate::process::{Life, Process};
use crate::sandbox::{Answer, Awaited, Sandbox};
use crate::service::{argument, json, now};
use oci::runtime::{Resources, Spec};
use proto::containerd::task::v3 as api;
use proto::containerd::v1::types::{ProcessInfo, Status as State};
use proto::run;
use proto::{Code, Request, Status, failure};
use std::fs;
use std::path::{Path, PathBuf};
use types::Signal;

pub(crate) use stdio::Endpoints;

type Served = std::result::Result<Answer, Status>;

impl Sandbox {
    /// Serves one call of the Task API.
    pub(crate) fn task_service(&mut self, request: &Request) -> Served {
        let served = match request.method.as_str() {
            "Create" => self.task_create(request),
            "Start" => self.task_start(request),
            "State" => self.task_state(request),
            "Delete" => self.task_delete(request),
            "Exec" => self.task_exec(request),
            "Kill" => self.task_kill(request),
            "Wait" => self.task_wait(request),
            "Pids" => self.task_pids(request),
            "Stats" => self.task_stats(request),
            "Update" => self.task_update(request),
            "Pause" => argument::<api::PauseRequest>(request)
                .and_then(|asked| self.freeze(&asked.id, true))
                .map(|()| now(&())),
            "Resume" => argument::<api::ResumeRequest>(request)
                .and_then(|asked| self.freeze(&asked.id, false))
                .map(|()| now(&())),
            "ResizePty" => argument::<api::ResizePtyRequest>(request)
                .and_then(|asked| self.resize(&asked.id, &asked.exec_id, asked.height, asked.width))
                .map(|()| now(&())),
            "CloseIO" => self.task_close_io(request),
            "Connect" => self.task_connect(request),
            "Shutdown" => self.task_shutdown(request),
            "Checkpoint" => Err(Error::Unsupported("Checkpoint".to_owned())),
            other => {
                let message = format!("method {other} of containerd's Task API does not exist");
                return Err(failure(Code::Unimplemented, message));
            }
        };
        served.map_err(|error| error.status())
    }

    fn task_create(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::CreateTaskRequest = argument(request)?;
        if !asked.checkpoint.is_empty() {
            return Err(Error::Unsupported("restoring a checkpoint".to_owned()));
        }
        let bundle = PathBuf::from(&asked.bundle);
        let path = bundle.join(run::CONFIG);
        let config = fs::read(&path).map_err(Error::io("read", &path))?;
        let mut spec = Spec::from_slice(&config).map_err(Error::invalid("config.json"))?;
        if let Some(process) = &mut spec.process {
            process.terminal = asked.terminal;
        }
        let endpoints = Endpoints {
            stdin: asked.stdin,
            stdout: asked.stdout,
            stderr: asked.stderr,
            terminal: asked.terminal,
        };
        let new = New {
            id: asked.id.parse().map_err(Error::invalid("id"))?,
            rootfs: convert::rootfs(&asked.rootfs, &spec, &bundle)?,
            layers: Vec::new(),
            seccomp: crate::filter::compile(&spec)?,
            spec,
            bundle,
            stdin: endpoints.policy(),
            log: logs::Config::None,
            directory: None,
            unwritten: None,
            auto_remove: false,
            clients: endpoints.open()?,
            start: false,
            promise: None,
        };
        let key = self.create(new)?;
        let process = self.process_mut(key)?;
        process.endpoints = endpoints;
        let pid = process.pid.cast_unsigned();
        Ok(now(&api::CreateTaskResponse { pid }))
    }

    fn task_start(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::StartRequest = argument(request)?;
        let key = self.find(&asked.id, &asked.exec_id)?;
        self.start(key)?;
        let pid = self.process_mut(key)?.pid.cast_unsigned();
        Ok(now(&api::StartResponse { pid }))
    }

    fn task_exec(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::ExecProcessRequest = argument(request)?;
        let spec = asked.spec.unwrap_or_default();
        let mut process: oci::runtime::Process = json("spec", &spec.value)?;
        process.terminal = asked.terminal;
        let endpoints = Endpoints {
            stdin: asked.stdin,
            stdout: asked.stdout,
            stderr: asked.stderr,
            terminal: asked.terminal,
        };
        let further = Further {
            id: asked.exec_id,
            process,
            stdin: endpoints.policy(),
            clients: endpoints.open()?,
            start: false,
        };
        let key = self.exec(&asked.id, further)?;
        self.process_mut(key)?.endpoints = endpoints;
        Ok(now(&()))
    }

    fn task_state(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::StateRequest = argument(request)?;
        let key = self.find(&asked.id, &asked.exec_id)?;
        let container = self.container(&asked.id)?;
        let (paused, bundle) = (container.paused, container.bundle.clone());
        let process = self.process_mut(key)?;
        let exit = process.exit();
        let endpoints = &process.endpoints;
        Ok(now(&api::StateResponse {
            id: asked.id,
            bundle: bundle.to_string_lossy().into_owned(),
            pid: process.pid.cast_unsigned(),
            status: state(process, paused).into(),
            stdin: endpoints.stdin.clone(),
            stdout: endpoints.stdout.clone(),
            stderr: endpoints.stderr.clone(),
            terminal: endpoints.terminal,
            exit_status: exit.map_or(0, status),
            exited_at: exit.map(|exit| timestamp(exit.at)),
            exec_id: asked.exec_id,
        }))
    }

    fn task_delete(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::DeleteRequest = argument(request)?;
        let key = self.find(&asked.id, &asked.exec_id)?;
        self.end_waiting(key)?;
        let process = match asked.exec_id.as_str() {
            "" => self.delete(&asked.id)?,
            exec => self.delete_exec(&asked.id, exec, key)?,
        };
        let exit = process.exit();
        Ok(now(&api::DeleteResponse {
            pid: process.pid.cast_unsigned(),
            exit_status: exit.map_or(0, status),
            exited_at: exit.map(|exit| timestamp(exit.at)),
        }))
    }

    fn delete_exec(&mut self, id: &str, exec: &str, key: u32) -> Result<Process> {
        let process = self.process_mut(key)?;
        if process.exit().is_none() {
            return Err(process.refuse("has not ended"));
        }
        self.container_mut(id)?.execs.remove(exec);
        self.streams.remove(key);
        let removed = self.processes.remove(&key);
        removed
            .map(|process| *process)
            .ok_or_else(|| crate::containers::not_found("process", exec))
    }

    fn task_kill(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::KillRequest = argument(request)?;
        let number = u8::try_from(asked.signal).map_err(Error::invalid("signal"))?;
        let signal = Signal::try_from(number).map_err(Error::invalid("signal"))?;
        let key = self.find(&asked.id, &asked.exec_id)?;
        if !self.process_mut(key)?.is_alive() {
            // COMPAT: containerd looks for these words to know that it has ended already.
            let message = "process already finished";
            return Err(Error::NotFound {
                kind: "process",
                id: format!("{}: {message}", asked.id),
            });
        }
        self.kill(&asked.id, &asked.exec_id, signal, asked.all)?;
        Ok(now(&()))
    }

    fn task_wait(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::WaitRequest = argument(request)?;
        let key = self.find(&asked.id, &asked.exec_id)?;
        Ok(Answer::When(Awaited::Exit(key)))
    }

    fn task_pids(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::PidsRequest = argument(request)?;
        let pids = self.pids(&asked.id)?;
        let processes = pids.into_iter().map(|pid| ProcessInfo {
            pid: pid.cast_unsigned(),
            info: None,
        });
        let processes = processes.collect();
        Ok(now(&api::PidsResponse { processes }))
    }

    fn task_stats(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::StatsRequest = argument(request)?;
        let stats = self.container(&asked.id)?.cgroup.stats()?;
        let stats = Some(convert::metrics(&stats));
        Ok(now(&api::StatsResponse { stats }))
    }

    fn task_update(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::UpdateTaskRequest = argument(request)?;
        let given = asked.resources.unwrap_or_default();
        let resources = Resources::from_slice(&given.value);
        let resources = resources.map_err(Error::invalid("resources"))?;
        self.container_mut(&asked.id)?.cgroup.update(&resources)?;
        Ok(now(&()))
    }

    fn task_close_io(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::CloseIoRequest = argument(request)?;
        let key = self.find(&asked.id, &asked.exec_id)?;
        if asked.stdin {
            self.close_stdin(key)?;
        }
        Ok(now(&()))
    }

    fn task_connect(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::ConnectRequest = argument(request)?;
        let init = self.find(&asked.id, "").ok();
        let init = init.and_then(|key| self.processes.get(&key));
        Ok(now(&api::ConnectResponse {
            shim_pid: std::process::id(),
            task_pid: init.map_or(0, |process| process.pid.cast_unsigned()),
            version: "3".to_owned(),
        }))
    }

    /// COMPAT: one that holds containers still is to stay, unless it must go now.
    fn task_shutdown(&mut self, request: &Request) -> Result<Answer> {
        let asked: api::ShutdownRequest = argument(request)?;
        self.shutdown = asked.now || self.containers.is_empty();
        Ok(now(&()))
    }

    /// Ends a process that waits at its gate, so that it can be deleted.
    fn end_waiting(&mut self, key: u32) -> Result<()> {
        let process = self.process_mut(key)?;
        if !matches!(process.life, Life::Waiting(_)) {
            return Ok(());
        }
        let failed = || Error::io::<std::io::Error>("end", Path::new("a process that waits"));
        process.signal(Signal::KILL).map_err(failed())?;
        process.wait_until_ended().map_err(failed())?;
        self.process_ready(key);
        self.end_drain(key);
        Ok(())
    }
}

fn state(process: &Process, paused: bool) -> State {
    match process.life {
        Life::Waiting(_) => State::Created,
        Life::Running if paused && process.is_init() => State::Paused,
        Life::Running | Life::Draining(..) => State::Running,
        Life::Over(_) => State::Stopped,
    }
}
