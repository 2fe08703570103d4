//! What a long operation tells while it goes on, in Docker's words.

use std::fmt;
use std::sync::Arc;
use types::Digest;

/// One line of a long operation's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A state, of a layer (`id` is the first twelve digits) or of the whole.
    Status {
        /// The layer, or the tag for `Pulling from`.
        id: Option<String>,
        /// `Pulling fs layer`, `Pull complete`, `Digest: sha256:...`.
        status: String,
    },
    /// How far a layer's transfer is.
    Advance {
        /// The layer.
        id: String,
        /// `Downloading`, `Extracting`, `Pushing`.
        status: &'static str,
        /// Bytes done.
        current: u64,
        /// Bytes in all; 0 if unknown.
        total: u64,
    },
    /// A tag is at the registry.
    Pushed {
        /// The tag.
        tag: String,
        /// The manifest's.
        digest: Digest,
        /// Bytes of the manifest.
        size: u64,
    },
    /// A line of text for people: `Loaded image: debian:12`, with its line feed.
    Text(String),
}

/// Where events go. Cloned freely; the receiver must be quick.
#[derive(Clone)]
pub struct Progress(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Progress {
    /// Events go to `receiver`.
    pub fn to(receiver: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(receiver)))
    }

    /// Nobody listens.
    pub fn none() -> Self {
        Self(None)
    }

    /// Tells an event.
    pub fn tell(&self, event: Event) {
        if let Some(receiver) = &self.0 {
            receiver(event);
        }
    }

    /// Tells the state of the whole.
    pub fn status(&self, status: impl Into<String>) {
        self.tell(Event::Status {
            id: None,
            status: status.into(),
        });
    }

    /// Tells a line for people.
    pub fn text(&self, line: String) {
        self.tell(Event::Text(line));
    }

    /// Tells the state of one layer.
    pub fn layer(&self, id: &str, status: impl Into<String>) {
        self.tell(Event::Status {
            id: Some(id.to_owned()),
            status: status.into(),
        });
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.0.is_some()).finish()
    }
}
