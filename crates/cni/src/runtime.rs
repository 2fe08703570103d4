//! The operations on a network: ADD, DEL, CHECK, GC, STATUS.

mod operation;

use crate::attachment::Deletion;
use crate::builtin::{self, Builtin, Firewall, Subject, recognise};
use crate::cache::{Cache, Entry, Progress};
use crate::plugin::{Call, Plugins, document};
use crate::{Attachment, Error, Limits, Network, PluginConfig, Success, Version};
use operation::{Operation, Way, told};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The firewall's table of what is done in process.
const TABLE: &str = "corten-cni";

/// Adds containers to networks, and deletes them.
#[derive(Debug)]
pub struct Runtime {
    plugins: Plugins,
    cache: Cache,
    /// For what is done in process, if anything is.
    firewall: Option<Firewall>,
}

impl Runtime {
    /// Plugins of the directories `path`, in order (`/opt/cni/bin`), and what was added below
    /// `root` (`/var/lib/cni`).
    pub fn new(path: Vec<PathBuf>, root: &Path, limits: Limits) -> Self {
        Self {
            plugins: Plugins::new(path, limits),
            cache: Cache::new(root),
            firewall: None,
        }
    }

    /// The same, with the reference plugins bridge, ptp, host-local, portmap and loopback done
    /// in process, as far as their options are known here. Of one that is, no executable has to
    /// be there; [`Self::executed`] tells of the others. Who added an attachment deletes it.
    #[must_use]
    pub fn in_process(mut self) -> Self {
        self.firewall = Some(Firewall::new(TABLE));
        self
    }

    /// The plugins of a network that are executed, and what of each is not known in process.
    pub fn executed(
        &self,
        network: &Network,
        attachment: Option<&Attachment>,
    ) -> Result<Vec<(String, String)>, Error> {
        let ways = self.ways(network, attachment, None)?;
        let plugins = network.plugins.iter().map(|plugin| plugin.kind.clone());
        let executed = plugins.zip(ways).filter_map(|(kind, way)| match way {
            Way::Executed(why) => Some((kind, why)),
            Way::InProcess(_) => None,
        });
        Ok(executed.collect())
    }

    /// How each plugin's part is done. Those of `decided` were done in process, the others were
    /// not; without it, whatever can be is.
    fn ways(
        &self,
        network: &Network,
        attachment: Option<&Attachment>,
        decided: Option<&[usize]>,
    ) -> Result<Vec<Way>, Error> {
        let way = |(place, plugin): (usize, &PluginConfig)| {
            let foreign = decided.is_some_and(|decided| !decided.contains(&place));
            if self.firewall.is_none() || foreign {
                return Ok(Way::Executed("in process is off for it".into()));
            }
            let told = told(network, place, (Version::V110, None), attachment)?;
            let known = recognise(&plugin.kind, &told, attachment);
            Ok(known.map_or_else(Way::Executed, Way::InProcess))
        };
        network.plugins.iter().enumerate().map(way).collect()
    }

    /// The newest of the network's versions that all its plugins speak. An error names the
    /// plugin that is missing or speaks none.
    pub fn validate(&self, network: &Network) -> Result<Version, Error> {
        Ok(self.operation(network, None, None)?.version)
    }

    fn operation<'a>(
        &self,
        network: &'a Network,
        attachment: Option<&'a Attachment>,
        decided: Option<&[usize]>,
    ) -> Result<Operation<'a>, Error> {
        let ways = self.ways(network, attachment, decided)?;
        let mut common = network.versions.clone();
        for (plugin, way) in network.plugins.iter().zip(&ways) {
            if let Way::Executed(_) = way {
                let spoken = self.plugins.versions(&plugin.kind)?;
                common.retain(|version| spoken.contains(version));
            }
            if common.is_empty() {
                let wanted = network.versions.iter().map(|version| version.name());
                return Err(Error::Version {
                    plugin: plugin.kind.clone(),
                    network: network.name.clone(),
                    wanted: wanted.collect::<Vec<_>>().join(", "),
                });
            }
        }
        Ok(Operation {
            network,
            // The newest comes first.
            version: common.first().copied().unwrap_or(Version::V010),
            attachment,
            ways,
        })
    }

    /// Adds a container's interface: every plugin in order. When one fails, what was added is
    /// deleted again.
    ///
    /// # Errors
    /// A plugin's, with its code; [`Error::NotUndone`] if something may be left; and if the
    /// attachment is there: it is deleted first.
    pub fn add(&self, network: &Network, attachment: &Attachment) -> Result<Success, Error> {
        attachment.check(Deletion::No)?;
        let operation = self.operation(network, Some(attachment), None)?;
        if self.cache.find(&network.name, attachment)?.is_some() {
            return Err(Error::Attachment {
                field: "container id",
                value: attachment.container.clone(),
                reason: "was added to this network, and has to be deleted first",
            });
        }
        let mut made = None;
        for place in 0..network.plugins.len() {
            let done = self
                .keep(&operation, made.as_ref(), false)
                .and_then(|()| self.add_one(&operation, place, made.as_ref()));
            match done {
                Ok(success) => made = Some(success),
                Err(cause) => return Err(self.undo(&operation, place + 1, made.as_ref(), cause)),
            }
        }
        let made = made.unwrap_or_default();
        match self.keep(&operation, Some(&made), true) {
            Ok(()) => Ok(made),
            Err(cause) => {
                let all = network.plugins.len();
                Err(self.undo(&operation, all, Some(&made), cause))
            }
        }
    }

    fn keep(
        &self,
        operation: &Operation<'_>,
        made: Option<&Success>,
        durable: bool,
    ) -> Result<(), Error> {
        let Some(attachment) = operation.attachment else {
            return Ok(());
        };
        let progress = Progress {
            // Older ones have no form for all that there can be.
            version: operation.version.max(Version::V031),
            made,
            in_process: &operation.in_process(),
            durable,
        };
        self.cache.keep(operation.network, attachment, progress)
    }

    fn add_one(
        &self,
        operation: &Operation<'_>,
        place: usize,
        previous: Option<&Success>,
    ) -> Result<Success, Error> {
        let call = operation.call(place, "ADD");
        if let Way::InProcess(own) = &operation.ways[place] {
            return self.within(operation, (call, own), previous, Builtin::add);
        }
        let told = operation.told(place, previous)?;
        let answer = document(call, &self.plugins.call(call, &told)?)?;
        Success::read(&answer, operation.version).map_err(|reason| call.broke(reason))
    }

    /// Does a plugin's part in process.
    fn within<T>(
        &self,
        operation: &Operation<'_>,
        (call, own): (Call<'_>, &Builtin),
        previous: Option<&Success>,
        work: impl FnOnce(&Builtin, &Subject<'_>) -> Result<T, builtin::Failure>,
    ) -> Result<T, Error> {
        let (Some(attachment), Some(firewall)) = (operation.attachment, &self.firewall) else {
            return Err(call.broke("it is of no attachment"));
        };
        let told = operation.told(call.place, None)?;
        let subject = Subject {
            network: operation.network,
            attachment,
            asked: builtin::asked(&told).map_err(|reason| call.broke(reason))?,
            previous,
            firewall,
        };
        work(own, &subject).map_err(|failure| call.refused(failure.code, failure.message))
    }

    /// Deletes what the first plugins tried to add; gives the error to return.
    fn undo(
        &self,
        operation: &Operation<'_>,
        tried: usize,
        made: Option<&Success>,
        cause: Error,
    ) -> Error {
        let mut left = self.delete_each(operation, tried, made);
        if let (true, Some(attachment)) = (left.is_empty(), operation.attachment) {
            left.extend(self.cache.forget(&operation.network.name, attachment).err());
        }
        if left.is_empty() {
            return cause;
        }
        let cause = Box::new(cause);
        Error::NotUndone { cause, left }
    }

    /// Does DEL of the first plugins, the last of them first, whether others fail or not.
    fn delete_each(
        &self,
        operation: &Operation<'_>,
        plugins: usize,
        made: Option<&Success>,
    ) -> Vec<Error> {
        let previous = made.filter(|_| operation.version >= Version::V040);
        let delete = |place: usize| {
            let call = operation.call(place, "DEL");
            if let Way::InProcess(own) = &operation.ways[place] {
                return self.within(operation, (call, own), made, Builtin::delete);
            }
            let told = operation.told(place, previous)?;
            self.silent(call, &told)
        };
        let places = (0..plugins).rev();
        places.filter_map(|place| delete(place).err()).collect()
    }

    /// Calls an operation that has no result.
    fn silent(&self, call: Call<'_>, told: &Map<String, Value>) -> Result<(), Error> {
        self.plugins.call(call, told).map(drop)
    }

    /// Deletes a container's interface: every plugin, the last first. What is gone already is
    /// deleted; a plugin that fails does not keep the others from theirs.
    ///
    /// What was asked for at its addition, and what that made, is told to the plugins again.
    ///
    /// # Errors
    /// [`Error::Several`] with what plugins said; the attachment is kept, to be deleted again.
    pub fn delete(&self, network: &Network, attachment: &Attachment) -> Result<(), Error> {
        attachment.check(Deletion::Yes)?;
        let kept = self.cache.find(&network.name, attachment)?;
        let (mut told, made, decided) = match kept {
            Some(entry) => (entry.attachment, entry.success, Some(entry.in_process)),
            None => (attachment.clone(), None, None),
        };
        // The namespace is where the caller says, or gone.
        told.netns.clone_from(&attachment.netns);
        let operation = self.operation(network, Some(&told), decided.as_deref())?;
        let failed = self.delete_each(&operation, network.plugins.len(), made.as_ref());
        if !failed.is_empty() {
            return Err(Error::Several(failed));
        }
        self.cache.forget(&network.name, attachment)
    }

    /// Checks that a container's interface is as its addition made it.
    pub fn check(&self, network: &Network, attachment: &Attachment) -> Result<(), Error> {
        attachment.check(Deletion::No)?;
        if network.disable_check {
            return Ok(());
        }
        let kept = self.cache.find(&network.name, attachment)?;
        let (success, decided) = match kept {
            Some(entry) => (entry.success, Some(entry.in_process)),
            None => (None, None),
        };
        let operation = self.operation(network, Some(attachment), decided.as_deref())?;
        if operation.version < Version::V040 {
            return Err(Error::NoSuchOperation {
                network: network.name.clone(),
                version: operation.version,
                command: "CHECK",
            });
        }
        let success = success.ok_or(Error::Attachment {
            field: "container id",
            value: attachment.container.clone(),
            reason: "was not added to this network",
        })?;
        for (place, way) in operation.ways.iter().enumerate() {
            let call = operation.call(place, "CHECK");
            if let Way::InProcess(own) = way {
                self.within(&operation, (call, own), Some(&success), Builtin::check)?;
                continue;
            }
            let told = operation.told(place, Some(&success))?;
            self.silent(call, &told)?;
        }
        Ok(())
    }

    /// Deletes every attachment that is not among the `valid` ones, given as container and
    /// interface, and has the plugins do the same if they can (1.1).
    pub fn collect(&self, network: &Network, valid: &[(String, String)]) -> Result<(), Error> {
        if network.disable_gc {
            return Ok(());
        }
        let operation = self.operation(network, None, None)?;
        let mut failed = Vec::new();
        for entry in self.cache.of_network(&network.name)? {
            let own = &entry.attachment;
            let stays = |(container, interface): &(String, String)| {
                *container == own.container && *interface == own.interface
            };
            if !valid.iter().any(stays) {
                failed.extend(self.delete(network, own).err());
            }
        }
        if operation.version >= Version::V110 {
            failed.extend(self.collect_each(&operation, valid));
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(Error::Several(failed)),
        }
    }

    /// Has the firewall's table hold what the attachments of these networks have there, and
    /// nothing else: when others have removed it, or a crash has left something.
    ///
    /// The networks are all of those that were added to in process.
    pub fn restore(&self, networks: &[Network]) -> Result<(), Error> {
        let Some(firewall) = &self.firewall else {
            return Ok(());
        };
        let mut placed = Vec::new();
        for network in networks {
            for entry in self.cache.of_network(&network.name)? {
                placed.extend(self.placed(network, &entry)?);
            }
        }
        let restored = firewall.restore(&placed);
        restored.map_err(|failure| Error::Firewall(failure.message))
    }

    /// What the firewall has of an attachment.
    fn placed(&self, network: &Network, entry: &Entry) -> Result<Vec<builtin::Placed>, Error> {
        let attachment = Some(&entry.attachment);
        let operation = self.operation(network, attachment, Some(&entry.in_process))?;
        let mut placed = Vec::new();
        for (place, way) in operation.ways.iter().enumerate() {
            if let Way::InProcess(own) = way {
                let part = (operation.call(place, "ADD"), own);
                let made = entry.success.as_ref();
                placed.extend(self.within(&operation, part, made, Builtin::placed)?);
            }
        }
        Ok(placed)
    }

    fn collect_each(&self, operation: &Operation<'_>, valid: &[(String, String)]) -> Vec<Error> {
        let pair = |(container, interface): &(String, String)| json!({ "containerID": container, "ifname": interface });
        let named: Value = valid.iter().map(pair).collect();
        let collect = |place: usize| {
            let call = operation.call(place, "GC");
            if let (Way::InProcess(own), Some(firewall)) = (&operation.ways[place], &self.firewall)
            {
                let done = own.collect(operation.network, valid, firewall);
                return done.map_err(|failure| call.refused(failure.code, failure.message));
            }
            let mut told = operation.told(place, None)?;
            // The first text of the specification had the second name.
            told.insert("cni.dev/valid-attachments".into(), named.clone());
            told.insert("cni.dev/attachments".into(), named.clone());
            self.silent(call, &told)
        };
        let places = 0..operation.ways.len();
        places.filter_map(|place| collect(place).err()).collect()
    }

    /// Whether containers can be added; plugins are asked if they can tell (1.1), and must be
    /// there in any case.
    ///
    /// # Errors
    /// The first plugin's that cannot, with its code ([`crate::Code::NOT_AVAILABLE`],
    /// [`crate::Code::LIMITED`]).
    pub fn status(&self, network: &Network) -> Result<(), Error> {
        let operation = self.operation(network, None, None)?;
        if operation.version < Version::V110 {
            return Ok(());
        }
        for (place, way) in operation.ways.iter().enumerate() {
            if let Way::Executed(_) = way {
                let told = operation.told(place, None)?;
                self.silent(operation.call(place, "STATUS"), &told)?;
            }
        }
        Ok(())
    }
}
