//! Names of images, read as Docker reads them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use types::{Algorithm, Digest, ErrorKind, Kind, Resource};

/// The domain of names that give none.
const DEFAULT_DOMAIN: &str = "docker.io";
/// Docker Hub's former name.
const LEGACY_DOMAIN: &str = "index.docker.io";
/// Where Docker Hub keeps names of one component.
const OFFICIAL: &str = "library/";
/// The tag of names that give none.
const DEFAULT_TAG: &str = "latest";
/// The most characters in a repository's path.
const MAX_PATH: usize = 255;

/// A name in full: `docker.io/library/debian:12`, with a tag, a digest, both or neither.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no reference; the words are those that Docker's clients match on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// Not of the grammar.
    Format,
    /// The repository's name has upper-case letters.
    Uppercase(String),
    /// 64 hexadecimal digits: that would be an id.
    Identifier(String),
    /// Nothing, or nothing before the tag.
    Empty,
    /// The path is too long.
    TooLong,
    /// The tag is not of the grammar.
    Tag,
    /// The digest's hash function is not known.
    DigestAlgorithm,
    /// The digest's digits are too few or too many.
    DigestLength,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => f.write_str("invalid reference format"),
            Self::Uppercase(name) => write!(
                f,
                "invalid reference format: repository name ({name}) must be lowercase"
            ),
            Self::Identifier(name) => write!(
                f,
                "invalid repository name ({name}), cannot specify 64-byte hexadecimal strings"
            ),
            Self::Empty => f.write_str("repository name must have at least one component"),
            Self::TooLong => write!(
                f,
                "repository name must not be more than {MAX_PATH} characters"
            ),
            Self::Tag => f.write_str("invalid tag format"),
            Self::DigestAlgorithm => f.write_str("unsupported digest algorithm"),
            Self::DigestLength => f.write_str("invalid checksum digest length"),
        }
    }
}

impl std::error::Error for ReferenceError {}

impl Kind for ReferenceError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }
    fn resource(&self) -> Option<Resource> {
        None
    }
}

impl Reference {
    /// The registry's host and port: `docker.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry: `library/debian`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `docker.io/library/debian`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The name as people write it: `debian`, `user/app`, `localhost:5000/app`.
    pub fn familiar_name(&self) -> String {
        if self.domain == DEFAULT_DOMAIN {
            let path = &self.path;
            return match path.strip_prefix(OFFICIAL) {
                // `docker.io/library/a/b` keeps its prefix: `a/b` means another repository.
                Some(official) if !official.contains('/') => official.to_owned(),
                _ => path.clone(),
            };
        }
        self.name()
    }

    /// The whole reference as people write it: `debian:12`.
    pub fn familiar(&self) -> String {
        self.suffixed(self.familiar_name())
    }

    /// This with tag `latest` if it has neither tag nor digest.
    #[must_use]
    pub fn or_latest(self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            return Self {
                tag: Some(DEFAULT_TAG.to_owned()),
                ..self
            };
        }
        self
    }

    /// The repository alone.
    #[must_use]
    pub fn repository(&self) -> Self {
        Self {
            tag: None,
            digest: None,
            ..self.clone()
        }
    }

    /// The repository with `tag`, and no digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::Tag);
        }
        Ok(Self {
            tag: Some(tag.to_owned()),
            ..self.repository()
        })
    }

    /// The repository with `digest`, and no tag.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Self {
        Self {
            digest: Some(digest.clone()),
            ..self.repository()
        }
    }

    fn suffixed(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name = format!("{name}:{tag}");
        }
        match &self.digest {
            Some(digest) => format!("{name}@{digest}"),
            None => name,
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hexadecimal) {
            return Err(ReferenceError::Identifier(text.to_owned()));
        }
        let (domain, remainder) = split_domain(text);
        let name = remainder.split(':').next().unwrap_or_default();
        if name.to_lowercase() != name {
            return Err(ReferenceError::Uppercase(name.to_owned()));
        }
        let (rest, digest) = match remainder.split_once('@') {
            Some((rest, digest)) => (rest, Some(read_digest(digest)?)),
            None => (remainder.as_str(), None),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if !is_domain(&domain) || !is_path(path) || !tag.is_none_or(is_tag) {
            return Err(ReferenceError::Format);
        }
        if path.len() > MAX_PATH {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self {
            domain,
            path: path.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;
    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suffixed(self.name()))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A first component is a host if it looks like one, or could be nothing else.
fn split_domain(text: &str) -> (String, String) {
    let (domain, path) = match text.split_once('/') {
        None => (DEFAULT_DOMAIN, text),
        Some((LEGACY_DOMAIN, path)) => (DEFAULT_DOMAIN, path),
        Some((domain, path))
            if domain == "localhost"
                || domain.contains(['.', ':'])
                || domain.to_lowercase() != domain =>
        {
            (domain, path)
        }
        Some(_) => (DEFAULT_DOMAIN, text),
    };
    if domain == DEFAULT_DOMAIN && !path.contains('/') {
        return (domain.to_owned(), format!("{OFFICIAL}{path}"));
    }
    (domain.to_owned(), path.to_owned())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rfind(']') {
        Some(end) => {
            let (host, rest) = domain.split_at(end + 1);
            (
                host,
                rest.strip_prefix(':').or((!rest.is_empty()).then_some("")),
            )
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        },
    };
    let port_fits = port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    port_fits
        && match address {
            Some(v6) => !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
            None => host.split('.').all(is_label),
        }
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

fn is_path(path: &str) -> bool {
    path.split('/').all(is_component)
}

/// Letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_component(component: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let edges = bytes.first().zip(bytes.last());
    edges.is_some_and(|(first, last)| word(*first) && word(*last))
        && component
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|between| {
                matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-')
            })
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = tag.as_bytes();
    (1..=128).contains(&bytes.len())
        && word(bytes[0])
        && bytes.iter().all(|b| word(*b) || b".-".contains(b))
}

fn read_digest(text: &str) -> Result<Digest, ReferenceError> {
    let (algorithm, hex) = text.split_once(':').ok_or(ReferenceError::Format)?;
    let part = |p: &str| {
        p.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && p.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let named = algorithm.split(['-', '_', '+', '.']).all(part);
    if !named || hex.len() < 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ReferenceError::Format);
    }
    let known = [Algorithm::Sha256, Algorithm::Sha512];
    if !known.iter().any(|a| a.name() == algorithm) {
        return Err(ReferenceError::DigestAlgorithm);
    }
    text.parse().map_err(|_| ReferenceError::DigestLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_familiar_name_is_completed() {
        for (text, full, familiar) in [
            ("debian", "docker.io/library/debian", "debian"),
            ("debian:12", "docker.io/library/debian:12", "debian:12"),
            ("user/app", "docker.io/user/app", "user/app"),
            ("docker.io/debian", "docker.io/library/debian", "debian"),
            (
                "index.docker.io/debian",
                "docker.io/library/debian",
                "debian",
            ),
            ("library/debian", "docker.io/library/debian", "debian"),
            ("localhost/a", "localhost/a", "localhost/a"),
            ("localhost:5000/a", "localhost:5000/a", "localhost:5000/a"),
            ("LOCALHOST/a", "LOCALHOST/a", "LOCALHOST/a"),
            ("Host/a", "Host/a", "Host/a"),
            ("[::1]:5000/a:b", "[::1]:5000/a:b", "[::1]:5000/a:b"),
            (
                "ghcr.io/a/b/c:V_1.2-3",
                "ghcr.io/a/b/c:V_1.2-3",
                "ghcr.io/a/b/c:V_1.2-3",
            ),
            (
                "a__b---c.d_e",
                "docker.io/library/a__b---c.d_e",
                "a__b---c.d_e",
            ),
            (
                "docker.io/library/a/b",
                "docker.io/library/a/b",
                "library/a/b",
            ),
        ] {
            let reference: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(reference.to_string(), full);
            assert_eq!(reference.familiar(), familiar);
            assert_eq!(full.parse(), Ok(reference));
        }
        let pinned = format!("debian:12@sha256:{HEX}");
        let reference: Reference = pinned.parse().unwrap();
        assert_eq!(reference.familiar(), pinned);
        assert_eq!(reference.tag(), Some("12"));
        assert_eq!(reference.digest().map(Digest::hex), Some(HEX));
    }

    #[test]
    fn what_is_no_reference_is_refused_in_dockers_words() {
        let long = format!("example.com/{}", "a".repeat(256));
        for (text, words) in [
            ("", "invalid reference format"),
            ("a b", "invalid reference format"),
            ("-a", "invalid reference format"),
            ("a___b", "invalid reference format"),
            ("a..b", "invalid reference format"),
            ("a:", "invalid reference format"),
            ("a:.b", "invalid reference format"),
            ("a@sha256:00", "invalid reference format"),
            ("a/", "invalid reference format"),
            ("/a", "invalid reference format"),
            ("http://a/b", "invalid reference format"),
            ("a:b:c", "invalid reference format"),
            (
                "user/Uppercase:tag",
                "invalid reference format: repository name (user/Uppercase) must be lowercase",
            ),
            (
                "Debian",
                "invalid reference format: repository name (library/Debian) must be lowercase",
            ),
            (
                &long,
                "repository name must not be more than 255 characters",
            ),
        ] {
            assert_eq!(
                text.parse::<Reference>().unwrap_err().to_string(),
                words,
                "{text}"
            );
        }
        let id: Result<Reference, _> = HEX.parse();
        assert!(matches!(id, Err(ReferenceError::Identifier(_))));
        let md5: Result<Reference, _> = format!("a@md5:{}", &HEX[..32]).parse();
        assert_eq!(md5, Err(ReferenceError::DigestAlgorithm));
        let short: Result<Reference, _> = format!("a@sha256:{}", &HEX[..40]).parse();
        assert_eq!(short, Err(ReferenceError::DigestLength));
        assert!(
            "x".parse::<Reference>()
                .unwrap()
                .with_tag(&"t".repeat(129))
                .is_err()
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn what_is_a_reference_is_written_as_itself(
            text in "[a-zA-Z0-9_.:/@-]{0,60}|[a-z]{1,9}(\\.[a-z]{2,5}(:[0-9]{1,6})?)?/[a-z0-9._/-]{1,20}(:[\\w.-]{1,20})?|\\PC{0,20}"
        ) {
            let Ok(reference) = text.parse::<Reference>() else {
                return Ok(());
            };
            for written in [reference.to_string(), reference.familiar()] {
                proptest::prop_assert_eq!(&written.parse::<Reference>().unwrap(), &reference);
            }
            // It becomes part of URLs and keys.
            let harmless = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            proptest::prop_assert!(reference.path().chars().all(harmless));
            let climbs = |part: &str| part.is_empty() || part == "." || part == "..";
            proptest::prop_assert!(!reference.path().split('/').any(climbs));
        }
    }
}
