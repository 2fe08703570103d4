//! Containers.

pub(crate) mod archive;
mod attach;
pub(crate) mod changes;
pub(crate) mod checkpoint;
mod commit;
mod create;
mod gate;
mod given;
mod health;
mod host_config;
mod inspect;
mod lifecycle;
mod list;
mod logs;
mod mounts;
mod network;
mod phrase;
mod port_filter;
mod resources;
mod security;
mod stats;
mod status;
mod sysctls;
mod wait;
pub(crate) mod websocket;

pub(crate) use attach::{attach, detach_keys, media_type, report_failure, unable};
pub(crate) use commit::commit;
pub(crate) use create::{console_size, create};
pub(crate) use gate::Gates;
pub(crate) use host_config::{DEFAULT_RUNTIME, RUNTIMES};
pub(crate) use inspect::{inspect, map_or_null, or_null};
pub(crate) use lifecycle::{
    kill, pause, remove, rename, resize, restart, size, start, stop, top, unpause, update,
};
pub(crate) use list::{list, prune, summaries};
pub(crate) use logs::logs;
pub(crate) use phrase::exec_failure;
pub(crate) use resources::parse;
pub(crate) use stats::stats;
pub(crate) use wait::wait;

use crate::call::Call;
use crate::error::Result;
use types::ContainerId;

impl Call {
    /// The container that the path names.
    pub(crate) fn container(&self) -> Result<ContainerId> {
        Ok(self.api.engine.containers().resolve(self.id())?)
    }
}
