//! What a container takes from its image.

use crate::context::Context;
use crate::{ContainerRecord, ContainerState, Error};
use metadata::Database;
use std::sync::Arc;
use types::{Digest, Kind, Layer};

/// What a container takes from its image; its layers stay on disk as long as this lives.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) config: oci::image::ExecConfig,
    pub(crate) layers: Vec<Layer>,
    _held: images::Image,
}

impl Context {
    /// The image of this reference or id.
    pub(crate) async fn image(&self, name: &str) -> Result<Image, Error> {
        let images = Arc::clone(&self.images);
        let wanted = name.to_owned();
        let found = crate::context::brief(move || images.resolve(&wanted)).await?;
        let image = found.map_err(|source| Error::Image {
            image: name.to_owned(),
            kind: source.kind(),
            source: Box::new(source),
        })?;
        let os = &image.config.os;
        if !os.is_empty() && os != "linux" {
            return Err(Error::System {
                image: name.to_owned(),
                os: os.clone(),
            });
        }
        Ok(Image {
            id: image.id.to_string(),
            config: image.config.config.clone(),
            layers: image.layers.clone(),
            _held: image,
        })
    }
}

/// The containers as images must know them, read from the records.
#[derive(Debug)]
pub struct ImageUsers(Arc<Database>);

impl ImageUsers {
    /// The containers recorded in `database`.
    pub fn new(database: Arc<Database>) -> Self {
        Self(database)
    }

    fn records(&self) -> Vec<ContainerRecord> {
        let listed = self.0.read(metadata::Read::list::<ContainerRecord>);
        match listed {
            Ok(records) => records.into_iter().map(|(_, record)| record).collect(),
            Err(error) => {
                tracing::error!(%error, "cannot read which images containers need");
                Vec::new()
            }
        }
    }
}

impl images::Users for ImageUsers {
    fn of(&self, image: &Digest) -> Vec<images::User> {
        let image = image.to_string();
        let running = |id: &str| {
            let state = self.0.read(|read| read.find::<ContainerState>(id));
            state.is_ok_and(|state| state.is_some_and(|state| state.status.is_live()))
        };
        self.records()
            .into_iter()
            .filter(|record| record.image_id == image)
            .map(|record| images::User {
                running: running(record.id.as_str()),
                container: record.id,
            })
            .collect()
    }

    fn layers(&self) -> Vec<Layer> {
        let lower = |record: ContainerRecord| {
            let mut layers = match record.rootfs {
                types::Rootfs::Layers { lower, .. } => lower,
                types::Rootfs::Directory(_) | types::Rootfs::Shifted(_) => Vec::new(),
            };
            layers.extend(record.copied);
            layers.extend(record.mounts.into_iter().flat_map(|point| point.layers));
            layers
        };
        self.records().into_iter().flat_map(lower).collect()
    }
}
