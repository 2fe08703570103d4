//! Networks of a directory's files, read again when one of them changes.

use crate::{Error, Network, PluginConfig};
use serde_json::Value;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest file that is read.
const LARGEST: u64 = 4 << 20;

/// A directory with network configurations (`/etc/cni/net.d`).
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    seen: Vec<Seen>,
    networks: Vec<Network>,
    wrong: Vec<Error>,
}

/// What tells one content of a file from another.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Directory {
    /// The directory at `path`, which need not be there yet.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: Vec::new(),
            networks: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Reads what has changed. Files that are wrong are passed over; [`Self::wrong`] names them.
    pub fn refresh(&mut self) -> Result<(), Error> {
        let files = files(&self.path, &["conflist", "conf", "json"])?;
        let mut seen = look(&files)?;
        for network in &self.networks {
            seen.extend(look(&files_of(&self.path, network)?)?);
        }
        if seen == self.seen && !self.seen.is_empty() {
            return Ok(());
        }
        (self.networks, self.wrong) = (Vec::new(), Vec::new());
        for file in &files {
            match read(&self.path, file) {
                Ok(network) => self.networks.push(network),
                Err(error) => self.wrong.push(error),
            }
        }
        self.seen = look(&files)?;
        for network in &self.networks {
            self.seen.extend(look(&files_of(&self.path, network)?)?);
        }
        Ok(())
    }

    /// The networks, in the order of their files' names; the first is a pod's.
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// Why files were passed over.
    pub fn wrong(&self) -> &[Error] {
        &self.wrong
    }
}

/// The plugins' own files of a network: `NAME/*.conf` beside it.
fn files_of(directory: &Path, network: &Network) -> Result<Vec<PathBuf>, Error> {
    if network.only_inlined {
        return Ok(Vec::new());
    }
    files(&directory.join(&network.name), &["conf"])
}

/// Files by name; none if there is no directory.
fn files(directory: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", directory))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", directory))?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| endings.contains(&ending)) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn look(files: &[PathBuf]) -> Result<Vec<Seen>, Error> {
    let one = |path: &PathBuf| {
        let file = fs::metadata(path).map_err(Error::io("look at", path))?;
        Ok(Seen {
            path: path.clone(),
            inode: file.ino(),
            size: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    };
    files.iter().map(one).collect()
}

fn parse(file: &Path) -> Result<Value, Error> {
    let wrong = |reason| Error::Config {
        origin: file.display().to_string(),
        reason,
    };
    let size = fs::metadata(file)
        .map_err(Error::io("look at", file))?
        .len();
    if size > LARGEST {
        return Err(wrong(format!("it has {size} bytes, over {LARGEST}")));
    }
    let text = fs::read(file).map_err(Error::io("read", file))?;
    serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))
}

fn read(directory: &Path, file: &Path) -> Result<Network, Error> {
    let origin = file.display().to_string();
    let document = parse(file)?;
    let listed = file.extension().is_some_and(|ending| ending == "conflist");
    if !listed {
        return Network::of_plugin(&document, &origin);
    }
    let mut network = Network::of_list(document, &origin)?;
    for file in files_of(directory, &network)? {
        let origin = file.display().to_string();
        let plugin = PluginConfig::of(&parse(&file)?, &origin)?;
        network.plugins.push(plugin);
    }
    if network.plugins.is_empty() {
        let reason = format!("it has no plugins, and {}/*.conf are none", network.name);
        return Err(Error::Config { origin, reason });
    }
    Ok(network)
}
