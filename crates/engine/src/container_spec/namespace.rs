//! Which namespaces a container has for its own.

use super::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The namespaces of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceSpec {
    /// The network.
    pub network: NetworkMode,
    /// Process ids.
    pub pid: PidMode,
    /// System V IPC, POSIX queues and `/dev/shm`.
    pub ipc: IpcMode,
    /// Host name.
    pub uts: UtsMode,
    /// The view of cgroups.
    pub cgroup: CgroupMode,
    /// User ids.
    pub user: UserMode,
}

macro_rules! modes {
    ($(#[$doc:meta])* $name:ident $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }
     $({ $($(#[$pdoc:meta])* $with:ident = $prefix:literal),* })?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            $($($(#[$pdoc])* $with(String),)*)?
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    $($(Self::$with(name) => write!(f, "{}{name}", $prefix),)*)?
                }
            }
        }

        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                match text {
                    $($text => return Ok(Self::$variant),)*
                    _ => {}
                }
                $($(if let Some(name) = text.strip_prefix($prefix) {
                    if !name.is_empty() {
                        return Ok(Self::$with(name.to_owned()));
                    }
                })*)?
                Err(ParseError::new($what, text, "no such mode"))
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseError;
            fn try_from(text: String) -> Result<Self, ParseError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(mode: $name) -> Self {
                mode.to_string()
            }
        }
    };
}

modes! {
    /// A container's network. The default is the daemon's choice: see
    /// [`Config::network`](crate::Config::network).
    NetworkMode "network mode" {
        /// As the daemon is configured.
        #[default]
        Default = "default",
        /// Loopback alone.
        None = "none",
        /// The host's.
        Host = "host",
    } {
        /// Another container's.
        Container = "container:",
        /// A network by name or id, `bridge` too; `network:` is ours, for storage.
        Named = "network:"
    }
}

modes! {
    /// A container's process ids.
    PidMode "PID mode" {
        /// Its own.
        #[default]
        Private = "",
        /// The host's.
        Host = "host",
    } {
        /// Another container's.
        Container = "container:"
    }
}

modes! {
    /// A container's IPC objects.
    IpcMode "IPC mode" {
        /// Its own, by the daemon's default.
        #[default]
        Default = "",
        /// Its own.
        Private = "private",
        /// Its own, which others may join.
        Shareable = "shareable",
        /// Its own, without `/dev/shm`.
        None = "none",
        /// The host's.
        Host = "host",
    } {
        /// Another container's.
        Container = "container:"
    }
}

modes! {
    /// A container's host name.
    UtsMode "UTS mode" {
        /// Its own.
        #[default]
        Private = "",
        /// The host's.
        Host = "host",
    }
}

modes! {
    /// A container's view of cgroups.
    CgroupMode "cgroup namespace mode" {
        /// The daemon's default: its own on cgroup v2, the host's on v1.
        #[default]
        Default = "",
        /// Its own.
        Private = "private",
        /// The host's.
        Host = "host",
    }
}

modes! {
    /// A container's user ids.
    UserMode "user namespace mode" {
        /// The daemon's default: the host's.
        #[default]
        Default = "",
        /// The host's.
        Host = "host",
    }
}

impl NetworkMode {
    /// The name of the network that this is if nothing is made for a place in it: the host's, or
    /// none.
    pub fn fixed(&self) -> Option<&'static str> {
        match self {
            Self::None => Some("none"),
            Self::Host => Some("host"),
            Self::Default | Self::Named(_) | Self::Container(_) => None,
        }
    }
}
