//! What is mounted in a container at its caller's wish, as inspect lists it.

use crate::{Bind, ContainerSpec, Error, Mount, MountKind, MountPoint, Propagation};
use std::path::Path;

/// Resolves binds and mounts of a specification that was admitted.
pub(crate) fn resolve(spec: &ContainerSpec) -> Result<Vec<MountPoint>, Error> {
    let binds = spec.binds.iter().map(bind);
    let mounts = spec.mounts.iter().map(mount);
    let points: Vec<MountPoint> = binds.chain(mounts).collect::<Result<_, _>>()?;
    let mut targets: Vec<&str> = points.iter().map(|point| point.target.as_str()).collect();
    targets.extend(spec.tmpfs.keys().map(String::as_str));
    targets.sort_unstable();
    match targets.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => Err(Error::invalid(
            "mount",
            format!(
                "Duplicate mount point: {}",
                pair.concat()
                    .get(..pair.concat().len() / 2)
                    .unwrap_or_default()
            ),
        )),
        None => Ok(points),
    }
}

fn bind(bind: &Bind) -> Result<MountPoint, Error> {
    let Some(source) = bind.source.as_ref().filter(|_| bind.is_path()) else {
        return Err(Error::Unsupported {
            option: format!("HostConfig.Binds {bind}"),
            reason: "volumes are not here yet: give a path of the host",
        });
    };
    let text = bind.to_string();
    let mode = text.splitn(3, ':').nth(2).unwrap_or_default().to_owned();
    make_source(Path::new(source))?;
    Ok(MountPoint {
        kind: "bind".to_owned(),
        name: None,
        source: source.clone(),
        target: bind.target.clone(),
        mode,
        writable: !bind.read_only,
        propagation: bind
            .propagation
            .unwrap_or(Propagation::RPrivate)
            .name()
            .to_owned(),
    })
}

fn mount(mount: &Mount) -> Result<MountPoint, Error> {
    let point = |kind: &str, source: &str, propagation: &str| MountPoint {
        kind: kind.to_owned(),
        name: None,
        source: source.to_owned(),
        target: mount.target.clone(),
        mode: String::new(),
        writable: !mount.read_only,
        propagation: propagation.to_owned(),
    };
    match &mount.kind {
        MountKind::Bind {
            source,
            propagation,
            create_source,
            ..
        } => {
            let path = Path::new(source);
            if *create_source {
                make_source(path)?;
            } else if std::fs::symlink_metadata(path).is_err() {
                return Err(Error::invalid(
                    "mount config for type \"bind\"",
                    format!("bind source path does not exist: {source}"),
                ));
            }
            let propagation = propagation.unwrap_or(Propagation::RPrivate);
            Ok(point("bind", source, propagation.name()))
        }
        MountKind::Volume { .. } => Err(Error::Unsupported {
            option: format!("HostConfig.Mounts volume at {}", mount.target),
            reason: "volumes are not here yet: give a path of the host",
        }),
        MountKind::Tmpfs { .. } => Ok(point("tmpfs", "", "")),
    }
}

/// COMPAT: Docker makes a directory of a bind mount's source that is not there.
fn make_source(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(path).map_err(Error::io("create", path))
        }
        Err(error) => Err(Error::io("find", path)(error)),
    }
}
