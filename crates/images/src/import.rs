//! An image of one layer, made from an archive of a root file system.

use crate::intake::{Expected, Intake};
use crate::operation::{Made, Operation, Origin};
use crate::records::LayerRecord;
use crate::{Config, Error, Image, Images, Import, Input, Platform, Reference, configure};
use bytes::BytesMut;
use content::Hasher;
use oci::image::{Descriptor, ExecConfig, History, Manifest, RootFs, media_type};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use types::{Algorithm, Digest, Timestamp};

/// Bytes read from a caller at once.
const CHUNK: usize = 128 << 10;

impl Images {
    /// Makes an image of one layer from an archive (tar, also gzip or Zstandard) of a root
    /// file system.
    pub async fn import(&self, import: Import, input: Input) -> Result<Image, Error> {
        let mut exec = ExecConfig::default();
        configure(&mut exec, &import.changes)?;
        if import
            .reference
            .as_ref()
            .is_some_and(|r| r.digest().is_some())
        {
            return Err(Error::Invalid {
                reason: "cannot import digest reference".to_owned(),
            });
        }
        let subject = match &import.reference {
            Some(reference) => reference.familiar(),
            None => "an archive".to_owned(),
        };
        let named = import.reference.clone();
        let run = |operation: Arc<Operation>| async move {
            let intake = Intake::begin(&operation, Expected::unknown())?;
            give_all(&intake, input).await?;
            let layer = intake.end().await?;
            let finish =
                move |operation: &Arc<Operation>| operation.commit(made(&import, exec, layer)?);
            operation.blocking(finish).await
        };
        let image = self.operate("import", subject, run).await?;
        if let Some(named) = &named {
            self.tell_tag(&image, named);
        }
        self.tell("import", &image);
        Ok(image)
    }
}

/// Gives everything that comes from `input`; says whether it was taken to the end.
pub(crate) async fn give_all(intake: &Intake, mut input: Input) -> Result<bool, Error> {
    loop {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let read = input.read_buf(&mut buffer).await;
        let count = read.map_err(Error::io("read the archive"))?;
        if count == 0 {
            return Ok(true);
        }
        if !intake.give(buffer.freeze()).await {
            return Ok(false);
        }
    }
}

fn made(import: &Import, exec: ExecConfig, layer: LayerRecord) -> Result<Made, Error> {
    let platform = import.platform.clone().unwrap_or_else(Platform::host);
    let created = Timestamp::now().to_string();
    let message = import
        .message
        .clone()
        .unwrap_or_else(|| "Imported from -".to_owned());
    let config = Config {
        created: Some(created.clone()),
        architecture: platform.architecture,
        os: platform.os,
        os_version: platform.os_version,
        os_features: platform.os_features,
        variant: platform.variant,
        config: exec,
        other: maker(),
        rootfs: RootFs {
            diff_ids: vec![layer.diff_id.clone()],
            ..RootFs::default()
        },
        history: vec![History {
            created: Some(created),
            comment: Some(message),
            ..History::default()
        }],
        ..Config::default()
    };
    let names = import.reference.iter().cloned().collect();
    package(config, vec![layer], names)
}

/// Who made an image, as Docker writes it into the configuration.
pub(crate) fn maker() -> serde_json::Map<String, serde_json::Value> {
    let version = env!("CARGO_PKG_VERSION").into();
    serde_json::Map::from_iter([("docker_version".to_owned(), version)])
}

/// The documents of an image made here.
pub(crate) fn package(
    config: Config,
    layers: Vec<LayerRecord>,
    names: Vec<Reference>,
) -> Result<Made, Error> {
    let bytes = encode(&config)?;
    wrap(config, bytes, layers, names)
}

/// The documents of an image whose configuration is written already, with a manifest of ours.
pub(crate) fn wrap(
    config: Config,
    config_bytes: Vec<u8>,
    layers: Vec<LayerRecord>,
    names: Vec<Reference>,
) -> Result<Made, Error> {
    let config_digest = Hasher::digest(Algorithm::Sha256, &config_bytes);
    let size = config_bytes.len() as u64;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media_type::MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::new(media_type::CONFIG, config_digest.clone(), size),
        layers: layers.iter().map(|layer| layer.blob.clone()).collect(),
        subject: None,
        annotations: BTreeMap::new(),
    };
    let manifest_bytes = encode(&manifest)?;
    let manifest_digest: Digest = Hasher::digest(Algorithm::Sha256, &manifest_bytes);
    Ok(Made {
        config,
        config_media_type: media_type::CONFIG.to_owned(),
        config_bytes,
        config_digest,
        manifest_media_type: media_type::MANIFEST.to_owned(),
        manifest_bytes,
        manifest_digest,
        layers,
        names,
        manifest: Origin::Ours,
        parent: None,
    })
}

fn encode(document: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    let encoded = serde_json::to_vec(document);
    encoded.map_err(|error| Error::io("write an image's documents")(error.into()))
}

impl Expected {
    /// Whatever it is.
    pub(crate) fn unknown() -> Self {
        Self {
            blob: None,
            diff_id: None,
        }
    }
}
