//! Why a network operation failed, in the words that Docker's clients know.

use types::{ContainerId, ErrorKind, Kind};

/// Why a network operation failed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A network has the name.
    #[error("network with name {name} already exists")]
    Exists {
        /// The name.
        name: String,
    },
    /// The name is the daemon's own.
    #[error("{message}")]
    Predefined {
        /// What may not be done to which.
        message: String,
    },
    /// The request for a network is wrong.
    #[error("{message}")]
    Config {
        /// What is wrong with what.
        message: String,
    },
    /// The driver is none of ours.
    #[error("plugin {driver:?} not found")]
    Driver {
        /// Its name.
        driver: String,
    },
    /// No network of this name holds a configuration.
    #[error("configuration network {name:?} does not exist")]
    Configuration {
        /// The name.
        name: String,
    },
    /// What is asked for is not allowed of this driver or these addresses.
    #[error("{message}")]
    Forbidden {
        /// What, and why not.
        message: String,
    },
    /// The driver does not do what is asked for.
    #[error("{message}")]
    Refused {
        /// What, and why not, in dockerd's words.
        message: String,
    },
    /// Containers run in it.
    #[error("error while removing network: network {name} has active endpoints ({endpoints})")]
    InUse {
        /// The network.
        name: String,
        /// `name:"web" id:"0123456789ab"`, for each.
        endpoints: String,
    },
    /// The container is in the network already.
    #[error("endpoint with name {container} already exists in network {network}")]
    Connected {
        /// The container's name.
        container: String,
        /// The network's.
        network: String,
    },
    /// The container is not in the network.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// The container.
        container: ContainerId,
        /// The network, in the caller's words.
        network: String,
    },
    /// The place asked for in a network cannot be.
    #[error("{message}")]
    Endpoint {
        /// What is wrong with what.
        message: String,
    },
    /// The container's link cannot be as it is asked for.
    #[error("failed to add interface {link} to sandbox: {reason}")]
    Interface {
        /// The link's name on the host.
        link: String,
        /// What cannot be, and why, in dockerd's words.
        reason: String,
    },
    /// A port of the host cannot be had.
    #[error(
        "driver failed programming external connectivity on endpoint {container} ({endpoint}): {reason}"
    )]
    Port {
        /// The container's name.
        container: String,
        /// The endpoint's id.
        endpoint: String,
        /// Which port, and why.
        reason: String,
    },
    /// No address is left, or the one asked for is not.
    #[error("{message}")]
    Address {
        /// Which, and why.
        message: String,
        /// The reason.
        source: net::Error,
    },
    /// The process that serves names and holds ports does not.
    #[error("names and published ports cannot be served")]
    Proxy {
        /// Why.
        source: proxy::Error,
    },
    /// The kernel refused.
    #[error("cannot {action} network {name}")]
    Kernel {
        /// What was attempted.
        action: &'static str,
        /// On which network.
        name: String,
        /// Why.
        source: net::Error,
    },
}

impl NetworkError {
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::Config {
            message: message.into(),
        }
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden {
            message: message.into(),
        }
    }

    pub(crate) fn endpoint(message: impl Into<String>) -> Self {
        Self::Endpoint {
            message: message.into(),
        }
    }

    pub(crate) fn interface(link: &str, reason: impl Into<String>) -> Self {
        Self::Interface {
            link: link.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn kernel(action: &'static str, name: &str) -> impl FnOnce(net::Error) -> Self {
        move |source| Self::Kernel {
            action,
            name: name.to_owned(),
            source,
        }
    }
}

impl Kind for NetworkError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Exists { .. } => ErrorKind::AlreadyExists,
            Self::Predefined { .. }
            | Self::Forbidden { .. }
            | Self::InUse { .. }
            | Self::Connected { .. } => ErrorKind::PermissionDenied,
            Self::Config { .. } | Self::Endpoint { .. } => ErrorKind::InvalidArgument,
            Self::Driver { .. } | Self::Configuration { .. } => ErrorKind::NotFound,
            // COMPAT: dockerd answers these with 500.
            Self::NotConnected { .. }
            | Self::Refused { .. }
            | Self::Interface { .. }
            | Self::Port { .. }
            | Self::Address { .. }
            | Self::Proxy { .. } => ErrorKind::Internal,
            Self::Kernel { source, .. } => match source.kind() {
                ErrorKind::NotFound => ErrorKind::Internal,
                kind => kind,
            },
        }
    }
}
