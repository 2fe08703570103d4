//! Networks: links, addresses, routes and firewall rules of bridges, endpoints and ports.
//!
//! It knows the kernel's objects and how to make them in few messages. It must not know
//! whose words asked for them: Docker's, CNI's and HNS's documents are the edges'.
//! Read first: [`Network`], [`Endpoint`], [`Bridges`].

pub mod address;
mod bridge;
pub mod conntrack;
mod error;
pub mod firewall;
pub mod link;
pub mod nameserver;
pub mod namespace;
pub mod network;
pub mod nft;
mod parent;
pub mod pool;
mod prepared;
pub mod reservation;
pub mod route;
mod subnet;
mod transfer;
pub mod vlan;

pub use bridge::Bridges;
pub use error::Error;
pub use link::Link;
pub use namespace::Namespace;
pub use network::{Addressing, Direct, Endpoint, Network, Outside, Peers, Port, Protocol};
pub use parent::Parent;
pub use prepared::Prepared;
pub use subnet::{Subnet, SubnetError};
pub use transfer::Transfer;
