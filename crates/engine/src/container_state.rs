//! What a container does now.

use crate::Health;
use crate::NetworkState;
use serde::{Deserialize, Serialize};
use types::Timestamp;

/// What a container does, in the words of lists and inspect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Made, and never started.
    #[default]
    Created,
    /// Its program runs.
    Running,
    /// Its program is frozen.
    Paused,
    /// Its program ended, and is to be started again.
    Restarting,
    /// It is being removed.
    Removing,
    /// Its program ended.
    Exited,
    /// Its removal failed half-way.
    Dead,
}

impl Status {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Whether there is a process, or will be again without anybody asking.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

impl std::str::FromStr for Status {
    type Err = crate::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [
            Self::Created,
            Self::Running,
            Self::Paused,
            Self::Restarting,
            Self::Removing,
            Self::Exited,
            Self::Dead,
        ];
        let found = all.into_iter().find(|status| status.name() == text);
        found.ok_or_else(|| crate::ParseError::new("status", text, "no such status"))
    }
}

/// What a container does now; stored at every transition, so that a restarted daemon knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// In one word.
    pub status: Status,
    /// Its init's process id on the host; `None` if there is none.
    pub pid: Option<u32>,
    /// The last program's exit code; 0 before there was one. 255 if nobody saw it.
    pub exit_code: u8,
    /// Why it could not be started, or why its exit code is unknown; else empty.
    pub error: String,
    /// When its program was last started.
    pub started: Option<Timestamp>,
    /// When its program last ended.
    pub finished: Option<Timestamp>,
    /// The kernel killed in it for want of memory.
    pub oom_killed: bool,
    /// How often the restart policy started it since a caller did.
    pub restart_count: u32,
    /// Its health, if it was asked for.
    pub health: Option<Health>,
    /// A caller stopped it, so that `unless-stopped` leaves it.
    pub stopped_by_caller: bool,
    /// Its removal, which is under way, takes the volumes along that nobody named.
    pub removes_volumes: bool,
    /// It is paused only while an image is made of it: the daemon that does so, or the next one,
    /// lets it go.
    pub held: bool,
    /// Where it is in its networks.
    pub network: NetworkState,
}

impl metadata::Record for ContainerState {
    const TABLE: &'static str = "container_states";
    const VERSION: u16 = 1;
}
