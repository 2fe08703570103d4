//! A manifest or an index, told apart without a doubt.

use super::media_type::{self, Role};
use super::{Index, Manifest};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// The largest manifest or index that is read: as registries accept them.
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Document {
    /// One image.
    Manifest(Box<Manifest>),
    /// An image's manifests by platform.
    Index(Box<Index>),
}

/// Why bytes are neither a manifest nor an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum DocumentError {
    /// Not JSON, or a field is wrong.
    #[error("manifest cannot be read: {reason}")]
    Malformed {
        /// What the parser said.
        reason: String,
    },
    /// It says of itself something else than its sender, or its fields are of both kinds
    /// (CVE-2021-41190).
    #[error("manifest is ambiguous: {reason}")]
    Ambiguous {
        /// The contradiction.
        reason: String,
    },
    /// It is of a kind that is not understood.
    #[error("unsupported manifest media type {media_type:?}")]
    Unsupported {
        /// The type.
        media_type: String,
    },
}

/// The fields that tell what a document is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

impl Document {
    /// Reads a document. `declared` is the type that its sender or the descriptor gave it.
    pub fn from_slice(declared: Option<&str>, bytes: &[u8]) -> Result<Self, DocumentError> {
        let malformed = |error: serde_json::Error| DocumentError::Malformed {
            reason: error.to_string(),
        };
        let shape: Shape = serde_json::from_slice(bytes).map_err(malformed)?;
        match shape.role(declared)? {
            Role::Index => serde_json::from_slice(bytes)
                .map(|index| Self::Index(Box::new(index)))
                .map_err(malformed),
            _ => serde_json::from_slice(bytes)
                .map(|manifest| Self::Manifest(Box::new(manifest)))
                .map_err(malformed),
        }
    }

    /// The type that the document is stored and served under.
    pub fn media_type(&self) -> &str {
        match self {
            Self::Manifest(manifest) => manifest
                .media_type
                .as_deref()
                .unwrap_or(media_type::MANIFEST),
            Self::Index(index) => index.media_type.as_deref().unwrap_or(media_type::INDEX),
        }
    }
}

impl Shape {
    fn role(&self, declared: Option<&str>) -> Result<Role, DocumentError> {
        let ambiguous = |reason: String| DocumentError::Ambiguous { reason };
        let list = self.manifests.is_some();
        let single = self.config.is_some() || self.layers.is_some() || self.fs_layers.is_some();
        if list && single {
            return Err(ambiguous("it has both layers and manifests".to_owned()));
        }
        // A server's default type says nothing.
        let declared = declared.filter(|t| Role::of(t).is_some() || t.contains("vnd."));
        if let (Some(declared), Some(own)) = (declared, self.media_type.as_deref())
            && declared != own
        {
            return Err(ambiguous(format!("sent as {declared}, it says {own}")));
        }
        let known = declared.or(self.media_type.as_deref());
        let role = match known {
            Some(name) => Role::of(name).ok_or_else(|| unsupported(name))?,
            None if list => Role::Index,
            None => Role::Manifest,
        };
        match role {
            _ if self.schema_version != 2 || self.fs_layers.is_some() => Err(unsupported(
                known.unwrap_or("application/vnd.docker.distribution.manifest.v1+json"),
            )),
            Role::Index if single => Err(ambiguous("an index has layers".to_owned())),
            Role::Manifest if list => Err(ambiguous("an image has manifests".to_owned())),
            Role::Index | Role::Manifest => Ok(role),
            _ => Err(unsupported(known.unwrap_or_default())),
        }
    }
}

fn unsupported(media_type: &str) -> DocumentError {
    DocumentError::Unsupported {
        media_type: media_type.chars().take(160).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn image(media_type: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,{media_type}"config":{{"mediaType":"{}","digest":"{DIGEST}","size":2}},"layers":null}}"#,
            media_type::CONFIG
        )
    }

    #[test]
    fn a_manifest_without_a_type_is_known_by_its_fields() {
        let read = Document::from_slice(None, image("").as_bytes()).unwrap();
        assert!(matches!(&read, Document::Manifest(m) if m.layers.is_empty()));
        assert_eq!(read.media_type(), media_type::MANIFEST);
        let list = br#"{"schemaVersion":2,"manifests":[]}"#;
        let read = Document::from_slice(Some("application/json"), list).unwrap();
        assert_eq!(read.media_type(), media_type::INDEX);
    }

    #[test]
    fn a_document_of_two_kinds_is_refused() {
        let own = format!(r#""mediaType":"{}","#, media_type::MANIFEST);
        let both = image(&own).replace("\"layers\"", "\"manifests\":[],\"layers\"");
        let lists = r#"{"schemaVersion":2,"manifests":[]}"#;
        for (declared, text) in [
            (None, both.as_str()),
            (Some(media_type::INDEX), &image(&own)),
            (Some(media_type::INDEX), &image("")),
            (Some(media_type::DOCKER_MANIFEST), &image(&own)),
            (Some(media_type::MANIFEST), lists),
        ] {
            let refused = Document::from_slice(declared, text.as_bytes());
            assert!(
                matches!(refused, Err(DocumentError::Ambiguous { .. })),
                "{declared:?} {text} {refused:?}"
            );
        }
    }

    #[test]
    fn other_schemas_are_refused_by_name() {
        let first = br#"{"schemaVersion":1,"fsLayers":[],"name":"x"}"#;
        let refused = Document::from_slice(None, first);
        assert!(matches!(refused, Err(DocumentError::Unsupported { .. })));
        let helm = Document::from_slice(Some("application/vnd.cncf.x"), b"{\"schemaVersion\":2}");
        assert!(
            matches!(helm, Err(DocumentError::Unsupported { media_type }) if media_type == "application/vnd.cncf.x")
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn a_damaged_document_is_read_or_refused(
            damage in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..6),
            cut in proptest::option::of(proptest::prelude::any::<proptest::sample::Index>()),
            declared in proptest::option::of(proptest::sample::select(&media_type::ACCEPTED[..])),
        ) {
            let own = format!(r#""mediaType":"{}","#, media_type::MANIFEST);
            let lists = format!(
                r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{DIGEST}","size":7,
                "platform":{{"os":"windows","architecture":"amd64","os.version":"10.0.1"}}}}]}}"#,
                media_type::MANIFEST
            );
            for text in [image(&own), lists] {
                let mut bytes = text.into_bytes();
                for (at, byte) in &damage {
                    let at = at.index(bytes.len());
                    bytes[at] ^= byte;
                }
                if let Some(cut) = cut {
                    bytes.truncate(cut.index(bytes.len()));
                }
                if let Ok(read) = Document::from_slice(declared, &bytes) {
                    // What is declared is what it is.
                    let role = Role::of(read.media_type());
                    proptest::prop_assert!(declared.is_none_or(|own| Role::of(own) == role));
                }
            }
        }
    }

    #[test]
    fn a_document_of_great_depth_is_refused() {
        let deep = format!("{{\"x\":{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let refused = Document::from_slice(None, deep.as_bytes());
        assert!(matches!(refused, Err(DocumentError::Malformed { .. })));
    }
}
