//! Why a network operation failed.

use std::io;
use std::net::IpAddr;
use types::{ErrorKind, Kind};

use crate::Subnet;

/// Why a network operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused to make, change or remove a link.
    #[error("cannot {action} link {name}")]
    Link {
        /// What was attempted.
        action: &'static str,
        /// The link.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused an address.
    #[error("cannot add address {address} to link number {link}")]
    Address {
        /// The address and its prefix length.
        address: String,
        /// The link's index.
        link: u32,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused a route.
    #[error("cannot add a route to {destination}")]
    Route {
        /// `default`, or a subnet.
        destination: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused a change to the firewall; none of its batch was made.
    #[error("cannot change firewall table {table} (change {change})")]
    Firewall {
        /// The table.
        table: String,
        /// The change's place in the batch, from 1.
        change: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A kernel setting could not be made.
    #[error("cannot set {name}")]
    Sysctl {
        /// The setting, as sysctl(8) names it.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A socket to the kernel could not be opened or read.
    #[error("cannot ask the kernel about {what}")]
    Ask {
        /// What was asked for.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No link of that name.
    #[error("there is no link {name}")]
    NoLink {
        /// The name.
        name: String,
    },
    /// Every address of the subnet, or of the range asked for, is taken.
    #[error("no free address is left in {subnet}")]
    Exhausted {
        /// Where one was looked for.
        subnet: Subnet,
    },
    /// The address asked for is taken, or not one that may be given.
    #[error("address {address} cannot be given from {subnet}: {why}")]
    Unavailable {
        /// The address.
        address: IpAddr,
        /// The subnet.
        subnet: Subnet,
        /// Why not.
        why: &'static str,
    },
    /// No subnet of the configured pools is free.
    #[error("no free subnet is left in the address pools ({used} are in use)")]
    NoSubnet {
        /// How many subnets were passed over.
        used: usize,
    },
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Link { source, .. }
            | Self::Address { source, .. }
            | Self::Route { source, .. }
            | Self::Firewall { source, .. }
            | Self::Sysctl { source, .. }
            | Self::Ask { source, .. } => source.kind().into(),
            Self::NoLink { .. } => ErrorKind::NotFound,
            Self::Exhausted { .. } | Self::NoSubnet { .. } => ErrorKind::ResourceExhausted,
            Self::Unavailable { .. } => ErrorKind::Conflict,
        }
    }
}
