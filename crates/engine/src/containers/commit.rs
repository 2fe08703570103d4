//! An image of what a container is.

use super::Containers;
use super::archive::{OWN_FILES, is_stub};
use crate::context::blocking;
use crate::{ChangeKind, Container, ContainerSpec, Error, Problem, Status};
use images::{Commit, Image, Reference};
use oci::image::ExecConfig;
use rustix::fs::{AtFlags, Mode, OFlags};
use snapshot::Snapshots;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use types::{ContainerId, ErrorKind, Kind, Rootfs};
use unpack::{Detail, Pack};

/// How an image of a container is to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitSpec {
    /// The name to give.
    pub reference: Option<Reference>,
    /// Who made it.
    pub author: String,
    /// The comment of its history.
    pub message: String,
    /// Dockerfile instructions that configure it.
    pub changes: Vec<String>,
    /// How containers of it run, instead of as this one; what it leaves out is this one's.
    pub config: Option<ExecConfig>,
    /// The container is frozen meanwhile.
    pub pause: bool,
}

impl Containers {
    /// Makes an image of a container's files and configuration.
    ///
    /// # Errors
    /// [`Error::State`] if it is being removed; [`Error::Image`] if the image cannot be made.
    pub async fn commit(&self, id: &ContainerId, spec: CommitSpec) -> Result<Image, Error> {
        let (containers, id) = (self.clone(), id.clone());
        // A caller who goes away must not leave it frozen.
        let task = async move { containers.commit_to_end(&id, spec).await };
        let task = self.context.tracker.spawn(task);
        task.await.map_err(|_| Error::Stopping)?
    }

    async fn commit_to_end(&self, id: &ContainerId, spec: CommitSpec) -> Result<Image, Error> {
        let container = self.find(id)?;
        match container.state.status {
            Status::Dead => return Err(Error::state("commit", id, Problem::Dead)),
            Status::Removing => return Err(Error::state("commit", id, Problem::Removing)),
            _ => {}
        }
        let freeze = spec.pause && container.state.status == Status::Running;
        let freeze = match freeze {
            // One that has ended meanwhile is as still.
            true => match self.hold(id).await {
                Err(error) if error.kind() == ErrorKind::Conflict => false,
                paused => paused.map(|()| true)?,
            },
            false => false,
        };
        let made = self.make_image(&container, &spec).await;
        if let Ok(image) = &made {
            self.tell_of(&container, &spec, image);
        }
        if freeze {
            match self.unpause(id).await {
                // It was let go, or ended, meanwhile.
                Ok(()) | Err(Error::State { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        made
    }

    fn tell_of(&self, container: &Container, spec: &CommitSpec, image: &Image) {
        let made = image.id.to_string();
        let named = spec.reference.as_ref().map(Reference::familiar);
        let attributes = [
            ("comment", spec.message.as_str()),
            ("imageID", &made),
            ("imageRef", named.as_deref().unwrap_or_default()),
        ];
        let event = container.record.event("commit", attributes);
        self.context.events.record(event);
    }

    async fn make_image(
        &self,
        container: &Arc<Container>,
        spec: &CommitSpec,
    ) -> Result<Image, Error> {
        let id = container.id();
        let handle = self.context.index.container(id)?;
        // It is not removed or started while its files are read.
        let _files = handle.files().read_owned().await;
        let (upper, hidden) = {
            let (container, snapshots) =
                (Arc::clone(container), Arc::clone(&self.context.snapshots));
            blocking(move || written(&container, &snapshots)).await??
        };
        let order = Pack {
            detail: Detail::Layer,
            hidden,
            ..Pack::default()
        };
        let failed = || Error::io("make a pipe for", id.as_str().as_ref());
        let (read, write) = std::io::pipe().map_err(failed())?;
        let job = self.context.worker.pack(upper, write.into(), &order);
        let job = job.map_err(Error::contents("read", id))?;
        let layer =
            tokio::net::unix::pipe::Receiver::from_owned_fd(read.into()).map_err(failed())?;
        let commit = Commit {
            parent: container.record.image_id.clone(),
            reference: spec.reference.clone(),
            author: spec.author.clone(),
            message: spec.message.clone(),
            created_by: container
                .record
                .spec
                .process
                .command
                .clone()
                .unwrap_or_default()
                .join(" "),
            config: config(&container.record.spec, spec.config.as_ref()),
            changes: spec.changes.clone(),
        };
        let whole = async move { blocking(move || job.wait().map(drop)).await };
        let image = self.context.images.commit(
            commit,
            Box::pin(layer),
            Box::pin(async move {
                match whole.await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(std::io::Error::other(error)),
                    Err(error) => Err(std::io::Error::other(error)),
                }
            }) as Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>,
        );
        let made = image.await.map_err(|source| Error::Image {
            image: container.record.image_id.clone(),
            kind: source.kind(),
            source: Box::new(source),
        });
        if !container.record.copied.is_empty() {
            let (snapshots, id) = (Arc::clone(&self.context.snapshots), id.clone());
            // What is left goes with the next one, or with the container.
            drop(blocking(move || snapshots.remove_gathered(&id)).await);
        }
        made
    }
}

/// The part that the container wrote, and what in it is not the container's.
fn written(container: &Container, snapshots: &Snapshots) -> Result<(OwnedFd, Vec<String>), Error> {
    let changes = super::changes::changes(container)?;
    let upper = match &container.record.rootfs {
        Rootfs::Layers {
            writable: Some(writable),
            ..
        } => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::open(&writable.upper, flags, Mode::empty())
                .map_err(|error| Error::io("open", &writable.upper)(error.into()))?
        }
        _ => {
            let id = container.id();
            let gone = |kind| kind == ChangeKind::Deleted;
            let changed = changes.iter().map(|(path, kind)| (&**path, gone(*kind)));
            let gathered = snapshots.gather(id, changed);
            gathered.map_err(|source| Error::Snapshot {
                action: "gather what changed in",
                id: id.clone(),
                source,
            })?
        }
    };
    let paths = OWN_FILES
        .iter()
        .map(|(target, _)| target.trim_start_matches('/'));
    let hidden = paths.chain([super::archive::MARK]).filter(|path| {
        let stat = rustix::fs::statat(&upper, Path::new(path), AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| is_stub(path.as_bytes(), &stat))
    });
    let mut hidden: Vec<String> = hidden.map(str::to_owned).collect();
    // Where only mounts are, nothing was changed.
    let unchanged = |place: &&str| !changes.iter().any(|(path, _)| *path == place.as_bytes());
    hidden.extend(
        super::archive::PLACES
            .iter()
            .filter(|p| unchanged(p))
            .map(|p| (*p).to_owned()),
    );
    Ok((upper, hidden))
}

/// How the container runs, with `over` over it where that says something.
fn config(spec: &ContainerSpec, over: Option<&ExecConfig>) -> ExecConfig {
    let set = |names: &std::collections::BTreeSet<String>| {
        let empty = || serde_json::Value::Object(serde_json::Map::new());
        names.iter().map(|name| (name.clone(), empty())).collect()
    };
    let own = ExecConfig {
        user: spec.process.user.clone(),
        exposed_ports: set(&spec.exposed_ports),
        env: spec.process.env.clone(),
        entrypoint: spec
            .process
            .entrypoint
            .clone()
            .filter(|words| !words.is_empty()),
        cmd: spec.process.command.clone(),
        volumes: set(&spec.volumes),
        working_dir: spec.process.working_dir.clone(),
        labels: spec.labels.clone(),
        stop_signal: spec.stop_signal.map(|signal| signal.to_string()),
        stop_timeout: spec.stop_timeout,
        healthcheck: spec.health.clone(),
        on_build: spec.on_build.clone(),
        shell: spec.shell.clone(),
        ..ExecConfig::default()
    };
    match over {
        None => own,
        Some(over) => merge(over.clone(), own),
    }
}

/// COMPAT: what the caller's configuration leaves out is the container's; sets are joined.
fn merge(mut over: ExecConfig, own: ExecConfig) -> ExecConfig {
    fn joined<V>(over: &mut BTreeMap<String, V>, own: BTreeMap<String, V>) {
        for (key, value) in own {
            over.entry(key).or_insert(value);
        }
    }
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let given: Vec<String> = over.env.iter().map(|variable| name(variable)).collect();
    let kept = own
        .env
        .into_iter()
        .filter(|variable| !given.contains(&name(variable)));
    over.env.extend(kept);
    joined(&mut over.exposed_ports, own.exposed_ports);
    joined(&mut over.labels, own.labels);
    joined(&mut over.volumes, own.volumes);
    if over.user.is_empty() {
        over.user = own.user;
    }
    if over.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if over.cmd.as_ref().is_none_or(Vec::is_empty) {
            over.cmd = own.cmd;
        }
        over.entrypoint = own.entrypoint;
    }
    if over.working_dir.is_empty() {
        over.working_dir = own.working_dir;
    }
    over.healthcheck = over.healthcheck.or(own.healthcheck);
    over.stop_signal = over.stop_signal.or(own.stop_signal);
    over.stop_timeout = over.stop_timeout.or(own.stop_timeout);
    if over.shell.is_empty() {
        over.shell = own.shell;
    }
    over
}
