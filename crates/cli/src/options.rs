//! The options of `run` and `create`, and the request they make.

mod block_io;
mod container;
mod device;
mod flags;
mod group;
mod health;
pub(crate) mod key_value;
mod mount;
mod network;
mod ports;
mod request;
mod security;
mod ulimit;

pub(crate) use container::ContainerOptions;
pub(crate) use group::Words;
pub(crate) use key_value::environment;
pub(crate) use network::restart_policy;
pub(crate) use request::Attached;
