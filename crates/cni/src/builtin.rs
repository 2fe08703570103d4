//! Plugins that need no executable: what they do is done in process, over netlink.
//!
//! A configuration with a word that is not known here is left to the executable, whole:
//! [`recognise`] says which word it is.

mod args;
mod bridge;
mod document;
mod firewall;
mod links;
mod loopback;
mod portmap;
mod ptp;
mod range;
mod store;

use crate::{Attachment, Capabilities, Code, Network, Success};
pub(crate) use firewall::{Firewall, Placed};
use serde::Deserialize as _;
use serde_json::{Map, Value};
use std::fmt;
use std::io;

/// A plugin whose configuration is understood.
#[derive(Debug)]
pub(crate) enum Builtin {
    Loopback,
    Bridge(Box<bridge::Bridge>),
    Ptp(Box<ptp::Ptp>),
    Portmap(portmap::Portmap),
}

/// What an operation is about.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) network: &'a Network,
    pub(crate) attachment: &'a Attachment,
    /// What is asked for, as far as the plugin has the capability.
    pub(crate) asked: Capabilities,
    pub(crate) previous: Option<&'a Success>,
    pub(crate) firewall: &'a Firewall,
}

/// Why it was not done: a plugin's error.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self {
            code: Code::INTERNAL,
            message: message.into(),
        }
    }

    fn config(message: impl Into<String>) -> Self {
        Self {
            code: Code::INVALID_CONFIG,
            message: message.into(),
        }
    }

    fn io(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self {
            code: Code::IO,
            message: format!("{what}: {error}"),
        }
    }
}

impl From<net::Error> for Failure {
    fn from(error: net::Error) -> Self {
        match std::error::Error::source(&error) {
            Some(source) => Self::new(format!("{error}: {source}")),
            None => Self::new(error.to_string()),
        }
    }
}

/// The plugin that does this in process, or why none does.
pub(crate) fn recognise(
    kind: &str,
    told: &Map<String, Value>,
    attachment: Option<&Attachment>,
) -> Result<Builtin, String> {
    match kind {
        "loopback" => document::read::<document::Plain>(told).map(|_| Builtin::Loopback),
        "bridge" => bridge::Bridge::of(told, attachment).map(|own| Builtin::Bridge(Box::new(own))),
        "ptp" => ptp::Ptp::of(told, attachment).map(|own| Builtin::Ptp(Box::new(own))),
        "portmap" => portmap::Portmap::of(told, &asked(told)?).map(Builtin::Portmap),
        _ => Err(format!("type {kind}")),
    }
}

impl Builtin {
    pub(crate) fn add(&self, subject: &Subject<'_>) -> Result<Success, Failure> {
        match self {
            Self::Loopback => loopback::add(subject),
            Self::Bridge(own) => own.add(subject),
            Self::Ptp(own) => own.add(subject),
            Self::Portmap(own) => own.add(subject),
        }
    }

    pub(crate) fn delete(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        match self {
            Self::Loopback => loopback::delete(subject),
            Self::Bridge(own) => own.delete(subject),
            Self::Ptp(own) => own.delete(subject),
            Self::Portmap(own) => own.delete(subject),
        }
    }

    pub(crate) fn check(&self, subject: &Subject<'_>) -> Result<(), Failure> {
        match self {
            Self::Loopback => loopback::check(subject),
            Self::Bridge(own) => own.check(subject),
            Self::Ptp(own) => own.check(subject),
            Self::Portmap(own) => own.check(subject),
        }
    }

    /// What the firewall has of an attachment that was added.
    pub(crate) fn placed(&self, subject: &Subject<'_>) -> Result<Vec<Placed>, Failure> {
        match self {
            Self::Loopback => Ok(Vec::new()),
            Self::Bridge(own) => Ok(own.placed(subject)),
            Self::Ptp(own) => Ok(own.placed(subject)),
            Self::Portmap(own) => own.placed(subject),
        }
    }

    /// Gives back what belongs to none of the valid attachments.
    pub(crate) fn collect(
        &self,
        network: &Network,
        valid: &[(String, String)],
        firewall: &Firewall,
    ) -> Result<(), Failure> {
        let ranges = match self {
            Self::Loopback | Self::Portmap(_) => return Ok(()),
            Self::Bridge(own) => own.ranges(),
            Self::Ptp(own) => Some(own.ranges()),
        };
        let Some(ranges) = ranges else { return Ok(()) };
        let gone = ranges.store(&network.name)?.collect(valid)?;
        firewall.forget(&gone)
    }
}

/// What a plugin is asked for in `runtimeConfig`.
pub(crate) fn asked(told: &Map<String, Value>) -> Result<Capabilities, String> {
    let asked = told.get("runtimeConfig").map(Capabilities::deserialize);
    let asked = asked.transpose().map_err(|error| error.to_string())?;
    Ok(asked.unwrap_or_default())
}
