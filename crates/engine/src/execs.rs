//! Processes executed in running containers besides their programs.

mod registry;

pub(crate) use registry::Registry;

use crate::context::Context;
use crate::{Container, Error, Problem, Status};
use std::sync::Arc;
use std::time::Duration;
use task::{Attach, Size, StdinPolicy};
use types::{ContainerId, ExecId, Resource};

/// How long news of a process that has ended may be on the way.
const SETTLING: Duration = Duration::from_secs(1);
/// COMPAT: how long a client that tells a terminal's size waits for the start.
const STARTING: Duration = Duration::from_secs(10);
/// COMPAT: the exit code of what has no directory to begin in.
const NOT_BEGUN: u8 = 128;

/// What is to be executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of Docker's request, echoed by inspect"
)]
pub struct ExecSpec {
    /// The words; at least one.
    pub command: Vec<String>,
    /// `NAME=value`, beyond the container's.
    pub env: Vec<String>,
    /// `user[:group]`; empty: the container's.
    pub user: String,
    /// Where it starts; empty: as the container's program.
    pub working_dir: String,
    /// With all capabilities.
    pub privileged: bool,
    /// Its streams are one terminal.
    pub tty: bool,
    /// The client attaches stdin.
    pub attach_stdin: bool,
    /// The client attaches stdout.
    pub attach_stdout: bool,
    /// The client attaches stderr.
    pub attach_stderr: bool,
    /// The keys that detach, as the caller wrote them.
    pub detach_keys: String,
    /// The terminal's first size, rows and columns.
    pub console_size: Option<(u16, u16)>,
}

/// How an exec is started.
#[derive(Debug, Default)]
pub struct ExecStart {
    /// The client's socket; `None`: detached.
    pub attach: Option<Attach>,
    /// The terminal's first size.
    pub size: Option<Size>,
}

/// An exec, as one moment saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Its id.
    pub id: ExecId,
    /// Its container.
    pub container: ContainerId,
    /// What it executes.
    pub spec: Arc<ExecSpec>,
    /// It runs.
    pub running: bool,
    /// Its process id on the host; 0 before there is one.
    pub pid: u32,
    /// Its exit code, when it has ended.
    pub exit_code: Option<u8>,
}

/// Processes executed in running containers besides their programs. Clones are the same.
#[derive(Clone, Debug)]
pub struct Execs {
    context: Arc<Context>,
}

impl Execs {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Prepares an exec in a running container.
    ///
    /// # Errors
    /// [`Problem::NotRunning`]; [`Problem::Paused`]; [`Error::Invalid`].
    pub async fn create(&self, container: &ContainerId, spec: ExecSpec) -> Result<ExecId, Error> {
        let found = self.context.index.container(container)?.snapshot();
        check(container, found.state.status)?;
        if spec.command.is_empty() {
            return Err(Error::invalid("Cmd", "no exec command specified"));
        }
        crate::user::check(&spec.user)?;
        self.look_up(&found, &spec).await?;
        let id = ExecId::from_random(crate::containers::random()?);
        let action = format!("exec_create: {}", words(&spec));
        let event = found.record.event(&action, [("execID", id.as_str())]);
        self.context.execs.insert(&id, container, spec)?;
        self.context.events.record(event);
        Ok(id)
    }

    /// Whether a user and group that are named are in the container's own files, which a
    /// process of the container's alone reads: one is begun that looks them up and then has
    /// nothing that can be executed. COMPAT: dockerd says so when the exec is made.
    async fn look_up(&self, container: &Container, spec: &ExecSpec) -> Result<(), Error> {
        if !crate::user::is_named(&spec.user) {
            return Ok(());
        }
        let asked = ExecSpec {
            command: vec!["/".to_owned()],
            user: spec.user.clone(),
            working_dir: "/".to_owned(),
            ..ExecSpec::default()
        };
        let request = task::Exec {
            container: container.id().clone(),
            id: ExecId::from_random(crate::containers::random()?),
            process: crate::spec::exec_process(&container.record, &[], &asked, None)?,
            stdin: StdinPolicy::Null,
            attach: Vec::new(),
        };
        let Err(error) = self.context.tasks.exec(request).await else {
            return Ok(());
        };
        let words = crate::owner::chain(&Error::task("execute in", container.id())(error));
        let absence = ["unable to find user ", "unable to find group "];
        let found = absence.iter().find_map(|absence| words.find(absence));
        match found.and_then(|at| words.get(at..)) {
            Some(words) => Err(Error::invalid("Exec.User", words)),
            // Whatever else there is against it is told at its start.
            None => Ok(()),
        }
    }

    /// Whether an exec could be started now.
    ///
    /// # Errors
    /// COMPAT: [`Error::NotFound`] once its container has ended, with which Docker forgets it;
    /// [`Problem::Paused`]; [`Problem::Restarting`].
    pub fn startable(&self, exec: &Exec) -> Result<(), Error> {
        let container = self.context.index.container(&exec.container)?;
        match container.snapshot().state.status {
            status @ (Status::Running | Status::Paused | Status::Restarting) => {
                check(&exec.container, status)
            }
            _ => Err(Error::no_exec(exec.id.as_str())),
        }
    }

    /// Starts an exec.
    ///
    /// # Errors
    /// [`Error::Command`] if its program cannot be executed; a second start conflicts.
    pub async fn start(&self, id: &ExecId, start: ExecStart) -> Result<(), Error> {
        let execs = self.clone();
        let id = id.clone();
        let task = self
            .context
            .tracker
            .spawn(async move { execs.run(&id, start).await });
        task.await.map_err(|_| Error::Stopping)?
    }

    async fn run(&self, id: &ExecId, start: ExecStart) -> Result<(), Error> {
        let container = self.context.execs.find(id)?.container;
        let container = self.context.index.container(&container)?.snapshot();
        let exec = self.context.execs.begin(id)?;
        if let Err(error) = check(&exec.container, container.state.status) {
            self.context.execs.ended(id, 126);
            return Err(error);
        }
        let (record, spec) = (&container.record, &exec.spec);
        let size = start.size.or(spec
            .console_size
            .map(|(height, width)| Size { height, width }));
        let links = crate::links::running(record, &self.context.index);
        let process = match crate::spec::exec_process(record, &links, spec, size) {
            Ok(process) => process,
            Err(error) => {
                self.context.execs.ended(id, NOT_BEGUN);
                return Err(error);
            }
        };
        let stdin = match start.attach {
            Some(_) if spec.attach_stdin => StdinPolicy::Once,
            _ => StdinPolicy::Null,
        };
        let request = task::Exec {
            container: exec.container.clone(),
            id: id.clone(),
            process,
            stdin,
            attach: start.attach.into_iter().collect(),
        };
        // COMPAT: whether there is such a program or not.
        let action = format!("exec_start: {}", words(spec));
        let event = record.event(&action, [("execID", id.as_str())]);
        self.context.events.record_later(event);
        match self.context.tasks.exec(request).await {
            Ok(task) => {
                self.context.execs.started(id, task.pid);
                Ok(())
            }
            Err(error) => {
                let error = Error::task("execute in", &exec.container)(error);
                let code = match &error {
                    Error::Command { exit_code, .. } => *exit_code,
                    // A working directory that is not there.
                    Error::Task { source, .. } if is_absence(source) => 127,
                    _ => 126,
                };
                self.context.execs.ended(id, code);
                Err(error)
            }
        }
    }

    /// Sets the size of an exec's terminal, once the exec has begun.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has ended; [`Error::NotReady`] if nobody starts it.
    pub async fn resize(&self, id: &ExecId, size: Size) -> Result<(), Error> {
        let begun = tokio::time::timeout(STARTING, self.context.execs.begun(id)).await;
        let exec = begun.map_err(|_| Error::NotReady)??;
        let container = &exec.container;
        if !exec.running {
            return Err(Error::NotFound(Resource {
                kind: "process",
                name: id.to_string(),
            }));
        }
        // COMPAT: who has no terminal can be resized, too.
        if !exec.spec.tty {
            return Ok(());
        }
        let resized = self.context.tasks.resize(container, Some(id), size).await;
        resized.map_err(Error::task("resize", container))
    }

    /// An exec, as it is now; if its process has ended and its supervisor has not said so yet,
    /// as it is when that was heard. Clients ask for the exit code as soon as output ends.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn settled(&self, id: &ExecId) -> Result<Exec, Error> {
        let settled = self.context.execs.settled(id);
        match tokio::time::timeout(SETTLING, settled).await {
            Ok(exec) => exec,
            Err(_) => self.inspect(id),
        }
    }

    /// An exec, as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn inspect(&self, id: &ExecId) -> Result<Exec, Error> {
        self.context.execs.find(id)
    }
}

/// Its command as events tell it. COMPAT: a space is before the arguments, though there are none.
fn words(spec: &ExecSpec) -> String {
    let (program, arguments) = spec.command.split_first().unzip();
    let program = program.map_or("", String::as_str);
    format!("{program} {}", arguments.unwrap_or_default().join(" "))
}

fn check(container: &ContainerId, status: Status) -> Result<(), Error> {
    let problem = match status {
        Status::Running => return Ok(()),
        Status::Paused => Problem::Paused,
        Status::Restarting => Problem::Restarting,
        _ => Problem::NotRunning,
    };
    Err(Error::state("execute in", container, problem))
}

/// Whether the supervisor says that something is not there, in the kernel's words.
fn is_absence(error: &task::Error) -> bool {
    matches!(error, task::Error::Shim { message, .. } if message.contains("No such file or directory"))
}

/// Whether a process is gone or going: its files are closed, which its clients see, before it
/// is a zombie.
fn is_over(pid: u32) -> bool {
    const EXITING: u64 = 0x4;
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    // After the name, which may hold anything: state, five ids, flags.
    let mut fields = match stat.rsplit_once(") ") {
        Some((_, rest)) => rest.split(' '),
        None => return true,
    };
    let state = fields.next().unwrap_or("X");
    let flags = fields.nth(5).and_then(|flags| flags.parse::<u64>().ok());
    matches!(state, "Z" | "X") || flags.is_none_or(|flags| flags & EXITING != 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_zombie_is_over() {
        assert!(!super::is_over(std::process::id()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !super::is_over(child.id()) {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(super::is_over(child.id()));
    }
}
