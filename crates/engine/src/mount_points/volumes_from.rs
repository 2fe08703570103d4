//! Mounts that a container takes from others.

use crate::context::Context;
use crate::{ContainerSpec, Error, MountPoint};

/// What the containers named in `VolumesFrom` have mounted.
pub(super) fn points(spec: &ContainerSpec, context: &Context) -> Result<Vec<MountPoint>, Error> {
    let mut points: Vec<MountPoint> = Vec::new();
    for text in &spec.volumes_from {
        let (name, mode) = text.split_once(':').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(Error::invalid(
                "HostConfig.VolumesFrom",
                "volumes-from specification cannot be an empty string",
            ));
        }
        if !is_mode(mode) {
            return Err(Error::invalid("mode", mode));
        }
        let found = context.index.resolve(name);
        // COMPAT: a request that names a container which is not there is a wrong request.
        let id =
            found.map_err(|error| Error::invalid("HostConfig.VolumesFrom", error.to_string()))?;
        let container = context.index.container(&id)?.snapshot();
        for point in &container.record.mounts {
            // COMPAT: of several containers the last one's counts.
            points.retain(|known| known.target != point.target);
            points.push(MountPoint {
                writable: point.writable && mode.split(',').all(|word| word != "ro"),
                copy: false,
                ..point.clone()
            });
        }
    }
    Ok(points)
}

fn is_mode(mode: &str) -> bool {
    let known = |word: &str| matches!(word, "ro" | "rw" | "z" | "Z" | "nocopy");
    mode.is_empty() || mode.split(',').all(known)
}
