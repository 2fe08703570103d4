//! What is on record, for who asks while no daemon runs.

use engine::{ContainerRecord, NetworkRecord, VolumeRecord};
use metadata::Database;
use rustix::fs::{FlockOperation, flock};
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use types::Paths;

/// Prints the ids of the containers and networks and the names of the volumes on record, as one
/// JSON document. `args` are the daemon's root and run directory.
///
/// Fails if a daemon runs, or the database cannot be read; no daemon can start meanwhile.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let [root, run] = &*args else {
        crate::logging::complain(&anyhow::anyhow!(
            "records: needs the root and the run directory"
        ));
        return ExitCode::FAILURE;
    };
    match print(&Paths::under(Path::new(root), Path::new(run))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::logging::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn print(paths: &Paths) -> anyhow::Result<()> {
    let lock = File::open(paths.lock())?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    let database = Database::open(&paths.database())?;
    let list = |read: &metadata::Read| {
        let containers = read.list::<ContainerRecord>()?;
        let networks = read.list::<NetworkRecord>()?;
        Ok::<_, metadata::Error>((containers, networks, read.list::<VolumeRecord>()?))
    };
    let (containers, networks, volumes) = database.read(list)?;
    let containers = containers.into_iter().map(|(_, record)| record.id);
    let document = serde_json::json!({
        "containers": containers.collect::<Vec<_>>(),
        "networks": networks.into_iter().map(|(id, _)| id).collect::<Vec<_>>(),
        "volumes": volumes.into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
    });
    crate::logging::say(&document.to_string());
    Ok(())
}
