//! Mounts in the short form: `SOURCE:TARGET[:OPTIONS]`.

use super::ParseError;
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
    /// Whether the source is a path of the host.
    pub fn is_path(&self) -> bool {
        self.source.as_deref().is_some_and(|s| s.starts_with('/'))
    }
}

impl FromStr for Bind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail = |reason: &str| ParseError::new("volume specification", text, reason);
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts.as_slice() {
            [target] => (None, *target, ""),
            [source, target] => (Some(*source), *target, ""),
            [source, target, options] => (Some(*source), *target, *options),
            _ => return Err(fail("expected SOURCE:TARGET[:OPTIONS]")),
        };
        if source == Some("") {
            return Err(fail("the source is empty"));
        }
        check_target(target).map_err(fail)?;
        if let Some(name) = source.filter(|source| !source.starts_with('/')) {
            check_volume(name).map_err(fail)?;
        }
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
            bind.option(option).map_err(fail)?;
        }
        Ok(bind)
    }
}

impl Bind {
    fn option(&mut self, option: &str) -> Result<(), &'static str> {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "z" => self.relabel = Some(Relabel::Shared),
            "Z" => self.relabel = Some(Relabel::Private),
            "nocopy" => self.no_copy = true,
            "consistent" | "cached" | "delegated" | "rbind" | "bind" => {}
            _ => match option.parse() {
                Ok(_) if self.propagation.is_some() => return Err("two propagation modes"),
                Ok(propagation) => self.propagation = Some(propagation),
                Err(_) => return Err("unknown option"),
            },
        }
        Ok(())
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
