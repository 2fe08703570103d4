//! What shims that died left behind.

use crate::{Error, ExitStatus};
use cgroup::Cgroup;
use proto::run;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};
use types::{ContainerId, Timestamp};

/// How long a shim that closed its connection may take to be gone.
const DYING: Duration = Duration::from_secs(2);

/// A container whose shim has died.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its id.
    pub id: ContainerId,
    /// How it ended.
    pub status: ExitStatus,
    /// When it was started, if that is known.
    pub started: Option<Timestamp>,
}

/// Whether `process` of this boot lives. One that nobody reaps does not.
pub(crate) fn is_alive(boot_id: &str, process: &run::Identity) -> bool {
    let now = sys::identity::boot_id().is_ok_and(|now| now == boot_id);
    now && sys::identity::lives(process.pid, process.start_time)
}

/// The document in `path`; `None` if there is none, or it was not written whole.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Ends what runs still of a sandbox whose shim has died, records what nobody saw, and removes
/// the sandbox's run directory. Gives how its containers ended.
///
/// Nothing happens if its shim lives after all, or another's.
pub(crate) fn bury(folder: &Path) -> Result<Vec<Ended>, Error> {
    let shim: Option<run::Shim> = read(&folder.join(run::SHIM));
    // Its connection is closed a moment before it is gone.
    let start = Instant::now();
    while shim
        .as_ref()
        .is_some_and(|shim| is_alive(&shim.boot_id, &shim.process))
    {
        if start.elapsed() > DYING {
            return Ok(Vec::new());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // A shim that goes by itself removes all of it, and may be at it.
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let entries = match fs::read_dir(folder) {
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("list", folder))?,
    };
    let mut ended = Vec::new();
    for entry in entries {
        let path = match entry {
            Err(error) if is_gone(&error) => break,
            entry => entry.map_err(Error::io("list", folder))?.path(),
        };
        let prepared: Option<run::Container<cgroup::State>> = read(&path.join(run::PREPARED));
        if let Some(prepared) = prepared {
            remove_cgroup(&prepared)?;
        }
        let document: Option<run::Container<cgroup::State>> = read(&path.join(run::CONTAINER));
        if let Some(container) = document
            && let Ok(id) = container.id.parse::<ContainerId>()
        {
            ended.push(end(id, &container)?);
        }
    }
    match fs::remove_dir_all(folder) {
        Err(error) if !is_gone(&error) => Err(Error::io("remove", folder)(error)),
        _ => Ok(ended),
    }
}

/// Ends a container's processes, and removes its cgroup.
fn remove_cgroup(container: &run::Container<cgroup::State>) -> Result<(), Error> {
    let failed = |error: cgroup::Error| Error::Cgroup {
        container: container.id.clone(),
        source: error,
    };
    // After a reboot there is no such group, or it is somebody else's by the same name: the
    // processes in it were not started by that shim.
    let same_boot = sys::identity::boot_id().is_ok_and(|now| now == container.boot_id);
    if same_boot {
        let cgroup = Cgroup::open(&container.cgroup).map_err(failed)?;
        cgroup.kill().map_err(failed)?;
        cgroup.delete().map_err(failed)?;
    }
    Ok(())
}

/// Ends a container; what its shim recorded is believed.
fn end(id: ContainerId, container: &run::Container<cgroup::State>) -> Result<Ended, Error> {
    remove_cgroup(container)?;
    let started = container.started_at.map(Timestamp::from_nanos);
    let status = unknown();
    if let Some(directory) = container.directory.as_deref().map(Path::new) {
        if let Some(ended) = recorded(&id, directory) {
            return Ok(ended);
        }
        let path = directory.join(run::EXIT);
        record(&path, container, &status).map_err(Error::io("write", &path))?;
    }
    Ok(Ended {
        id,
        status,
        started,
    })
}

/// How a container's last run ended, if its shim has recorded it in `directory`.
pub(crate) fn recorded(id: &ContainerId, directory: &Path) -> Option<Ended> {
    let record: run::Exit = read(&directory.join(run::EXIT))?;
    (record.id == id.as_str()).then(|| Ended {
        id: id.clone(),
        status: ExitStatus {
            code: record.code,
            at: Timestamp::from_nanos(record.exited_at),
            oom_killed: record.oom_killed,
        },
        started: record.started_at.map(Timestamp::from_nanos),
    })
}

fn unknown() -> ExitStatus {
    ExitStatus {
        code: None,
        at: Timestamp::now(),
        oom_killed: false,
    }
}

/// Records an end in the shim's place: it is dead.
fn record(
    path: &Path,
    container: &run::Container<cgroup::State>,
    status: &ExitStatus,
) -> io::Result<()> {
    let record = run::Exit {
        version: run::VERSION,
        id: container.id.clone(),
        pid: container.init.as_ref().map_or(0, |init| init.pid),
        started_at: container.started_at,
        exited_at: status.at.nanos(),
        code: status.code,
        oom_killed: status.oom_killed,
    };
    let mut json = serde_json::to_vec(&record)?;
    json.push(b'\n');
    let mut file = match File::create(path) {
        // The container was removed meanwhile: there is nothing to record it for.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    file.write_all(&json)?;
    file.sync_data()
}
