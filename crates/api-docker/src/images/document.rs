//! An image in the API's documents.

use crate::compat::Rule;
use crate::version::ApiVersion;
use docker_schema::container::HealthConfig;
use docker_schema::image::{
    Config, Descriptor, DistributionInspect, GraphDriver, HistoryItem, Inspect, Metadata, Platform,
    RootFs,
};
use images::{Image, Offered};
use types::Timestamp;

/// The version since which `VirtualSize` is gone.
const NO_VIRTUAL_SIZE: ApiVersion = ApiVersion::new(1, 44);

const V1_52: ApiVersion = ApiVersion::new(1, 52);
/// What newer versions do not say when there is nothing.
pub(super) const RULES: [Rule; 2] = [
    Rule::empty(
        V1_52,
        "Config",
        &[
            "Cmd",
            "Entrypoint",
            "Env",
            "Labels",
            "OnBuild",
            "User",
            "Volumes",
            "WorkingDir",
        ],
    ),
    Rule::empty(V1_52, "", &["Parent", "Comment", "DockerVersion", "Author"]),
];

pub(crate) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The size again, for clients that still read its old name.
pub(crate) fn virtual_size(version: ApiVersion, bytes: u64) -> i64 {
    if version < NO_VIRTUAL_SIZE {
        size(bytes)
    } else {
        0
    }
}

pub(crate) fn seconds(time: Option<Timestamp>) -> i64 {
    time.map_or(0, |time| i64::try_from(time.seconds()).unwrap_or(i64::MAX))
}

/// The id of the image that it was made of here.
pub(crate) fn parent(image: &Image) -> String {
    let parent = image.parent.as_ref();
    parent.map(ToString::to_string).unwrap_or_default()
}

pub(crate) fn inspect(image: &Image, version: ApiVersion, driver: &str) -> Inspect {
    let config = &image.config;
    let other = |key: &str| {
        let value = config.other.get(key).and_then(serde_json::Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let last = config.history.last();
    Inspect {
        id: image.id.to_string(),
        repo_tags: Some(tags(image)),
        repo_digests: Some(digests(image)),
        parent: parent(image),
        comment: last
            .and_then(|entry| entry.comment.clone())
            .unwrap_or_default(),
        created: config.created.clone().unwrap_or_default(),
        docker_version: other("docker_version"),
        author: config.author.clone().unwrap_or_default(),
        config: Some(exec_config(image)),
        architecture: config.architecture.clone(),
        variant: config.variant.clone().unwrap_or_default(),
        os: config.os.clone(),
        os_version: config.os_version.clone().unwrap_or_default(),
        size: size(image.size),
        virtual_size: virtual_size(version, image.size),
        graph_driver: GraphDriver {
            data: None,
            name: driver.to_owned(),
        },
        root_fs: RootFs {
            r#type: "layers".to_owned(),
            layers: image.diff_ids().map(ToString::to_string).collect(),
        },
        metadata: Metadata {
            last_tag_time: image
                .tagged
                .map(|time| time.to_string())
                .unwrap_or_default(),
        },
    }
}

pub(crate) fn tags(image: &Image) -> Vec<String> {
    image
        .references
        .iter()
        .map(images::Reference::familiar)
        .collect()
}

pub(crate) fn digests(image: &Image) -> Vec<String> {
    image
        .digests
        .iter()
        .map(images::Reference::familiar)
        .collect()
}

/// The program's part. Its fields have the API's own names, so it is read as a document.
fn exec_config(image: &Image) -> Config {
    let value = serde_json::to_value(&image.config.config);
    let read = value
        .ok()
        .and_then(|value| docker_schema::decode_value::<Config>(&value).ok());
    let mut config = read.unwrap_or_default();
    config.healthcheck = config
        .healthcheck
        .filter(|check| *check != HealthConfig::default());
    config
}

pub(crate) fn history(image: &Image) -> Vec<HistoryItem> {
    let item = |entry: images::HistoryEntry| HistoryItem {
        comment: entry.comment,
        created: seconds(entry.created),
        created_by: entry.created_by,
        id: entry.id.map_or("<missing>".to_owned(), |id| id.to_string()),
        size: size(entry.size),
        tags: (!entry.tags.is_empty()).then_some(entry.tags),
    };
    image.history().into_iter().map(item).collect()
}

/// Says which image an entry of a history is.
pub(crate) fn name(item: &mut HistoryItem, image: &Image) {
    item.id = image.id.to_string();
    let tags = tags(image);
    item.tags = (!tags.is_empty()).then_some(tags);
}

/// What a registry offers.
pub(crate) fn offered(offered: &Offered) -> DistributionInspect {
    let platform = |platform: &images::Platform| Platform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        os_version: platform.os_version.clone().unwrap_or_default(),
        os_features: platform.os_features.clone(),
        variant: platform.variant.clone().unwrap_or_default(),
    };
    DistributionInspect {
        descriptor: Descriptor {
            media_type: offered.descriptor.media_type.clone(),
            digest: offered.descriptor.digest.to_string(),
            size: size(offered.descriptor.size),
        },
        platforms: Some(offered.platforms.iter().map(platform).collect()),
    }
}
