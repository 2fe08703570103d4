//! Why a registry did not give what was asked for.

use oci::image::DocumentError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use types::{Digest, ErrorKind, Kind, Resource};

/// Why a registry did not give what was asked for. Where Docker's clients match on words,
/// these are they.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry hides the repository from this caller.
    #[error("{}", Denial { access: *access, repository, cause })]
    Denied {
        /// What was refused.
        access: Access,
        /// The repository as people write it.
        repository: String,
        /// The registry's words.
        cause: Cause,
    },
    /// There is no such tag or digest.
    #[error("manifest for {reference} not found: {cause}")]
    ManifestUnknown {
        /// The reference as people write it.
        reference: String,
        /// The registry's words.
        cause: Cause,
    },
    /// There is no such repository.
    #[error("repository {repository} not found: {cause}")]
    RepositoryUnknown {
        /// The repository as people write it.
        repository: String,
        /// The registry's words.
        cause: Cause,
    },
    /// The registry or its token server does not believe the credentials.
    #[error("{method} \"{url}\": unauthorized: {reason}")]
    Unauthorized {
        /// How, as Go's client writes it: `Get`.
        method: &'static str,
        /// What was asked.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The registry wants a password, and none is known.
    #[error("{method} \"{url}\": no basic auth credentials")]
    NoCredentials {
        /// How, as Go's client writes it: `Get`.
        method: &'static str,
        /// What was asked.
        url: String,
    },
    /// The registry does not take a sign-in.
    #[error("login attempt to {url} failed with status: {status}")]
    Login {
        /// What was asked.
        url: String,
        /// The status line: `401 Unauthorized`.
        status: String,
    },
    /// The registry limits how often it is asked.
    #[error("toomanyrequests: {message}")]
    RateLimited {
        /// The registry's words.
        message: String,
        /// When it may be asked again.
        after: Option<Duration>,
    },
    /// The registry does not answer, or not to the end.
    #[error("{method} \"{url}\": {reason}")]
    Unreachable {
        /// How, as Go's client writes it: `Get`.
        method: &'static str,
        /// What was asked.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// There is no registry, or it does not greet: nothing was begun that is worth an attempt more.
    #[error("Get \"{url}\": {reason}")]
    Absent {
        /// What was asked.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The registry answered with something unexpected.
    #[error("received unexpected HTTP status: {status} from {url}: {cause}")]
    Status {
        /// What was asked.
        url: String,
        /// The status line's code.
        status: u16,
        /// The registry's words.
        cause: Cause,
        /// When it may be asked again.
        after: Option<Duration>,
    },
    /// A registry that is to be searched is not there.
    #[error("{}", endpoint(host, scheme, source))]
    Endpoint {
        /// Where it was asked for.
        host: String,
        /// How, in the end.
        scheme: &'static str,
        /// Why not.
        source: Box<Error>,
    },
    /// A registry cannot be searched.
    #[error("Unexpected status code {status}")]
    Searched {
        /// What it answered.
        status: u16,
    },
    /// An answer breaks the protocol.
    #[error("{url}: {reason}")]
    Protocol {
        /// What was asked.
        url: String,
        /// How.
        reason: String,
    },
    /// A document has more bytes than are read.
    #[error("{url} has more than the limit of {limit} bytes")]
    TooLarge {
        /// What was asked.
        url: String,
        /// The cap.
        limit: u64,
    },
    /// A manifest is not what was asked for by digest.
    #[error("manifest verification failed for digest {expected}: found {found}")]
    Mismatch {
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// A manifest cannot be understood.
    #[error("{reference}")]
    Document {
        /// The reference as people write it.
        reference: String,
        /// Why.
        source: DocumentError,
    },
    /// A manifest was not read, for no fault of its own.
    #[error("cannot read {reference}")]
    Unread {
        /// The reference as people write it.
        reference: String,
        /// Why.
        source: Box<unpack::Error>,
    },
    /// What is said of a registry's host cannot be used.
    #[error("{}: {reason}", path.display())]
    Configuration {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A proxy cannot be spoken to.
    #[error("proxy {url}: {reason}")]
    Proxy {
        /// Where it is, without its password.
        url: String,
        /// Why not.
        reason: String,
    },
    /// This machine's certificates cannot be used.
    #[error("cannot set up TLS: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
}

/// What a caller wants of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read.
    Pull,
    /// To write, and to read.
    Push,
    /// To take away, to write, and to read.
    Remove,
}

/// A refusal in Docker's words, which differ.
struct Denial<'a> {
    access: Access,
    repository: &'a str,
    cause: &'a Cause,
}

impl std::fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            access,
            repository,
            cause,
        } = self;
        match access {
            Access::Pull => write!(
                f,
                "pull access denied for {repository}, repository does not exist or may require \
                 'docker login': {cause}"
            ),
            Access::Push | Access::Remove => write!(f, "{cause}"),
        }
    }
}

/// A registry's own words: `manifest unknown: manifest unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The code, as `MANIFEST_UNKNOWN`; empty if it gave none.
    pub code: String,
    /// The message.
    pub message: String,
}

impl std::fmt::Display for Cause {
    /// As Docker shows it: the code in lower case, with spaces.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.to_lowercase().replace('_', " ");
        match (code.is_empty(), self.message.is_empty()) {
            (true, true) => f.write_str("no reason given"),
            (true, false) => f.write_str(&self.message),
            (false, true) => f.write_str(&code),
            (false, false) => write!(f, "{code}: {}", self.message),
        }
    }
}

/// COMPAT: dockerd's advice.
fn endpoint(host: &str, scheme: &str, source: &Error) -> String {
    let wrong = format!("invalid registry endpoint {scheme}://{host}/v1/: {source}");
    if scheme == "http" {
        return wrong;
    }
    format!(
        "{wrong}. If this private registry supports only HTTP or HTTPS with an unknown CA \
         certificate, please add `--insecure-registry {host}` to the daemon's arguments. In the \
         case of HTTPS, if you have access to the registry's CA certificate, no need for the \
         flag; simply place the CA certificate at /etc/docker/certs.d/{host}/ca.crt"
    )
}

impl Error {
    pub(crate) fn configuration(path: &Path, reason: &impl ToString) -> Self {
        Self::Configuration {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::RateLimited { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 408,
            _ => false,
        }
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Denied {
                access: Access::Push | Access::Remove,
                ..
            } => ErrorKind::PermissionDenied,
            // COMPAT: dockerd answers 404 to a pull that a registry denies.
            Self::Denied { .. } | Self::ManifestUnknown { .. } | Self::RepositoryUnknown { .. } => {
                ErrorKind::NotFound
            }
            Self::Unauthorized { .. } | Self::NoCredentials { .. } | Self::Login { .. } => {
                ErrorKind::Unauthenticated
            }
            Self::RateLimited { .. } | Self::Unreachable { .. } | Self::Status { .. } => {
                ErrorKind::Unavailable
            }
            Self::Absent { .. } | Self::Protocol { .. } => ErrorKind::Unavailable,
            Self::Endpoint { .. } => ErrorKind::InvalidArgument,
            Self::Searched { .. } => ErrorKind::Internal,
            Self::TooLarge { .. } => ErrorKind::ResourceExhausted,
            Self::Mismatch { .. } => ErrorKind::DataLoss,
            Self::Document { .. } => ErrorKind::InvalidArgument,
            Self::Unread { source, .. } => source.kind(),
            Self::Tls { .. } | Self::Configuration { .. } | Self::Proxy { .. } => {
                ErrorKind::Internal
            }
        }
    }

    fn resource(&self) -> Option<Resource> {
        let (kind, name) = match self {
            Self::Denied { repository, .. } | Self::RepositoryUnknown { repository, .. } => {
                ("repository", repository)
            }
            Self::ManifestUnknown { reference, .. } | Self::Document { reference, .. } => {
                ("manifest", reference)
            }
            _ => return None,
        };
        Some(Resource {
            kind,
            name: name.clone(),
        })
    }
}
