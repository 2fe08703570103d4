//! What is mounted in a container at its caller's wish, as inspect lists it.

mod copy_up;
mod volumes_from;

pub(crate) use copy_up::fill;

use crate::context::Context;
use crate::volume_record::{ANONYMOUS, VolumeSpec};
use crate::volumes::Hold;
use crate::{
    Bind, ContainerRecord, ContainerSpec, Error, Mount, MountKind, MountPoint, Propagation,
    VolumeRecord,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use types::ContainerId;

/// The mounts of a container to be, and what keeps them until its record does.
#[derive(Debug)]
pub(crate) struct Resolved {
    container: ContainerId,
    pub(crate) points: Vec<MountPoint>,
    holds: Vec<Hold>,
    /// Images that are mounted.
    images: Vec<crate::image::Image>,
    /// Volumes without a name that were made for it.
    made: Vec<Arc<VolumeRecord>>,
}

/// Resolves what the specification, which was admitted, says of mounts; volumes are made.
pub(crate) async fn resolve(
    id: &ContainerId,
    spec: &ContainerSpec,
    context: &Arc<Context>,
) -> Result<Resolved, Error> {
    let mut resolved = Resolved {
        container: id.clone(),
        points: Vec::new(),
        holds: Vec::new(),
        images: Vec::new(),
        made: Vec::new(),
    };
    let done = resolved.fill(spec, context).await;
    match done {
        Ok(()) => Ok(resolved),
        Err(error) => {
            resolved.undo(context).await;
            Err(error)
        }
    }
}

impl Resolved {
    async fn fill(&mut self, spec: &ContainerSpec, context: &Arc<Context>) -> Result<(), Error> {
        check_duplicates(spec)?;
        let inherited = volumes_from::points(spec, context)?;
        for bind in &spec.binds {
            let point = self.bind(bind, spec, context).await?;
            self.points.push(point);
        }
        for mount in &spec.mounts {
            let point = self.mount(mount, context).await?;
            self.points.push(point);
        }
        // What is asked for goes before what other containers have.
        for point in inherited {
            if !self.covers(&point.target) {
                self.points.push(point);
            }
        }
        for target in &spec.volumes {
            if self.covers(target) || spec.tmpfs.keys().any(|t| clean(t) == clean(target)) {
                continue;
            }
            let volume = self.volume(VolumeSpec::default(), context).await?;
            // COMPAT: a path that is not absolute is taken from the root.
            let target = clean(target);
            self.points.push(MountPoint {
                copy: true,
                ..of_volume(&volume, &target, context)
            });
        }
        self.points.sort_by_key(|point| depth(&point.target));
        Ok(())
    }

    /// Takes back what was made for a container that is not to be.
    pub(crate) async fn undo(mut self, context: &Arc<Context>) {
        self.holds.clear();
        for volume in self.made {
            if let Err(error) = context.remove_volume(&volume).await {
                tracing::warn!(volume.name = %volume.name, %error, "cannot undo a volume");
            }
        }
    }

    fn covers(&self, target: &str) -> bool {
        let target = clean(target);
        let mut points = self.points.iter();
        points.any(|point| clean(&point.target) == target)
    }

    async fn volume(
        &mut self,
        spec: VolumeSpec,
        context: &Arc<Context>,
    ) -> Result<Arc<VolumeRecord>, Error> {
        let nameless = spec.name.is_empty();
        let (volume, hold) = context.volume(spec, Some(&self.container)).await?;
        self.holds.push(hold);
        if nameless {
            self.made.push(Arc::clone(&volume));
        }
        Ok(volume)
    }

    async fn bind(
        &mut self,
        bind: &Bind,
        spec: &ContainerSpec,
        context: &Arc<Context>,
    ) -> Result<MountPoint, Error> {
        let text = bind.to_string();
        let mode = text.splitn(3, ':').nth(2).unwrap_or_default().to_owned();
        if let Some(source) = bind.source.as_ref().filter(|_| bind.is_path()) {
            make_source(Path::new(source))?;
            return Ok(MountPoint {
                source: source.clone(),
                mode,
                writable: !bind.read_only,
                propagation: bind
                    .propagation
                    .unwrap_or(Propagation::RPrivate)
                    .name()
                    .to_owned(),
                ..MountPoint::new("bind", &bind.target)
            });
        }
        let asked = VolumeSpec {
            name: bind.source.clone().unwrap_or_default(),
            driver: spec.volume_driver.clone(),
            ..VolumeSpec::default()
        };
        let volume = self.volume(asked, context).await?;
        Ok(MountPoint {
            // COMPAT: a volume has a label that containers share unless its options say more.
            mode: if mode.is_empty() {
                "z".to_owned()
            } else {
                mode
            },
            writable: !bind.read_only,
            copy: !bind.no_copy,
            ..of_volume(&volume, &bind.target, context)
        })
    }

    async fn mount(&mut self, mount: &Mount, context: &Arc<Context>) -> Result<MountPoint, Error> {
        let writable = !mount.read_only;
        match &mount.kind {
            MountKind::Bind { .. } => host_path(mount),
            MountKind::Volume {
                name,
                no_copy,
                labels,
                driver,
                options,
                subpath,
            } => {
                let asked = VolumeSpec {
                    name: name.clone().unwrap_or_default(),
                    driver: driver.clone(),
                    options: options.clone(),
                    labels: labels.clone().map(|mut labels| {
                        labels.remove(ANONYMOUS);
                        labels
                    }),
                };
                let volume = self.volume(asked, context).await?;
                Ok(MountPoint {
                    mode: "z".to_owned(),
                    writable,
                    copy: !no_copy,
                    subpath: subpath.clone(),
                    ..of_volume(&volume, &mount.target, context)
                })
            }
            MountKind::Tmpfs { .. } => Ok(MountPoint {
                writable,
                options: tmpfs_options(&mount.kind),
                ..MountPoint::new("tmpfs", &mount.target)
            }),
            MountKind::Image { image, subpath } => {
                let found = context.image(image).await?;
                let point = MountPoint {
                    name: Some(image.clone()),
                    source: image.clone(),
                    writable: false,
                    propagation: Propagation::RPrivate.name().to_owned(),
                    subpath: subpath.clone(),
                    layers: found.layers.clone(),
                    ..MountPoint::new("image", &mount.target)
                };
                self.images.push(found);
                Ok(point)
            }
        }
    }
}

fn of_volume(volume: &VolumeRecord, target: &str, context: &Context) -> MountPoint {
    MountPoint {
        name: Some(volume.name.to_string()),
        driver: Some(volume.driver.clone()),
        source: context.mountpoint(volume),
        ..MountPoint::new("volume", target)
    }
}

fn host_path(mount: &Mount) -> Result<MountPoint, Error> {
    let MountKind::Bind {
        source,
        propagation,
        create_source,
        non_recursive,
        recursion,
    } = &mount.kind
    else {
        return Err(Error::invalid("mount", "is no bind mount"));
    };
    let path = Path::new(source);
    if *create_source {
        make_source(path)?;
    } else if std::fs::symlink_metadata(path).is_err() {
        return Err(Error::invalid(
            "mount config for type \"bind\"",
            format!("bind source path does not exist: {source}"),
        ));
    }
    Ok(MountPoint {
        source: source.clone(),
        writable: !mount.read_only,
        propagation: propagation
            .unwrap_or(Propagation::RPrivate)
            .name()
            .to_owned(),
        non_recursive: *non_recursive,
        recursion: *recursion,
        ..MountPoint::new("bind", &mount.target)
    })
}

fn tmpfs_options(kind: &MountKind) -> Vec<String> {
    let MountKind::Tmpfs { size, mode, exec } = kind else {
        return Vec::new();
    };
    let exec = if *exec { "exec" } else { "noexec" };
    let mut options: Vec<String> = [exec, "nosuid", "nodev"].map(str::to_owned).into();
    options.extend(size.map(|size| format!("size={size}")));
    options.extend(mode.map(|mode| format!("mode={mode:o}")));
    options
}

fn check_duplicates(spec: &ContainerSpec) -> Result<(), Error> {
    let binds = spec.binds.iter().map(|bind| &bind.target);
    let mounts = spec.mounts.iter().map(|mount| &mount.target);
    let mut seen = BTreeSet::new();
    for target in binds.chain(mounts).chain(spec.tmpfs.keys()) {
        let target = clean(target);
        if seen.contains(&target) {
            return Err(Error::invalid(
                "mount",
                format!("Duplicate mount point: {target}"),
            ));
        }
        seen.insert(target);
    }
    Ok(())
}

/// What is to be bound is there as a container starts: made anew, or refused, as at its making.
pub(crate) fn check_sources(record: &ContainerRecord) -> Result<(), Error> {
    let spec = &record.spec;
    let paths = spec.binds.iter().filter(|bind| bind.is_path());
    for source in paths.filter_map(|bind| bind.source.as_ref()) {
        make_source(Path::new(source))?;
    }
    let binds = |mount: &&Mount| matches!(mount.kind, MountKind::Bind { .. });
    spec.mounts
        .iter()
        .filter(binds)
        .try_for_each(|mount| host_path(mount).map(drop))
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

/// How many directories a path is below the root.
pub(crate) fn depth(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

/// A path without empty parts and dots.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
