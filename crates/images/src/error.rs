//! Why an operation on images failed.

use crate::{Platform, ReferenceError};
use std::io;
use types::{Digest, ErrorKind, Kind, Resource};

/// Why an operation on images failed. Where Docker's clients match on words, these are they.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No image has this name or id.
    #[error("No such image: {name}")]
    NotFound {
        /// The name as Docker shows it: `debian:latest`.
        name: String,
    },
    /// The text is no reference.
    #[error("{source}")]
    Reference {
        /// What is wrong with it, in Docker's words.
        source: ReferenceError,
    },
    /// The image is needed.
    #[error("{0}")]
    Conflict(Conflict),
    /// A request cannot be served as it is worded.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// An archive, manifest or configuration contradicts itself or is of no known kind.
    #[error("{subject}: {reason}")]
    Malformed {
        /// The document.
        subject: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No manifest suits the platform.
    #[error("no matching manifest for {platform} in the manifest list entries")]
    NoPlatform {
        /// The image.
        reference: String,
        /// What was asked for.
        platform: Box<Platform>,
    },
    /// The registry has nothing of that name.
    #[error("{reason}")]
    NotOffered {
        /// Its words.
        reason: String,
    },
    /// The image is for another platform than was asked for.
    #[error(
        "image with reference {reference} was found but its platform ({own}) does not match the \
         specified platform ({wanted})"
    )]
    OtherPlatform {
        /// The image.
        reference: String,
        /// What it is for.
        own: Box<Platform>,
        /// What was asked for.
        wanted: Box<Platform>,
    },
    /// No image that is to be saved is for the platform.
    #[error("no suitable export target found for platform {platform}")]
    NoExport {
        /// What was asked for.
        platform: Box<Platform>,
    },
    /// No image has the name to be pushed.
    #[error("{reason}")]
    NothingToPush {
        /// What is missing.
        reason: String,
    },
    /// The registry did not give the image.
    #[error("{source}")]
    Registry {
        /// Its answer.
        source: Box<registry::Error>,
    },
    /// A layer could not be unpacked.
    #[error("cannot unpack {what}")]
    Unpack {
        /// The layer or archive.
        what: String,
        /// Why.
        source: Box<unpack::Error>,
    },
    /// A layer could not be kept or removed.
    #[error("cannot {action}")]
    Snapshot {
        /// What was attempted, and on what.
        action: String,
        /// Why.
        source: Box<snapshot::Error>,
    },
    /// A blob could not be stored or read.
    #[error("cannot {action}")]
    Content {
        /// What was attempted, and on what.
        action: String,
        /// Why.
        source: Box<content::Error>,
    },
    /// The database failed.
    #[error("cannot reach the records of images")]
    Metadata {
        /// Why.
        source: Box<metadata::Error>,
    },
    /// Reading the caller's bytes, or a file, failed.
    #[error("cannot {action}")]
    Io {
        /// What was attempted, and on what.
        action: String,
        /// Why.
        source: io::Error,
    },
    /// The caller went away.
    #[error("{what} was cancelled")]
    Cancelled {
        /// The operation.
        what: String,
    },
}

/// Why an image is not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The name is the image's last, and a container needs it.
    LastName {
        /// The name as given.
        name: String,
        /// The container's id.
        container: String,
        /// The image.
        image: Digest,
    },
    /// A container runs from it.
    Running {
        /// The image.
        image: Digest,
        /// The container's id.
        container: String,
    },
    /// A container was made from it.
    Stopped {
        /// The image.
        image: Digest,
        /// The container's id.
        container: String,
    },
    /// It was named by id, and has names of several repositories.
    Names {
        /// The image.
        image: Digest,
    },
}

/// The first twelve digits.
pub(crate) fn short(digest: &Digest) -> &str {
    digest.hex().get(..12).unwrap_or_default()
}

fn cut(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LastName {
                name,
                container,
                image,
            } => write!(
                f,
                "conflict: unable to remove repository reference \"{name}\" (must force) - \
                 container {} is using its referenced image {}",
                cut(container),
                short(image)
            ),
            Self::Running { image, container } => write!(
                f,
                "conflict: unable to delete {} (cannot be forced) - \
                 image is being used by running container {}",
                short(image),
                cut(container)
            ),
            Self::Stopped { image, container } => write!(
                f,
                "conflict: unable to delete {} (must be forced) - \
                 image is being used by stopped container {}",
                short(image),
                cut(container)
            ),
            Self::Names { image } => write!(
                f,
                "conflict: unable to delete {} (must be forced) - \
                 image is referenced in multiple repositories",
                short(image)
            ),
        }
    }
}

impl Error {
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    pub(crate) fn content(action: impl Into<String>) -> impl FnOnce(content::Error) -> Self {
        let action = action.into();
        move |source| Self::Content {
            action,
            source: Box::new(source),
        }
    }

    pub(crate) fn unpack(what: impl Into<String>) -> impl FnOnce(unpack::Error) -> Self {
        let what = what.into();
        move |source| Self::Unpack {
            what,
            source: Box::new(source),
        }
    }

    /// A document of an image that the worker did not read.
    pub(crate) fn document(subject: impl Into<String>) -> impl FnOnce(unpack::Error) -> Self {
        let subject = subject.into();
        move |error| match error {
            unpack::Error::Refused(unpack::Refusal::Document(refused)) => {
                Self::malformed(subject, refused.to_string())
            }
            unpack::Error::Refused(unpack::Refusal::Entry { reason, .. }) => {
                Self::malformed(subject, reason)
            }
            error => Self::unpack(subject)(error),
        }
    }

    pub(crate) fn snapshot(action: impl Into<String>) -> impl FnOnce(snapshot::Error) -> Self {
        let action = action.into();
        move |source| Self::Snapshot {
            action,
            source: Box::new(source),
        }
    }

    pub(crate) fn malformed(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed {
            subject: subject.into(),
            reason: reason.into(),
        }
    }
}

impl From<ReferenceError> for Error {
    fn from(source: ReferenceError) -> Self {
        Self::Reference { source }
    }
}

impl From<metadata::Error> for Error {
    fn from(source: metadata::Error) -> Self {
        Self::Metadata {
            source: Box::new(source),
        }
    }
}

impl From<registry::Error> for Error {
    fn from(source: registry::Error) -> Self {
        Self::Registry {
            source: Box::new(source),
        }
    }
}

impl Kind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. }
            | Self::NoPlatform { .. }
            | Self::NotOffered { .. }
            | Self::OtherPlatform { .. }
            | Self::NoExport { .. }
            | Self::NothingToPush { .. } => ErrorKind::NotFound,
            Self::Reference { source } => source.kind(),
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Invalid { .. } | Self::Malformed { .. } => ErrorKind::InvalidArgument,
            Self::Registry { source } => source.kind(),
            Self::Unpack { source, .. } => source.kind(),
            Self::Snapshot { source, .. } => source.kind(),
            Self::Content { source, .. } => source.kind(),
            Self::Metadata { source } => source.kind(),
            Self::Io { source, .. } => source.kind().into(),
            Self::Cancelled { .. } => ErrorKind::Cancelled,
        }
    }

    fn resource(&self) -> Option<Resource> {
        let name = match self {
            Self::NotFound { name } => name,
            Self::NoPlatform { reference, .. } => reference,
            Self::Registry { source } => return source.resource(),
            _ => return None,
        };
        Some(Resource {
            kind: "image",
            name: name.clone(),
        })
    }
}
