//! What happens to images, for who tells it on.

use crate::{Image, Images, Reference};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

/// Something that happened to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// In the Engine API's words: `pull`, `tag`, `delete`.
    pub action: &'static str,
    /// The image: its id, or its name where it came from or went to a registry.
    pub id: String,
    /// `name`, and the image's labels.
    pub attributes: BTreeMap<String, String>,
}

/// Who hears of it; set once.
#[derive(Default)]
pub(crate) struct Watcher(OnceLock<Box<dyn Fn(Happening) + Send + Sync>>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watches = self.0.get().is_some();
        f.debug_tuple("Watcher").field(&watches).finish()
    }
}

impl Images {
    /// From now on `watcher` hears of what happens; it must be quick. The first one stays.
    pub fn watch(&self, watcher: impl Fn(Happening) + Send + Sync + 'static) {
        drop(self.0.watcher.0.set(Box::new(watcher)));
    }

    /// Tells what happened to an image.
    pub(crate) fn tell(&self, action: &'static str, image: &Image) {
        let id = image.id.to_string();
        self.tell_named(action, (id.clone(), id), &image.config.config.labels);
    }

    /// Tells that an image got a name.
    pub(crate) fn tell_tag(&self, image: &Image, name: &Reference) {
        let id = image.id.to_string();
        let labels = &image.config.config.labels;
        self.tell_named("tag", (id, name.familiar()), labels);
    }

    /// Tells that an image came from its registry or went there.
    pub(crate) fn tell_transfer(&self, action: &'static str, image: &Image, name: &Reference) {
        let names = (name.familiar(), name.familiar_name());
        self.tell_named(action, names, &image.config.config.labels);
    }

    pub(crate) fn tell_named(
        &self,
        action: &'static str,
        (id, name): (String, String),
        labels: &BTreeMap<String, String>,
    ) {
        let Some(watcher) = self.0.watcher.0.get() else {
            return;
        };
        let mut attributes = labels.clone();
        attributes.insert("name".to_owned(), name);
        watcher(Happening {
            action,
            id,
            attributes,
        });
    }
}
