//! Mount options as the runtime specification writes them.

use crate::Error;
use std::ffi::CString;
use sys::mount::{Change, Extent, Propagation, attribute};

/// How a mount is to be, beyond its file system's own options.
#[derive(Debug, Default)]
pub(crate) struct Dressing {
    /// For this mount.
    pub(crate) mount: Change<'static>,
    /// For this mount and all below.
    pub(crate) tree: Change<'static>,
    /// The propagation is for all below, too.
    pub(crate) propagation: Option<(Propagation, Extent)>,
    /// What all its mounts are before that.
    pub(crate) first_propagation: Option<Propagation>,
    /// Whether anything was said of this mount's attributes, and of its access times.
    pub(crate) said: Said,
    /// The container has a user namespace: what its host's mount forbids stays forbidden.
    pub(crate) locked: bool,
}

/// What the options of a mount speak of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing: a bind mount is as its source.
    #[default]
    Nothing,
    /// Attributes, and nothing of access times.
    Attributes,
    /// Attributes, or none, and how access times are kept.
    Times,
}

/// The options of one mount, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) dressing: Dressing,
    pub(crate) bind: Option<Extent>,
    pub(crate) idmap: Option<Extent>,
    pub(crate) copy_up: bool,
    /// Our own option: not the source, but what this path in it leads to.
    pub(crate) subpath: Option<String>,
    /// Our own option: layers of the file system that is mounted, the topmost first.
    pub(crate) layers: Vec<types::Layer>,
    /// `fsconfig` keys with their values.
    pub(crate) data: Vec<(CString, Option<CString>)>,
}

/// One name: bits to set, bits to clear. Clearing the field of access times means relatime.
fn flag(name: &str) -> Option<(u64, u64)> {
    use attribute::{ATIME, NOATIME, NODEV, NODIRATIME, NOEXEC, NOSUID, NOSYMFOLLOW, RDONLY};
    Some(match name {
        "ro" => (RDONLY, 0),
        "rw" => (0, RDONLY),
        "nosuid" => (NOSUID, 0),
        "suid" => (0, NOSUID),
        "nodev" => (NODEV, 0),
        "dev" => (0, NODEV),
        "noexec" => (NOEXEC, 0),
        "exec" => (0, NOEXEC),
        "noatime" => (NOATIME, ATIME),
        "strictatime" => (attribute::STRICTATIME, ATIME),
        "atime" | "relatime" | "norelatime" | "nostrictatime" => (0, ATIME),
        "nodiratime" => (NODIRATIME, 0),
        "diratime" => (0, NODIRATIME),
        "nosymfollow" => (NOSYMFOLLOW, 0),
        "symfollow" => (0, NOSYMFOLLOW),
        _ => return None,
    })
}

/// The options that choose how access times are kept; others only take a choice back.
const TIMES: [&str; 4] = ["noatime", "relatime", "strictatime", "nodiratime"];

fn propagation(name: &str) -> Option<(Propagation, Extent)> {
    let (name, extent) = match name {
        "rshared" | "rslave" | "rprivate" | "runbindable" => (&name[1..], Extent::Tree),
        name => (name, Extent::Mount),
    };
    let propagation = match name {
        "shared" => Propagation::Shared,
        "slave" => Propagation::Slave,
        "private" => Propagation::Private,
        "unbindable" => Propagation::Unbindable,
        _ => return None,
    };
    Some((propagation, extent))
}

/// Options of the superblock that `fsconfig` takes as flags under other names.
fn superblock(name: &str) -> Option<&'static str> {
    Some(match name {
        "sync" => "sync",
        "async" => "async",
        "dirsync" => "dirsync",
        "lazytime" => "lazytime",
        "nolazytime" => "nolazytime",
        "mand" => "mand",
        "nomand" => "nomand",
        _ => return None,
    })
}

fn apply(change: &mut Change<'static>, (set, clear): (u64, u64)) {
    change.set = change.set & !clear & !attribute_field(set) | set;
    change.clear = change.clear & !set | clear;
    if set & attribute::ATIME != 0 {
        change.clear |= attribute::ATIME;
    }
}

/// The whole field that a bit is in.
const fn attribute_field(bits: u64) -> u64 {
    if bits & attribute::ATIME != 0 {
        bits | attribute::ATIME
    } else {
        bits
    }
}

impl Options {
    pub(crate) fn parse(field: &str, options: &[String]) -> Result<Self, Error> {
        let mut parsed = Self::default();
        for (i, option) in options.iter().enumerate() {
            parsed.option(&format!("{field}.options[{i}]"), option)?;
        }
        Ok(parsed)
    }

    fn option(&mut self, field: &str, option: &str) -> Result<(), Error> {
        if let Some(bits) = flag(option) {
            apply(&mut self.dressing.mount, bits);
            let said = &mut self.dressing.said;
            if TIMES.contains(&option) {
                *said = Said::Times;
            } else if *said == Said::Nothing {
                *said = Said::Attributes;
            }
            return Ok(());
        }
        if let Some(bits) = option.strip_prefix('r').and_then(flag) {
            apply(&mut self.dressing.tree, bits);
            return Ok(());
        }
        if let Some(propagation) = propagation(option) {
            self.dressing.propagation = Some(propagation);
            return Ok(());
        }
        if let Some(path) = option.strip_prefix("corten.subpath=") {
            self.subpath = Some(path.to_owned());
            return Ok(());
        }
        if let Some(path) = option.strip_prefix("corten.layer=") {
            self.layers.push(types::Layer::Erofs(path.into()));
            return Ok(());
        }
        if let Some(path) = option.strip_prefix("corten.tree=") {
            self.layers.push(types::Layer::Directory(path.into()));
            return Ok(());
        }
        match option {
            "defaults" | "" | "silent" | "loud" => {}
            "bind" => self.bind = self.bind.or(Some(Extent::Mount)),
            "rbind" => self.bind = Some(Extent::Tree),
            "idmap" => self.idmap = Some(Extent::Mount),
            "ridmap" => self.idmap = Some(Extent::Tree),
            "tmpcopyup" => self.copy_up = true,
            "remount" => return Err(Error::unsupported(field, "remount of an earlier mount")),
            "iversion" | "noiversion" | "acl" | "noacl" => {
                return Err(Error::unsupported(field, option));
            }
            _ => self.data.push(data(field, option)?),
        }
        Ok(())
    }
}

fn data(field: &str, option: &str) -> Result<(CString, Option<CString>), Error> {
    if let Some(name) = superblock(option) {
        return Ok((super::text::c(field, name)?, None));
    }
    Ok(match option.split_once('=') {
        Some((key, value)) => (
            super::text::c(field, key)?,
            Some(super::text::c(field, unquoted(key, value))?),
        ),
        None => (super::text::c(field, option)?, None),
    })
}

/// Labels are written in quotes for mount(2), which divides options at commas; here none are.
fn unquoted<'a>(key: &str, value: &'a str) -> &'a str {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    inner.filter(|_| key.ends_with("context")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Options {
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        Options::parse("mounts[0]", &options).unwrap()
    }

    #[test]
    fn a_later_option_overrides_an_earlier_one() {
        let options = parse(&["ro", "rw", "nosuid"]);
        assert_eq!(options.dressing.mount.set, attribute::NOSUID);
        assert_eq!(options.dressing.mount.clear, attribute::RDONLY);
        let options = parse(&["noatime", "strictatime"]);
        assert_eq!(options.dressing.mount.set, attribute::STRICTATIME);
        assert_eq!(options.dressing.mount.clear, attribute::ATIME);
    }

    #[test]
    fn recursive_options_are_for_the_tree_and_others_are_data() {
        let options = parse(&["rbind", "rro", "rprivate", "mode=755", "newinstance"]);
        assert_eq!(options.bind, Some(Extent::Tree));
        assert_eq!(options.dressing.tree.set, attribute::RDONLY);
        assert_eq!(options.dressing.mount.set, 0);
        let propagation = options.dressing.propagation;
        assert_eq!(propagation, Some((Propagation::Private, Extent::Tree)));
        assert_eq!(options.data.len(), 2);
    }
}
