//! The operations on a network: ADD, DEL, CHECK, GC, STATUS.

use crate::attachment::Deletion;
use crate::cache::Cache;
use crate::plugin::{Call, Plugins, document};
use crate::{Attachment, Error, Limits, Network, PluginConfig, Success, Version};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Adds containers to networks, and deletes them.
#[derive(Debug)]
pub struct Runtime {
    plugins: Plugins,
    cache: Cache,
}

/// One operation: a network with the version that all its plugins speak, and for whom.
#[derive(Clone, Copy)]
struct Operation<'a> {
    network: &'a Network,
    version: Version,
    attachment: Option<&'a Attachment>,
}

impl<'a> Operation<'a> {
    fn call(&self, plugin: &'a PluginConfig, command: &'static str) -> Call<'a> {
        Call {
            plugin: &plugin.kind,
            command,
            attachment: self.attachment,
        }
    }

    /// A plugin's configuration with what the runtime puts in.
    fn told(
        &self,
        plugin: &PluginConfig,
        previous: Option<&Success>,
    ) -> Result<Map<String, Value>, Error> {
        let told = plugin.told(&self.network.name, self.version, previous, self.attachment);
        told.map_err(|reason| Error::Config {
            origin: self.network.name.clone(),
            reason,
        })
    }
}

impl Runtime {
    /// Plugins of the directories `path`, in order (`/opt/cni/bin`), and what was added below
    /// `root` (`/var/lib/cni`).
    pub fn new(path: Vec<PathBuf>, root: &Path, limits: Limits) -> Self {
        Self {
            plugins: Plugins::new(path, limits),
            cache: Cache::new(root),
        }
    }

    /// The newest of the network's versions that all its plugins speak. An error names the
    /// plugin that is missing or speaks none.
    pub fn validate(&self, network: &Network) -> Result<Version, Error> {
        let mut common = network.versions.clone();
        for plugin in &network.plugins {
            let spoken = self.plugins.versions(&plugin.kind)?;
            common.retain(|version| spoken.contains(version));
            if common.is_empty() {
                let wanted = network.versions.iter().map(|version| version.name());
                return Err(Error::Version {
                    plugin: plugin.kind.clone(),
                    network: network.name.clone(),
                    wanted: wanted.collect::<Vec<_>>().join(", "),
                });
            }
        }
        // The newest comes first.
        Ok(common.first().copied().unwrap_or(Version::V010))
    }

    fn operation<'a>(
        &self,
        network: &'a Network,
        attachment: Option<&'a Attachment>,
    ) -> Result<Operation<'a>, Error> {
        let version = self.validate(network)?;
        Ok(Operation {
            network,
            version,
            attachment,
        })
    }

    /// Adds a container's interface: every plugin in order. When one fails, what was added is
    /// deleted again.
    ///
    /// # Errors
    /// A plugin's, with its code; [`Error::NotUndone`] if something may be left.
    pub fn add(&self, network: &Network, attachment: &Attachment) -> Result<Success, Error> {
        attachment.check(Deletion::No)?;
        let operation = self.operation(network, Some(attachment))?;
        self.cache.keep(network, attachment, None)?;
        let mut made = None;
        for (place, plugin) in network.plugins.iter().enumerate() {
            match self.add_one(&operation, plugin, made.as_ref()) {
                Ok(success) => made = Some(success),
                Err(cause) => {
                    let tried = &network.plugins[..=place];
                    return Err(self.undo(&operation, tried, made.as_ref(), cause));
                }
            }
        }
        let made = made.unwrap_or_default();
        let kept = Some((&made, operation.version));
        match self.cache.keep(network, attachment, kept) {
            Ok(()) => Ok(made),
            Err(cause) => Err(self.undo(&operation, &network.plugins, Some(&made), cause)),
        }
    }

    fn add_one(
        &self,
        operation: &Operation<'_>,
        plugin: &PluginConfig,
        previous: Option<&Success>,
    ) -> Result<Success, Error> {
        let told = operation.told(plugin, previous)?;
        let call = operation.call(plugin, "ADD");
        let answer = document(call, &self.plugins.call(call, &told)?)?;
        Success::read(&answer, operation.version).map_err(|reason| call.broke(reason))
    }

    /// Deletes what the plugins tried to add; gives the error to return.
    fn undo(
        &self,
        operation: &Operation<'_>,
        tried: &[PluginConfig],
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

    /// Calls DEL of each plugin, the last first, whether others fail or not.
    fn delete_each(
        &self,
        operation: &Operation<'_>,
        plugins: &[PluginConfig],
        made: Option<&Success>,
    ) -> Vec<Error> {
        let previous = made.filter(|_| operation.version >= Version::V040);
        let delete = |plugin: &PluginConfig| {
            let told = operation.told(plugin, previous)?;
            self.silent(operation.call(plugin, "DEL"), &told)
        };
        let plugins = plugins.iter().rev();
        plugins.filter_map(|plugin| delete(plugin).err()).collect()
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
        let (mut told, made) = match kept {
            Some(entry) => (entry.attachment, entry.success),
            None => (attachment.clone(), None),
        };
        // The namespace is where the caller says, or gone.
        told.netns.clone_from(&attachment.netns);
        let operation = self.operation(network, Some(&told))?;
        let failed = self.delete_each(&operation, &network.plugins, made.as_ref());
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
        let operation = self.operation(network, Some(attachment))?;
        if operation.version < Version::V040 {
            return Err(Error::NoSuchOperation {
                network: network.name.clone(),
                version: operation.version,
                command: "CHECK",
            });
        }
        let kept = self.cache.find(&network.name, attachment)?;
        let success = kept.and_then(|entry| entry.success);
        let success = success.ok_or(Error::Attachment {
            field: "container id",
            value: attachment.container.clone(),
            reason: "was not added to this network",
        })?;
        for plugin in &network.plugins {
            let told = operation.told(plugin, Some(&success))?;
            self.silent(operation.call(plugin, "CHECK"), &told)?;
        }
        Ok(())
    }

    /// Deletes every attachment that is not among the `valid` ones, given as container and
    /// interface, and has the plugins do the same if they can (1.1).
    pub fn collect(&self, network: &Network, valid: &[(String, String)]) -> Result<(), Error> {
        if network.disable_gc {
            return Ok(());
        }
        let operation = self.operation(network, None)?;
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

    fn collect_each(&self, operation: &Operation<'_>, valid: &[(String, String)]) -> Vec<Error> {
        let valid = valid
            .iter()
            .map(|(container, interface)| json!({ "containerID": container, "ifname": interface }));
        let valid = Value::from_iter(valid);
        let collect = |plugin: &PluginConfig| {
            let mut told = operation.told(plugin, None)?;
            // The first text of the specification had the second name.
            told.insert("cni.dev/valid-attachments".into(), valid.clone());
            told.insert("cni.dev/attachments".into(), valid.clone());
            self.silent(operation.call(plugin, "GC"), &told)
        };
        let plugins = operation.network.plugins.iter();
        plugins.filter_map(|plugin| collect(plugin).err()).collect()
    }

    /// Whether containers can be added; plugins are asked if they can tell (1.1), and must be
    /// there in any case.
    ///
    /// # Errors
    /// The first plugin's that cannot, with its code ([`crate::Code::NOT_AVAILABLE`],
    /// [`crate::Code::LIMITED`]).
    pub fn status(&self, network: &Network) -> Result<(), Error> {
        let operation = self.operation(network, None)?;
        if operation.version < Version::V110 {
            return Ok(());
        }
        for plugin in &network.plugins {
            let told = operation.told(plugin, None)?;
            self.silent(operation.call(plugin, "STATUS"), &told)?;
        }
        Ok(())
    }
}
