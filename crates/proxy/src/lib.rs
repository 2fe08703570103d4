//! Name servers of sandboxes, and the host's published ports, in a process that outlives the daemon.
//!
//! It knows sandboxes by id, the names and addresses that they have in networks, and sockets
//! that it is given. It must not know how networks are made, nor where names come from. One
//! process, in one thread, serves all sandboxes of a daemon: it ends when it has none and no
//! daemon is connected. Read first: [`Request`], [`Client`], `server::Server`.

mod client;
mod control;
mod forward;
mod harden;
mod host_servers;
mod message;
mod names;
mod nameserver;
mod relay;
mod request;
mod sandbox;
mod server;
mod stream;
mod wait;

pub use client::{Client, Error, end};
pub use request::{Bound, Held, Place, Port, Request, Resolver, Sandbox, VERSION};
pub use server::main;
