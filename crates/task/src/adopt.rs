//! Taking up, after a restart of the daemon, what runs and what has ended meanwhile.

use crate::held::{Held, Member};
use crate::shim::{About, Shim, connect};
use crate::{Adopted, AdoptedState, Error, dead, executable, message};
use proto::{run, shim};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use sys::identity::Process;
use tokio::task::JoinSet;
use types::ContainerId;

/// How long a shim that was just started may take until it listens.
const LISTENING: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(20);
/// How many shims are asked at a time.
const AT_ONCE: usize = 32;

/// What is asked at the time.
type Asked = JoinSet<Result<Vec<Adopted>, Error>>;

impl Held {
    /// Takes up every sandbox of the run directory, several at once: each waits for its shim.
    pub(crate) async fn adopt(self: &Arc<Self>) -> Result<Vec<Adopted>, Error> {
        let mut adopted = Vec::new();
        self.await_unborn().await?;
        let mut asked = JoinSet::new();
        for (sandbox, folder) in sandboxes(&self.paths.shims())? {
            if self.table().shims.contains_key(&sandbox) {
                continue;
            }
            if asked.len() >= AT_ONCE {
                adopted.extend(self.next(&mut asked).await?);
            }
            let held = Arc::clone(self);
            asked.spawn(async move { held.adopt_one(sandbox, folder).await });
        }
        while !asked.is_empty() {
            adopted.extend(self.next(&mut asked).await?);
        }
        Ok(adopted)
    }

    /// What the next of several took up; nothing once there is none.
    async fn next(&self, asked: &mut Asked) -> Result<Vec<Adopted>, Error> {
        let failed = |error| {
            let folder = self.paths.shims();
            Error::io("take up a sandbox of", &folder)(std::io::Error::other(error))
        };
        match asked.join_next().await {
            None => Ok(Vec::new()),
            Some(adopted) => adopted.map_err(failed)?,
        }
    }

    async fn adopt_one(
        self: Arc<Self>,
        sandbox: ContainerId,
        folder: PathBuf,
    ) -> Result<Vec<Adopted>, Error> {
        match self.adopt_live(&sandbox, &folder).await? {
            Some(live) => Ok(live),
            None => buried(sandbox, folder).await,
        }
    }

    /// Waits for shims that an earlier daemon had just started, and that have not said yet who
    /// they are: what they were asked to run would run unknown to us.
    ///
    /// # Errors
    /// [`Error::Rival`] if they are of a daemon that does not go: it would make others.
    async fn await_unborn(&self) -> Result<(), Error> {
        let shims = self.paths.shims();
        let mut waited = Duration::ZERO;
        while let Some(unborn) = unborn(&shims)?.first() {
            if waited >= LISTENING {
                if let Some(pid) = daemon_of(unborn.pid) {
                    return Err(Error::Rival { pid, folder: shims });
                }
                tracing::warn!(pid = unborn.pid, "a shim that does not begin is ended");
                kill(unborn);
                waited = Duration::ZERO;
            }
            tokio::time::sleep(STEP).await;
            waited += STEP;
        }
        Ok(())
    }

    /// Takes up a sandbox whose shim lives; `None` if it does not.
    async fn adopt_live(
        self: &Arc<Self>,
        sandbox: &ContainerId,
        folder: &Path,
    ) -> Result<Option<Vec<Adopted>>, Error> {
        let Some(document) = dead::read::<run::Shim>(&folder.join(run::SHIM)) else {
            return Ok(None);
        };
        if !dead::is_alive(&document.boot_id, &document.process) {
            return Ok(None);
        }
        if document.service > proto::VERSION {
            return Err(Error::Version {
                sandbox: sandbox.clone(),
                theirs: document.service,
                ours: proto::VERSION,
            });
        }
        let Some(shim) = reach(folder, sandbox, &document).await? else {
            return Ok(None);
        };
        let link = shim.link.clone();
        // The connection must be served for the first answer; its events follow below.
        tokio::spawn(async move { link.serve().await });
        let about = About {
            action: "look for containers in the sandbox of",
            container: sandbox,
            exec: None,
        };
        let asked = shim.ask("State", about, &shim::StateRequest {}, &[]).await;
        let state: shim::StateResponse = match asked {
            Ok(state) => state,
            // Its last connection may close a moment before it is dead.
            Err(Error::Gone { .. }) if died(&document).await => return Ok(None),
            Err(error) => return Err(error),
        };
        let containers = state.containers.iter();
        let adopted: Vec<_> = containers.filter_map(|one| adopted(sandbox, one)).collect();
        let mut table = self.table();
        for container in &adopted {
            let member = Member {
                sandbox: sandbox.clone(),
                exited: matches!(container.state, AdoptedState::Exited { .. }),
            };
            table.containers.insert(container.id.clone(), member);
        }
        table.shims.insert(sandbox.clone(), shim.clone());
        drop(table);
        self.follow_events(shim, 0);
        Ok(Some(adopted))
    }
}

/// Whether a shim is dead, or dies within [`LISTENING`].
async fn died(document: &run::Shim) -> bool {
    let mut waited = Duration::ZERO;
    while dead::is_alive(&document.boot_id, &document.process) {
        if waited >= LISTENING {
            return false;
        }
        tokio::time::sleep(STEP).await;
        waited += STEP;
    }
    true
}

/// Connects to a shim that lives; one that can never be reached is ended.
async fn reach(
    folder: &Path,
    sandbox: &ContainerId,
    document: &run::Shim,
) -> Result<Option<Shim>, Error> {
    let mut waited = Duration::ZERO;
    loop {
        match connect(folder, sandbox) {
            Ok(shim) => return Ok(Some(shim)),
            Err(_) if !dead::is_alive(&document.boot_id, &document.process) => return Ok(None),
            Err(error) if waited >= LISTENING => {
                tracing::warn!(%sandbox, %error, "a shim that cannot be reached is ended");
                kill(&document.process);
                return Ok(None);
            }
            Err(_) => {
                tokio::time::sleep(STEP).await;
                waited += STEP;
            }
        }
    }
}

/// Ends a shim; it may have ended by itself.
fn kill(process: &run::Identity) {
    let Some(pid) = Pid::from_raw(process.pid) else {
        return;
    };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    // Looked at only now: the descriptor is of this process, whoever has the number later.
    let same = sys::identity::start_time(process.pid).is_ok_and(|at| at == process.start_time);
    if same {
        let _ = pidfd_send_signal(&pidfd, Signal::KILL);
    }
}

fn adopted(sandbox: &ContainerId, container: &shim::Container) -> Option<Adopted> {
    let execs = container.execs.iter().filter(|exec| exec.exit.is_none());
    Some(Adopted {
        sandbox: sandbox.clone(),
        id: container.id.parse().ok()?,
        state: message::state(container),
        execs: execs
            .filter_map(|exec| Some((exec.id.parse().ok()?, exec.pid)))
            .collect(),
    })
}

async fn buried(sandbox: ContainerId, folder: PathBuf) -> Result<Vec<Adopted>, Error> {
    let path = folder.clone();
    let ended = tokio::task::spawn_blocking(move || dead::bury(&path)).await;
    let failed = |error| Error::io("clean up", &folder)(error);
    let ended = ended.map_err(std::io::Error::other).map_err(failed)??;
    let adopted = ended.into_iter().map(|ended| Adopted {
        sandbox: sandbox.clone(),
        id: ended.id,
        state: AdoptedState::Exited {
            status: ended.status,
            started: ended.started,
        },
        execs: Vec::new(),
    });
    Ok(adopted.collect())
}

/// Shims of `folder` that live and are named in no run directory: they were just started, or
/// given their sandbox. A spare one ends by itself, as its daemon did.
fn unborn(folder: &Path) -> Result<Vec<run::Identity>, Error> {
    let processes = Path::new("/proc");
    let mut found = Vec::new();
    let born = born(folder)?;
    for entry in fs::read_dir(processes).map_err(Error::io("list", processes))? {
        let entry = entry.map_err(Error::io("list", processes))?;
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(pid) = pid.filter(|pid| !born.contains(pid)) else {
            continue;
        };
        let named = executable::directory(pid).is_some_and(|own| own.starts_with(folder));
        if !named || !sys::identity::shares(pid, folder) {
            continue;
        }
        let Ok(process) = Process::read(pid) else {
            continue;
        };
        // A child of a shim has its command line until it executes a program of its own.
        if process.runs && !born.contains(&process.parent) {
            let start_time = process.start_time;
            found.push(run::Identity { pid, start_time });
        }
    }
    Ok(found)
}

/// The daemon, not this one, whose child a shim is.
fn daemon_of(shim: i32) -> Option<i32> {
    let parent = sys::identity::parent(shim).ok()?;
    let line = fs::read(format!("/proc/{parent}/cmdline")).ok()?;
    let program = line.split(|byte| *byte == 0).next()?;
    let own = std::process::id().cast_signed();
    (parent != own && program.ends_with(b"corten-daemon")).then_some(parent)
}

/// The shims that run directories name.
fn born(folder: &Path) -> Result<HashSet<i32>, Error> {
    let folders = sandboxes(folder)?.into_iter();
    let documents = folders.filter_map(|(_, own)| dead::read::<run::Shim>(&own.join(run::SHIM)));
    Ok(documents.map(|shim| shim.process.pid).collect())
}

/// The sandboxes that have a run directory.
fn sandboxes(folder: &Path) -> Result<Vec<(ContainerId, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        let id = entry.file_name().into_string().ok();
        if let Some(id) = id.and_then(|id| id.parse().ok()) {
            found.push((id, entry.path()));
        }
    }
    Ok(found)
}
