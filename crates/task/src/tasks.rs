//! The daemon's handle on all shims.

use crate::executable::Executable;
use crate::held::Held;
use crate::shim::{About, Shim};
use crate::{
    Adopted, Ahead, Attach, Create, Error, Event, Exec, ExitStatus, Size, Task, dead, message,
};
use proto::prost::Message;
use proto::shim::{
    AcknowledgeRequest, AttachRequest, ContainerRequest, CreateRequest, CreateResponse, Empty,
    ExecRequest, ExecResponse, KillRequest, PidsResponse, ProcessRequest, ResizeRequest,
    StartRequest, StartResponse, StatsResponse, UpdateRequest,
};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
use types::{ContainerId, ErrorKind, ExecId, Paths, Signal, Timestamp};

/// All shims of one daemon. Clones are the same.
#[derive(Clone, Debug)]
pub struct Tasks(Arc<Held>);

impl Tasks {
    /// Prepares to start shims from `shim`, the executable of the supervisor, makes `ahead` what
    /// the next container will need, and gives what
    /// their containers do from now on. Shims that run already are taken up by [`Self::adopt`].
    ///
    /// The receiver must be emptied: a full channel holds back the shims' events, and nothing else.
    ///
    /// # Errors
    /// If the executable or the run directory cannot be prepared.
    pub fn open(
        paths: &Paths,
        shim: &Path,
        ahead: Ahead,
    ) -> Result<(Self, mpsc::Receiver<Event>), Error> {
        std::fs::create_dir_all(paths.shims()).map_err(Error::io("create", &paths.shims()))?;
        let executable = Executable::prepare(shim)?;
        let (sender, receiver) = mpsc::channel(1024);
        let held = Held::new(paths.clone(), executable, ahead, sender);
        Ok((Self(Arc::new(held)), receiver))
    }

    /// Takes up the shims that run already and reads what those that died left behind: their
    /// containers are ended, recorded as of unknown status if nobody saw it, and cleaned away.
    ///
    /// Unacknowledged events of live shims are sent again after this.
    ///
    /// # Errors
    /// If the run directory cannot be read.
    pub async fn adopt(&self) -> Result<Vec<Adopted>, Error> {
        self.0.adopt().await
    }

    /// The id of a sandbox that was made ahead with the container's own directory, for a new
    /// container to have: it is started sooner. [`Self::delete`] gives it back.
    pub fn reserve(&self) -> Option<ContainerId> {
        self.0.reserve()
    }

    /// Makes anew what no container has been given: something that it holds is to go.
    pub async fn renew(&self) {
        self.0.renew_spare().await;
    }

    /// Ends what no container has been given: the daemon ends.
    pub async fn stop(&self) {
        self.0.end_spare().await;
    }

    /// How the last run of a container ended that no shim holds, and when it was started, if
    /// its shim has recorded it.
    pub fn recorded(&self, id: &ContainerId) -> Option<(ExitStatus, Option<Timestamp>)> {
        let ended = dead::recorded(id, &self.0.paths.container(id))?;
        Some((ended.status, ended.started))
    }

    /// Says that `event` was recorded, and all before it in its sandbox's sequence.
    pub fn acknowledge(&self, event: &Event) {
        let shim = self.0.table().shims.get(&event.sandbox).cloned();
        let request = AcknowledgeRequest {
            sequence: event.sequence,
        };
        if let Some(shim) = shim.filter(|_| event.sequence > 0) {
            // If the shim has gone nothing is kept that could be forgotten.
            tokio::spawn(async move {
                let call = shim.link.call("Acknowledge", request.encode_to_vec(), &[]);
                drop(call.await);
            });
        }
    }

    /// Makes and starts a container by one request, in a shim that is started if its sandbox
    /// has none.
    ///
    /// # Errors
    /// [`Error::Command`] if the program cannot be executed; then nothing is left.
    pub async fn run(&self, create: Create) -> Result<Task, Error> {
        self.make("Run", create).await
    }

    /// Makes a container that waits for [`Self::start`].
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn create(&self, create: Create) -> Result<Task, Error> {
        self.make("Create", create).await
    }

    /// Starts a container that waits.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn start(&self, id: &ContainerId) -> Result<Task, Error> {
        let request = StartRequest { id: id.to_string() };
        let about = About::container("start", id);
        let started: StartResponse = self.ask("Start", about, &request, &[]).await?;
        Ok(task(started.pid, started.started_at))
    }

    /// Executes a further process in a running container.
    ///
    /// # Errors
    /// [`Error::Command`] if the program cannot be executed.
    pub async fn exec(&self, exec: Exec) -> Result<Task, Error> {
        let (attach, descriptors) = message::attachments(&exec.attach);
        let about = About {
            action: "execute a process in",
            container: &exec.container,
            exec: Some(&exec.id),
        };
        let request = ExecRequest {
            id: exec.container.to_string(),
            exec: exec.id.to_string(),
            process: encode(&exec.container, &exec.process)?,
            stdin: message::stdin(exec.stdin),
            descriptors: count(&descriptors),
            attach,
        };
        let answer = self.ask("Exec", about, &request, &descriptors).await;
        let started: ExecResponse = answer.map_err(|error| match error {
            // The container itself is what is missing before its process exists.
            Error::NoExec { container, .. } => Error::NotRunning { container },
            error => error,
        })?;
        Ok(task(started.pid, started.started_at))
    }

    /// Sends `signal` to the init, or to the process `exec`.
    ///
    /// # Errors
    /// If there is none, or it has ended.
    pub async fn kill(
        &self,
        id: &ContainerId,
        exec: Option<&ExecId>,
        signal: Signal,
    ) -> Result<(), Error> {
        let request = KillRequest {
            id: id.to_string(),
            exec: text(exec),
            signal: signal.number().cast_unsigned(),
            all: false,
        };
        self.order("Kill", About::process("signal", id, exec), &request)
            .await
    }

    /// Sets the size of the terminal of the init, or of the process `exec`.
    ///
    /// # Errors
    /// If there is no such process or it has no terminal.
    pub async fn resize(
        &self,
        id: &ContainerId,
        exec: Option<&ExecId>,
        size: Size,
    ) -> Result<(), Error> {
        let request = ResizeRequest {
            id: id.to_string(),
            exec: text(exec),
            height: size.height.into(),
            width: size.width.into(),
        };
        let about = About::process("resize the terminal of", id, exec);
        self.order("Resize", about, &request).await
    }

    /// Hands a client's socket to the init, or to the process `exec`.
    ///
    /// # Errors
    /// If there is none; the socket is closed then.
    pub async fn attach(
        &self,
        id: &ContainerId,
        exec: Option<&ExecId>,
        attach: Attach,
    ) -> Result<(), Error> {
        let (mut attachments, descriptors) = message::attachments(std::slice::from_ref(&attach));
        let request = AttachRequest {
            id: id.to_string(),
            exec: text(exec),
            attach: attachments.pop(),
            descriptors: count(&descriptors),
        };
        let about = About::process("attach to", id, exec);
        let _: Empty = self.ask("Attach", about, &request, &descriptors).await?;
        Ok(())
    }

    /// Ends the stdin of the init, or of the process `exec`.
    ///
    /// # Errors
    /// If there is none.
    pub async fn close_stdin(&self, id: &ContainerId, exec: Option<&ExecId>) -> Result<(), Error> {
        let request = ProcessRequest {
            id: id.to_string(),
            exec: text(exec),
        };
        let about = About::process("close stdin of", id, exec);
        self.order("CloseStdin", about, &request).await
    }

    /// Freezes a container.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn pause(&self, id: &ContainerId) -> Result<(), Error> {
        let request = ContainerRequest { id: id.to_string() };
        self.order("Pause", About::container("pause", id), &request)
            .await
    }

    /// Lets a frozen container run on.
    ///
    /// # Errors
    /// If it is not frozen.
    pub async fn resume(&self, id: &ContainerId) -> Result<(), Error> {
        let request = ContainerRequest { id: id.to_string() };
        self.order("Resume", About::container("resume", id), &request)
            .await
    }

    /// The process ids on the host of all that runs in a container.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn pids(&self, id: &ContainerId) -> Result<Vec<u32>, Error> {
        let request = ContainerRequest { id: id.to_string() };
        let about = About::container("list the processes of", id);
        let answer: PidsResponse = self.ask("Pids", about, &request, &[]).await?;
        Ok(answer.pids)
    }

    /// What a container uses.
    ///
    /// # Errors
    /// If there is none.
    pub async fn stats(&self, id: &ContainerId) -> Result<cgroup::Stats, Error> {
        let request = ContainerRequest { id: id.to_string() };
        let about = About::container("measure", id);
        let answer: StatsResponse = self.ask("Stats", about, &request, &[]).await?;
        serde_json::from_slice(&answer.stats).map_err(|error| Error::Shim {
            action: about.action,
            container: id.clone(),
            kind: ErrorKind::Internal,
            message: error.to_string(),
        })
    }

    /// Changes a container's limits; what is not given stays.
    ///
    /// # Errors
    /// If the kernel or the cgroup refuses one; those before it were changed.
    pub async fn update(
        &self,
        id: &ContainerId,
        resources: &oci::runtime::Resources,
    ) -> Result<(), Error> {
        let request = UpdateRequest {
            id: id.to_string(),
            resources: encode(id, resources)?,
        };
        self.order("Update", About::container("update", id), &request)
            .await
    }

    /// Removes what is left of a container that has ended; its shim goes with its last.
    /// Nothing happens if there is none.
    ///
    /// # Errors
    /// If it runs, or something cannot be removed.
    pub async fn delete(&self, id: &ContainerId) -> Result<(), Error> {
        let shim = match self.0.shim_of(id) {
            Ok(shim) => shim,
            Err(_) => {
                self.0.give_back(id).await;
                return Ok(());
            }
        };
        let request = ContainerRequest { id: id.to_string() };
        let about = About::container("remove", id);
        match shim.ask::<Empty>("Delete", about, &request, &[]).await {
            Ok(_) | Err(Error::NotRunning { .. } | Error::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
        let was_last = {
            let mut table = self.0.table();
            table.containers.remove(id);
            let mut members = table.containers.values();
            !members.any(|member| member.sandbox == shim.sandbox)
        };
        if was_last {
            self.0.await_departure(&shim).await;
        }
        Ok(())
    }

    async fn make(&self, method: &'static str, mut create: Create) -> Result<Task, Error> {
        let id = create.id.clone();
        let compiled = self.0.filters.take(&mut create.spec);
        let (attach, clients) = message::attachments(&create.attach);
        let layers = create.layers.iter().map(|mount| mount.as_fd());
        let promise = create.promise.iter().map(|pipe| pipe.as_fd());
        let descriptors: Vec<_> = layers.chain(clients).chain(promise).collect();
        let request = CreateRequest {
            id: id.to_string(),
            layers: u32::try_from(create.layers.len()).unwrap_or(u32::MAX),
            spec: encode(&id, &create.spec)?,
            rootfs: encode(&id, &create.rootfs)?,
            seccomp: compiled.map_or_else(Vec::new, |bytes| bytes.to_vec()),
            stdin: message::stdin(create.stdin),
            log: encode(&id, &create.log)?,
            directory: self.0.paths.container(&id).to_string_lossy().into_owned(),
            descriptors: count(&descriptors),
            attach,
            auto_remove: create.auto_remove,
            promised: create.promise.is_some(),
        };
        self.0.await_closed(&create.sandbox).await;
        let shim = self.0.shim_for(&create.sandbox, &id)?;
        let about = About::container("run", &id);
        let made: Result<CreateResponse, Error> =
            shim.ask(method, about, &request, &descriptors).await;
        if made.is_err() {
            self.0.table().containers.remove(&id);
        }
        let made = made?;
        self.0.prepare_spare_later();
        Ok(task(made.pid, made.started_at))
    }

    async fn ask<A: Message + Default>(
        &self,
        method: &'static str,
        about: About<'_>,
        request: &impl Message,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<A, Error> {
        let shim: Shim = self.0.shim_of(about.container)?;
        shim.ask(method, about, request, descriptors).await
    }

    async fn order(
        &self,
        method: &'static str,
        about: About<'_>,
        request: &impl Message,
    ) -> Result<(), Error> {
        let _: Empty = self.ask(method, about, request, &[]).await?;
        Ok(())
    }
}

fn task(pid: u32, started_at: u64) -> Task {
    Task {
        pid,
        started: (started_at > 0).then(|| Timestamp::from_nanos(started_at)),
    }
}

fn text(exec: Option<&ExecId>) -> String {
    exec.map_or_else(String::new, ToString::to_string)
}

fn count(descriptors: &[BorrowedFd<'_>]) -> u32 {
    u32::try_from(descriptors.len()).unwrap_or(u32::MAX)
}

fn encode(id: &ContainerId, document: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(document).map_err(|error| Error::Shim {
        action: "encode the configuration of",
        container: id.clone(),
        kind: ErrorKind::InvalidArgument,
        message: error.to_string(),
    })
}
