//! What the daemon asks for, one JSON document a packet, and what it is answered.
//!
//! Descriptors come with the packet that speaks of them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// The version of these documents.
pub const VERSION: u32 = 1;
/// Sandboxes that one packet of an answer tells of.
pub(crate) const TOLD: usize = 200;

/// What the daemon asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The first of a connection: which sandboxes are there?
    Hello {
        /// [`VERSION`]
        version: u32,
    },
    /// A sandbox is so from now on. Its name server's sockets for datagrams and connections,
    /// and its network namespace, come along the first time.
    Put(Sandbox),
    /// Sockets that hold ports for a sandbox come along, one for each of these.
    Hold {
        /// The sandbox.
        sandbox: String,
        /// The ports.
        ports: Vec<Port>,
    },
    /// What comes to ports that are held for a sandbox is passed on elsewhere from now on.
    Lead {
        /// The sandbox.
        sandbox: String,
        /// What is bound, and where it leads.
        ports: Vec<(Bound, SocketAddr)>,
    },
    /// Ports are not held for a sandbox any more.
    Release {
        /// The sandbox.
        sandbox: String,
        /// Which.
        ports: Vec<Bound>,
    },
    /// A descriptor of the sandbox's first process comes along: the sandbox is forgotten when
    /// that ends, though nobody says so.
    Watch {
        /// The sandbox.
        sandbox: String,
    },
    /// A sandbox is no more.
    Forget {
        /// The sandbox.
        sandbox: String,
    },
    /// The daemon goes: end, if there is no sandbox.
    End,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// Some of the sandboxes that are there.
    Sandboxes {
        sandboxes: Vec<Held>,
        /// Another packet tells more of them.
        more: bool,
    },
    /// It is so.
    Done,
    /// It is not.
    Refused { reason: String },
}

/// A sandbox that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its id.
    pub sandbox: String,
    /// It has a name server.
    pub serves: bool,
    /// How many ports are held for it.
    pub ports: usize,
}

/// A sandbox: where it is, and how its names are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Its id.
    pub id: String,
    /// Its places in networks, in the order in which names are looked for.
    pub places: Vec<Place>,
    /// How its own questions are answered.
    pub resolver: Resolver,
}

/// A place in a network whose members find each other by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The network's id.
    pub network: String,
    /// The network's name, a domain over the names of its members.
    pub network_name: String,
    /// The sandbox's addresses there.
    pub addresses: Vec<IpAddr>,
    /// Its names there; the first is what its addresses lead back to.
    pub names: Vec<String>,
    /// Names that it alone knows, and the names there that they stand for.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
}

/// How a sandbox's questions are answered that no name in its networks answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// They are passed on: the sandbox reaches something beyond its networks.
    pub forwards: bool,
    /// To these, asked from the sandbox's own network; if there are none, to those of the
    /// host's `resolv.conf`, asked from the host's.
    pub servers: Vec<IpAddr>,
    /// Names of one label are not passed on: the sandbox searches domains for them first.
    pub single_labels_stay: bool,
}

/// A port of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// It is UDP's.
    pub datagrams: bool,
    /// Where what comes is passed on to; `None`: nothing comes, the socket only holds the port.
    pub target: Option<SocketAddr>,
}

/// What the socket that holds a port is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The transport protocol's number.
    pub protocol: u8,
    /// The host's address and port.
    pub address: SocketAddr,
}
