//! Making, starting and removing containers and further processes in them.

use crate::ahead::{self, Rest};
use crate::client::Wants;
use crate::error::{Error, Result};
use crate::poll::{Interest, Token};
use crate::process::{Life, Process};
use crate::record;
use crate::sandbox::{Container, Sandbox, Unwritten};
use crate::stdio::{Ends, Stdio};
use ::container::{Begun, Create, Gate, Init};
use cgroup::{Cgroup, Hierarchies};
use logs::Writer;
use oci::runtime::{IdMaps, NamespaceKind, Spec};
use proto::run;
use proto::shim::{Started, Stdin, event};
use seccomp::Program;
use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use types::{ContainerId, Rootfs, Timestamp};

/// A client to attach.
#[derive(Debug)]
pub(crate) struct Joining {
    /// Its socket.
    pub fd: OwnedFd,
    /// What it wants.
    pub wants: Wants,
    /// What was read from it already.
    pub unread: Vec<u8>,
}

/// A container to make.
#[derive(Debug)]
pub(crate) struct New {
    /// Its id.
    pub id: ContainerId,
    /// Its configuration.
    pub spec: Spec,
    /// The directory of its configuration.
    pub bundle: PathBuf,
    /// Its root.
    pub rootfs: Rootfs,
    /// Mounts of its topmost layers.
    pub layers: Vec<OwnedFd>,
    /// Its filter, compiled.
    pub seccomp: Option<Program>,
    /// What becomes of its stdin.
    pub stdin: Stdin,
    /// Where it is logged.
    pub log: logs::Config,
    /// Its own directory.
    pub directory: Option<PathBuf>,
    /// Files to be written once it runs.
    pub unwritten: Option<Unwritten>,
    /// It is removed by its end.
    pub auto_remove: bool,
    /// Clients from the first byte.
    pub clients: Vec<Joining>,
    /// Start it too.
    pub start: bool,
    /// What tells when its program may run, if not at once.
    pub promise: Option<OwnedFd>,
}

impl Sandbox {
    /// Makes a container, and starts it if that is wanted; gives its init's key.
    pub(crate) fn create(&mut self, mut new: New) -> Result<u32> {
        self.used = true;
        if self.containers.contains_key(new.id.as_str()) {
            return Err(Error::Exists {
                kind: "container",
                id: new.id.into(),
            });
        }
        if let Some(folder) = &new.directory {
            record::forget_exit(folder)?;
        }
        let (mut cgroup, mut ahead) = match self.take_ahead(&new)? {
            Some(ahead) => {
                let (cgroup, mut rest) = ahead.split();
                let cgroup = self.settle_cgroup(&new, cgroup, &mut rest)?;
                (cgroup, rest)
            }
            None => (self.make_cgroup(&new)?, Rest::default()),
        };
        let (key, id) = (self.key(), self.shared(new.id.as_str()));
        ahead.give(&mut new, &cgroup);
        let begun = ahead.begun.take();
        let made = make(&new, (&cgroup, &ahead.stock, begun), key).and_then(|(mut init, stdio)| {
            ahead.used = init.take_spent();
            let process = Process::new(Rc::clone(&id), "", init, !new.start)?;
            self.hold(key, process, stdio)
        });
        cgroup.settle();
        // What is not the container's own now is let go later.
        self.spent = Some(ahead);
        let bundle = new.bundle.clone();
        let private = new.has_private_mounts();
        let (mut container, clients) = new.held(key, cgroup);
        if let Err(error) = made.and_then(|()| self.join(key, clients)) {
            self.undo(key, &container.cgroup, &id, &bundle);
            return Err(error);
        }
        container.mounts = private.then(|| self.mounts_of(key)).flatten();
        self.containers.insert(id, Box::new(container));
        self.tell_started(key);
        Ok(key)
    }

    /// The id of a container, in one place of memory if it is its sandbox's.
    pub(crate) fn shared(&self, id: &str) -> Rc<str> {
        match *id == *self.place.sandbox {
            true => Rc::clone(&self.place.sandbox),
            false => id.into(),
        }
    }

    /// The mount namespace of a process, where the kernel gives it.
    fn mounts_of(&self, key: u32) -> Option<OwnedFd> {
        let process = self.processes.get(&key)?;
        sys::pidfd::mount_namespace(process.pidfd.as_fd()).ok()
    }

    /// Whether it holds mounts although the container has ended.
    pub(crate) fn has_spent_mounts(&self, container: &Container) -> bool {
        let init = self.processes.get(&container.init);
        container.mounts.is_some() && init.is_none_or(|init| init.exit().is_some())
    }

    /// Lets mounts of containers that have ended go.
    pub(crate) fn release_mounts(&mut self) {
        let spent = self.containers.iter();
        let spent = spent.filter(|(_, container)| self.has_spent_mounts(container));
        let spent: Vec<Rc<str>> = spent.map(|(id, _)| id.clone()).collect();
        for id in spent {
            if let Some(container) = self.containers.get_mut(&id) {
                container.mounts = None;
            }
        }
    }

    /// Makes the cgroup; where it will be is written before, so that it is found if we die.
    fn make_cgroup(&mut self, new: &New) -> Result<Cgroup> {
        let request = new.cgroup_request();
        let hierarchies = match self.hierarchies.take() {
            Some(hierarchies) => hierarchies,
            None => Hierarchies::probe()?,
        };
        let made = Cgroup::planned(&hierarchies, &request)
            .map_err(Into::into)
            .and_then(|planned| self.describe(new, planned))
            .and_then(|()| Ok(Cgroup::create_in(&hierarchies, &request)?));
        self.hierarchies = Some(hierarchies);
        made.inspect_err(|_| self.remove_bundle(new.id.as_str(), &new.bundle))
    }

    /// Says in the run directory what is about to be made.
    fn describe(&self, new: &New, cgroup: cgroup::State) -> Result<()> {
        let Some(directory) = &new.directory else {
            return Ok(());
        };
        let bundle = &new.bundle;
        std::fs::create_dir(bundle).map_err(Error::io("make", bundle))?;
        let document = self.described(new.id.as_str(), directory, cgroup);
        record::replace(bundle, run::CONTAINER, &document)
    }

    /// What is said of a container before it is made.
    pub(crate) fn described(
        &self,
        id: &str,
        directory: &Path,
        cgroup: cgroup::State,
    ) -> run::Container<cgroup::State> {
        run::Container {
            version: run::VERSION,
            id: id.to_owned(),
            boot_id: self.place.boot_id.clone(),
            init: None,
            started_at: None,
            directory: Some(directory.to_string_lossy().into_owned()),
            cgroup,
        }
    }

    /// Brings the cgroup that was made ahead to what the container asks for.
    fn settle_cgroup(&mut self, new: &New, cgroup: Cgroup, ahead: &mut Rest) -> Result<Cgroup> {
        let request = new.cgroup_request();
        let serves = |hierarchies| cgroup.serves(hierarchies, &request).unwrap_or(false);
        if !self.hierarchies.as_ref().is_some_and(serves) {
            // It is to be in more hierarchies.
            ahead.stock.leave_out("cgroup");
            ahead.begun = None;
            cgroup.delete()?;
            self.remove_bundle(new.id.as_str(), &new.bundle);
            return self.make_cgroup(new);
        }
        let prepared = new.bundle.join(run::PREPARED);
        let settled = std::fs::rename(&prepared, new.bundle.join(run::CONTAINER))
            .map_err(Error::io("rename", &prepared))
            .and_then(|()| match request.resources {
                Some(resources) => Ok(cgroup.limit(resources)?),
                None => Ok(()),
            });
        if let Err(error) = settled {
            ahead.begun = None;
            drop(cgroup.delete());
            self.remove_bundle(new.id.as_str(), &new.bundle);
            return Err(error);
        }
        Ok(cgroup)
    }

    /// Takes up a process that was made.
    pub(crate) fn hold(&mut self, key: u32, process: Process, stdio: Stdio) -> Result<()> {
        let watched = self
            .poll
            .add(&process.pidfd, Token::Process(key), Interest::READ);
        self.processes.insert(key, Box::new(process));
        watched.map_err(Error::io("watch", Path::new("a process")))?;
        self.streams
            .add(key, stdio)
            .map_err(Error::io("read", Path::new("a process's output")))
    }

    /// Attaches clients to a process.
    pub(crate) fn join(&mut self, key: u32, clients: Vec<Joining>) -> Result<()> {
        for client in clients {
            let notices = self
                .streams
                .attach(key, client.fd, client.wants, &client.unread)
                .map_err(Error::io("attach", Path::new("a client")))?;
            self.notice(notices);
        }
        Ok(())
    }

    /// Removes what a failed create left.
    fn undo(&mut self, key: u32, cgroup: &Cgroup, id: &str, bundle: &Path) {
        if let Err(error) = cgroup.kill().and_then(|()| cgroup.delete()) {
            self.place
                .report("cannot remove the cgroup of a failed create", &error);
        }
        if let Some(process) = self.processes.remove(&key) {
            drop(process.reap());
        }
        self.streams.remove(key);
        self.remove_bundle(id, bundle);
    }

    /// Removes a bundle that is ours.
    fn remove_bundle(&self, id: &str, bundle: &Path) {
        if bundle == self.place.bundle(id) {
            drop(std::fs::remove_dir_all(bundle));
        }
    }

    pub(crate) fn tell_started(&mut self, key: u32) {
        let Some(process) = self.processes.get(&key) else {
            return;
        };
        if let Some(at) = process.started {
            let kind = event::Kind::Started(Started {
                pid: process.pid.cast_unsigned(),
            });
            self.events
                .push(&process.container, &process.exec, at, kind);
        }
    }

    /// Starts a process that waits.
    pub(crate) fn start(&mut self, key: u32) -> Result<()> {
        let process = self.process_mut(key)?;
        let Life::Waiting(init) = &mut process.life else {
            return Err(process.refuse("does not wait to be started"));
        };
        init.start()?;
        process.life = Life::Running;
        process.started = Some(Timestamp::now());
        self.tell_started(key);
        Ok(())
    }

    /// Writes the files that only others than the start itself need.
    pub(crate) fn write_files(&mut self) {
        let (place, processes) = (&self.place, &self.processes);
        for (id, container) in &mut self.containers {
            let Some(unwritten) = container.unwritten.take() else {
                continue;
            };
            let written = unwritten.write(&container.bundle).and_then(|()| {
                let Some(process) = processes.get(&container.init) else {
                    return Ok(());
                };
                describe_running(place, id, container, process)
            });
            if let Err(error) = written {
                place.report("cannot write a container's files", &error);
            }
        }
    }

    /// Forgets a container that has ended, and removes what it left in the run directory.
    pub(crate) fn delete(&mut self, id: &str) -> Result<Process> {
        let container = self.container(id)?;
        let init = container.init;
        if self.process_mut(init)?.exit().is_none() {
            return Err(self.process_mut(init)?.refuse("has not ended"));
        }
        let container = self.container(id)?;
        container.cgroup.delete()?;
        let bundle = self.place.bundle(id);
        if container.directory.is_some() && container.bundle == bundle {
            std::fs::remove_dir_all(&bundle).map_err(Error::io("remove", &bundle))?;
        }
        let execs: Vec<u32> = container.execs.values().copied().collect();
        self.containers.remove(id);
        for exec in execs {
            self.processes.remove(&exec);
            self.streams.remove(exec);
        }
        self.streams.remove(init);
        let removed = self.processes.remove(&init).map(|process| *process);
        removed.ok_or_else(|| not_found("container", id))
    }

    /// The container of this id.
    pub(crate) fn container(&self, id: &str) -> Result<&Container> {
        self.containers
            .get(id)
            .map(Box::as_ref)
            .ok_or_else(|| not_found("container", id))
    }

    /// The container of this id.
    pub(crate) fn container_mut(&mut self, id: &str) -> Result<&mut Container> {
        self.containers
            .get_mut(id)
            .map(Box::as_mut)
            .ok_or_else(|| not_found("container", id))
    }

    /// The key of a container's init, or of its process `exec`.
    pub(crate) fn find(&self, id: &str, exec: &str) -> Result<u32> {
        let container = self.container(id)?;
        if exec.is_empty() {
            return Ok(container.init);
        }
        let found = container.execs.get(exec).copied();
        found.ok_or_else(|| not_found("process", exec))
    }

    /// A process that is held.
    pub(crate) fn process_mut(&mut self, key: u32) -> Result<&mut Process> {
        let found = self.processes.get_mut(&key).map(Box::as_mut);
        found.ok_or_else(|| not_found("process", &key.to_string()))
    }
}

pub(crate) fn not_found(kind: &'static str, id: &str) -> Error {
    Error::NotFound {
        kind,
        id: id.to_owned(),
    }
}

impl New {
    /// What is asked of its cgroup.
    fn cgroup_request(&self) -> cgroup::Request<'_> {
        let linux = self.spec.linux.as_ref();
        let path = linux.map_or("", |linux| linux.cgroups_path.as_str());
        let resources = linux.and_then(|linux| linux.resources.as_ref());
        cgroup::Request {
            intel_rdt: linux.and_then(|linux| linux.intel_rdt.as_ref()),
            ..ahead::request(self.id.as_str(), path, resources)
        }
    }

    /// How its ids are mapped.
    pub(crate) fn maps(&self) -> Option<IdMaps> {
        self.spec.linux.as_ref().and_then(IdMaps::of)
    }

    /// Puts the mounts of layers in their place. In a user namespace ids are mapped by a mount of
    /// the container's own.
    pub(crate) fn use_mounts(&mut self) {
        if self.maps().is_none() {
            ahead::use_mounts(&mut self.rootfs, &self.layers);
        }
    }

    /// Whether all that is mounted in it was made for it alone.
    fn has_private_mounts(&self) -> bool {
        let Some(own) = self.directory.as_deref() else {
            return false;
        };
        let mut mounts = self.spec.mounts.iter();
        let foreign = |source: &Path| source.is_absolute() && !source.starts_with(own);
        matches!(self.rootfs, Rootfs::Layers { .. })
            && !mounts.any(|mount| foreign(Path::new(&mount.source)))
    }

    /// What is held of it, and its clients.
    fn held(self, init: u32, cgroup: Cgroup) -> (Container, Vec<Joining>) {
        let linux = self.spec.linux.as_ref();
        let own_pids = linux.is_some_and(|linux| {
            let mut namespaces = linux.namespaces.iter();
            namespaces.any(|one| one.kind == NamespaceKind::Pid && one.path.is_empty())
        });
        let container = Container {
            init,
            execs: BTreeMap::new(),
            bundle: self.bundle,
            directory: self.directory,
            cgroup,
            paused: false,
            own_pids,
            oom_kills: 0,
            mounts: None,
            auto_remove: self.auto_remove,
            unwritten: self.unwritten,
        };
        (container, self.clients)
    }
}

impl Unwritten {
    fn write(self, bundle: &Path) -> Result<()> {
        let files = [(run::CONFIG, self.config), (run::SECCOMP, self.seccomp)];
        for (name, bytes) in files {
            let path = bundle.join(name);
            if let Some(bytes) = bytes {
                record::write(&path, &bytes).map_err(Error::io("write", &path))?;
            }
        }
        Ok(())
    }
}

fn describe_running(
    place: &crate::place::Place,
    id: &str,
    container: &Container,
    process: &Process,
) -> Result<()> {
    let Some(directory) = &container.directory else {
        return Ok(());
    };
    // One that has ended and was reaped has no start time any more, and needs none.
    let document = run::Container {
        version: run::VERSION,
        id: id.to_owned(),
        boot_id: place.boot_id.clone(),
        init: record::identity(process.pid).ok(),
        started_at: process.started.map(Timestamp::nanos),
        directory: Some(directory.to_string_lossy().into_owned()),
        cgroup: container.cgroup.state(),
    };
    record::replace(&container.bundle, run::CONTAINER, &document)
}

/// Makes the init and our ends of its streams.
fn make(
    new: &New,
    (cgroup, stock, begun): (&Cgroup, &::container::Stock, Option<Begun>),
    key: u32,
) -> Result<(Init, Stdio)> {
    let terminal = new
        .spec
        .process
        .as_ref()
        .is_some_and(|process| process.terminal);
    let ends = Ends::make(terminal, new.stdin, &new.bundle)?;
    let request = Create {
        id: &new.id,
        spec: &new.spec,
        bundle: &new.bundle,
        rootfs: &new.rootfs,
        stdio: ends.theirs(),
        cgroup: Some(cgroup),
        seccomp: new.seccomp.as_ref(),
        gate: match (&new.promise, new.start) {
            (_, false) => Gate::Held,
            (None, true) => Gate::Open,
            (Some(promise), true) => Gate::Promised(promise.as_fd()),
        },
        preserve_fds: 0,
        keep_keyring: false,
        no_pivot: false,
        stock: Some(stock),
        cloned: None,
    };
    let mut init = match begun {
        Some(begun) => begun.finish(&request),
        None => ::container::create(&request),
    }?;
    let log = open_log(&new.log)?;
    let stdio = ends.ours(key, new.stdin, log, init.take_console())?;
    Ok((init, stdio))
}

fn open_log(config: &logs::Config) -> Result<Option<Writer>> {
    match config {
        logs::Config::None => Ok(None),
        logs::Config::JsonFile(file) => Ok(Some(Writer::open(file.clone())?)),
    }
}
