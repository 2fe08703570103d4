//! Media types that images are made of, and what they say of a layer's compression.

/// An OCI index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image's configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// An OCI layer, not compressed.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// An OCI layer, gzip.
pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// An OCI layer, Zstandard.
pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Docker's list of manifests.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker's layer, gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker's layer, not compressed.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// Docker's layer, Zstandard.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

/// What a client asks a registry for, in the order of preference.
pub const ACCEPTED: [&str; 4] = [DOCKER_MANIFEST, DOCKER_INDEX, INDEX, MANIFEST];

/// What a document of a media type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A list of manifests by platform.
    Index,
    /// One image.
    Manifest,
    /// An image's configuration.
    Config,
    /// A layer in a tar archive.
    Layer(Compression),
    /// A layer that registries do not hold: Windows base layers.
    Foreign,
    /// Docker's schema 1, given up by everyone.
    Schema1,
}

/// How a layer's archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, also of several members.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Role {
    /// What `media_type` says a document is; `None` if it is of no image.
    pub fn of(media_type: &str) -> Option<Self> {
        Some(match media_type {
            INDEX | DOCKER_INDEX => Self::Index,
            MANIFEST | DOCKER_MANIFEST => Self::Manifest,
            CONFIG | DOCKER_CONFIG => Self::Config,
            LAYER | DOCKER_LAYER => Self::Layer(Compression::None),
            LAYER_GZIP | DOCKER_LAYER_GZIP => Self::Layer(Compression::Gzip),
            LAYER_ZSTD | DOCKER_LAYER_ZSTD => Self::Layer(Compression::Zstd),
            "application/vnd.docker.distribution.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v1+prettyjws" => Self::Schema1,
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd" => Self::Foreign,
            _ => return None,
        })
    }

    /// Whether it is a layer of an image, wherever it is had from.
    pub fn is_layer(self) -> bool {
        matches!(self, Self::Layer(_) | Self::Foreign)
    }
}
