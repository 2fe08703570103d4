//! An image made of another one, a layer over it, and a configuration.

use crate::import::{give_all, package};
use crate::intake::{Expected, Intake};
use crate::operation::{Made, Operation};
use crate::records::LayerRecord;
use crate::{Config, Error, Image, Images, Input, Reference, configure};
use oci::image::{ExecConfig, History};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use types::Timestamp;

/// Make an image of another one, a layer over it, and a configuration.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The image under the layer.
    pub parent: String,
    /// The name to give.
    pub reference: Option<Reference>,
    /// Who made it; empty: nobody is named.
    pub author: String,
    /// The comment of its history.
    pub message: String,
    /// What its history says that made it.
    pub created_by: String,
    /// How it runs.
    pub config: ExecConfig,
    /// Dockerfile instructions that change that.
    pub changes: Vec<String>,
}

/// The digest of an archive without a member: such a layer is none.
const EMPTY: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// Says, after a stream's end, whether it was whole.
pub type Whole = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

impl Images {
    /// Makes an image of another one, of a layer that comes as an archive, and of a
    /// configuration.
    ///
    /// # Errors
    /// If the layer is refused or breaks off, or an instruction is not understood.
    pub async fn commit(&self, commit: Commit, layer: Input, whole: Whole) -> Result<Image, Error> {
        let mut exec = commit.config.clone();
        configure(&mut exec, &commit.changes)?;
        let parent = self.resolve(&commit.parent)?;
        let subject = match &commit.reference {
            Some(reference) => reference.familiar(),
            None => "a container".to_owned(),
        };
        let named = commit.reference.clone();
        let run = |operation: Arc<Operation>| async move {
            let intake = Intake::begin(&operation, Expected::unknown())?;
            let taken = give_all(&intake, layer).await?;
            match whole.await {
                // Who was not listened to any more knows no more than that.
                Err(error) if taken => return Err(Error::io("read the container's files")(error)),
                _ => {}
            }
            let layer = intake.end().await?;
            let finish = move |operation: &Arc<Operation>| {
                operation.commit(made(&commit, &parent, exec, layer)?)
            };
            operation.blocking(finish).await
        };
        let image = self.operate("commit", subject, run).await?;
        self.tell("create", &image);
        if let Some(named) = &named {
            self.tell_tag(&image, named);
        }
        Ok(image)
    }
}

fn made(
    commit: &Commit,
    parent: &Image,
    exec: ExecConfig,
    layer: LayerRecord,
) -> Result<Made, Error> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let created = Timestamp::now().to_string();
    let mut config = Config {
        created: Some(created.clone()),
        author: text(&commit.author),
        config: exec,
        ..(*parent.config).clone()
    };
    // What is known of how the parent was made is not so of this one.
    config.other = crate::import::maker();
    let empty = layer.diff_id.to_string() == EMPTY;
    config.history.push(History {
        created: Some(created),
        created_by: text(&commit.created_by),
        author: text(&commit.author),
        comment: text(&commit.message),
        empty_layer: empty,
    });
    let mut layers = parent.parts.clone();
    if !empty {
        config.rootfs.diff_ids.push(layer.diff_id.clone());
        layers.push(layer);
    }
    let names = commit.reference.iter().cloned().collect();
    let mut made = package(config, layers, names)?;
    made.parent = Some(parent.id.clone());
    Ok(made)
}
