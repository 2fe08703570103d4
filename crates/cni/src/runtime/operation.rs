//! One operation: how each plugin's part is done, and what it is told.

use crate::builtin::Builtin;
use crate::plugin::Call;
use crate::{Attachment, Error, Network, Success, Version};
use serde_json::{Map, Value};

/// How a plugin's part is done.
#[derive(Debug)]
pub(super) enum Way {
    InProcess(Builtin),
    /// By the executable, because of this.
    Executed(String),
}

/// A network with the version that all its plugins speak, and for whom.
pub(super) struct Operation<'a> {
    pub(super) network: &'a Network,
    pub(super) version: Version,
    pub(super) attachment: Option<&'a Attachment>,
    /// One a plugin.
    pub(super) ways: Vec<Way>,
}

impl<'a> Operation<'a> {
    pub(super) fn call(&self, place: usize, command: &'static str) -> Call<'a> {
        Call {
            plugin: &self.network.plugins[place].kind,
            place,
            command,
            attachment: self.attachment,
        }
    }

    /// A plugin's configuration with what the runtime puts in.
    pub(super) fn told(
        &self,
        place: usize,
        previous: Option<&Success>,
    ) -> Result<Map<String, Value>, Error> {
        let result = (self.version, previous);
        told(self.network, place, result, self.attachment)
    }

    /// The places of the plugins that are done in process.
    pub(super) fn in_process(&self) -> Vec<usize> {
        let ways = self.ways.iter().enumerate();
        let own = ways.filter(|(_, way)| matches!(way, Way::InProcess(_)));
        own.map(|(place, _)| place).collect()
    }
}

/// The configuration of the plugin at a place, with what the runtime puts in.
pub(super) fn told(
    network: &Network,
    place: usize,
    (version, previous): (Version, Option<&Success>),
    attachment: Option<&Attachment>,
) -> Result<Map<String, Value>, Error> {
    let told = network.plugins[place].told(&network.name, version, previous, attachment);
    told.map_err(|reason| Error::Config {
        origin: network.name.clone(),
        reason,
    })
}
