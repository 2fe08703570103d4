//! When a container that ended is started again.

use serde::{Deserialize, Serialize};

/// When a container that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// If its exit status is not zero, so many times at most; 0: without end.
    OnFailure(u32),
    /// Always, also when the daemon starts, unless it was stopped and the daemon lived on.
    Always,
    /// Always, unless it was stopped.
    UnlessStopped,
}

impl RestartPolicy {
    /// The policy's name in requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure(_) => "on-failure",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
        }
    }

    /// How many times it restarts after a failure; 0: without end, or not at all.
    pub fn maximum(self) -> u32 {
        match self {
            Self::OnFailure(maximum) => maximum,
            _ => 0,
        }
    }
}
