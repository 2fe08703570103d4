//! Mounts in the short form: `SOURCE:TARGET[:OPTIONS]`.

use super::{Mount, ParseError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How mounts under a bind mount travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// Not at all.
    Private,
    /// Not at all, below too: the default.
    RPrivate,
    /// Both ways.
    Shared,
    /// Both ways, below too.
    RShared,
    /// From the host.
    Slave,
    /// From the host, below too.
    RSlave,
}

impl Propagation {
    const ALL: [(&'static str, Self); 6] = [
        ("private", Self::Private),
        ("rprivate", Self::RPrivate),
        ("shared", Self::Shared),
        ("rshared", Self::RShared),
        ("slave", Self::Slave),
        ("rslave", Self::RSlave),
    ];

    /// The option's word.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, p)| *p == self)
            .map_or("rprivate", |(name, _)| name)
    }
}

impl FromStr for Propagation {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, propagation)| *propagation)
            .ok_or_else(|| ParseError::new("mount propagation", text, "no such mode"))
    }
}

/// Whether a bind mount's files get the container's SELinux label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relabel {
    /// `z`: a label that all containers share.
    Shared,
    /// `Z`: this container's own.
    Private,
}

/// A bind mount or a named volume, `SOURCE:TARGET[:OPTIONS]`; a target alone is an anonymous
/// volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bind {
    /// An absolute path on the host, or a volume's name; `None`: an anonymous volume.
    pub source: Option<String>,
    /// An absolute path in the container.
    pub target: String,
    /// It cannot be written to.
    pub read_only: bool,
    /// How mounts under it travel.
    pub propagation: Option<Propagation>,
    /// Its SELinux label.
    pub relabel: Option<Relabel>,
    /// An empty volume is not filled from the image.
    pub no_copy: bool,
    /// The text, which inspect echoes.
    text: String,
}

impl Bind {
    /// What a text of the short form is, in an error.
    pub const WHAT: &'static str = "volume specification";

    /// Whether the source is a path of the host.
    pub fn is_path(&self) -> bool {
        self.source.as_deref().is_some_and(|s| s.starts_with('/'))
    }
}

impl FromStr for Bind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        // COMPAT: the reasons are dockerd's whole sentences.
        let fail = |reason: &str| ParseError::new(Self::WHAT, text, reason);
        let form = || fail(&format!("invalid volume specification: '{text}'"));
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts.as_slice() {
            [target] => (None, *target, ""),
            [source, target] => (Some(*source), *target, ""),
            [source, target, options] => (Some(*source), *target, *options),
            _ => return Err(form()),
        };
        if source == Some("") || target.is_empty() {
            return Err(form());
        }
        let is_volume = source.is_none_or(|source| !source.starts_with('/'));
        let kind = if is_volume { "volume" } else { "bind" };
        let mount = |reason: &str| {
            fail(&format!(
                "invalid volume specification: '{text}': invalid mount config for type {kind:?}: {reason}"
            ))
        };
        if !target.starts_with('/') {
            let words = format!("invalid mount path: '{target}' mount path must be absolute");
            return Err(mount(&words));
        }
        check_target(target)
            .map_err(|reason| mount(&format!("invalid specification: {reason}")))?;
        let mut bind = Self {
            source: source.map(str::to_owned),
            target: target.to_owned(),
            read_only: false,
            propagation: None,
            relabel: None,
            no_copy: false,
            text: text.to_owned(),
        };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let taken = bind.option(option);
            taken.map_err(|()| fail(&format!("invalid mode: {options}")))?;
        }
        Ok(bind)
    }
}

impl Bind {
    /// Refuses what no new container may ask for: two of one kind of option, and options of
    /// the other kind of mount.
    pub fn check(&self) -> Result<(), ParseError> {
        const KINDS: [&[&str]; 3] = [&["ro", "rw"], &["z", "Z"], &["nocopy"]];
        let options = self.text.splitn(3, ':').nth(2).unwrap_or_default();
        let count = |kind: &[&str]| options.split(',').filter(|o| kind.contains(o)).count();
        let fail = |reason: String| Err(ParseError::new(Self::WHAT, &self.text, reason));
        if KINDS.iter().any(|kind| count(kind) > 1) {
            return fail(format!("invalid mode: {options}"));
        }
        let (kind, field) = match (self.is_path(), self.no_copy, self.propagation) {
            (true, true, _) => ("bind", "VolumeOptions"),
            (false, _, Some(_)) => ("volume", "BindOptions"),
            _ => return self.check_name(),
        };
        fail(format!(
            "invalid volume specification: '{}': invalid mount config for type {kind:?}: field \
             {field} must not be specified",
            self.text
        ))
    }

    /// What a volume may be called is told by who would make it.
    fn check_name(&self) -> Result<(), ParseError> {
        match &self.source {
            Some(name) if !self.is_path() && check_volume(name).is_err() => Err(ParseError::new(
                Mount::NAME,
                &self.text,
                refused_volume(name),
            )),
            _ => Ok(()),
        }
    }

    fn option(&mut self, option: &str) -> Result<(), ()> {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "z" => self.relabel = Some(Relabel::Shared),
            "Z" => self.relabel = Some(Relabel::Private),
            "nocopy" => self.no_copy = true,
            "consistent" | "cached" | "delegated" | "rbind" | "bind" => {}
            _ if self.propagation.is_some() => return Err(()),
            _ => self.propagation = Some(option.parse().map_err(drop)?),
        }
        Ok(())
    }
}

/// Why a volume is not called so, in dockerd's words.
pub(super) fn refused_volume(name: &str) -> String {
    match name.chars().count() {
        0 | 1 => format!(
            "create {name}: volume name is too short, names should be at least two alphanumeric \
             characters"
        ),
        _ => format!(
            "create {name}: {name:?} includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, \
             use absolute path"
        ),
    }
}

/// A target is an absolute path that is not the root.
pub(super) fn check_target(target: &str) -> Result<(), &'static str> {
    let is_root = |path: &str| path.split('/').all(|part| matches!(part, "" | "."));
    if !target.starts_with('/') {
        return Err("the target is no absolute path");
    }
    if target.contains('\0') {
        return Err("the target has a NUL byte");
    }
    if is_root(target) {
        return Err("destination can't be '/'");
    }
    Ok(())
}

/// A volume's name: one path component.
pub(super) fn check_volume(name: &str) -> Result<(), &'static str> {
    let first = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    match first && rest && name.len() >= 2 && name.len() <= 255 {
        true => Ok(()),
        false => Err("the source is neither an absolute path nor a volume's name"),
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Bind {
    type Error = ParseError;
    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Bind> for String {
    fn from(bind: Bind) -> Self {
        bind.text
    }
}
