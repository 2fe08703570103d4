//! Attachments kept on disk, so that a deletion after any restart knows what was added.
//!
//! COMPAT: the files are libcni's (`cniCacheV1`), in the same directory and under the same
//! names: what it added is deleted here, and the other way round.

use crate::{Attachment, Error, Network, Success, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const KIND: &str = "cniCacheV1";

/// The directory of attachments (`/var/lib/cni/results`).
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
}

/// An attachment that was added, or was about to be.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) attachment: Attachment,
    /// What was made, up to the last plugin that was done.
    pub(crate) success: Option<Success>,
    /// The places of the plugins that were done in process.
    pub(crate) in_process: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    kind: String,
    container_id: String,
    config: String,
    if_name: String,
    network_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    netns: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cni_args: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capability_args: Option<crate::Capabilities>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Ours: who added is who deletes.
    #[serde(default, rename = "inProcess", skip_serializing_if = "Vec::is_empty")]
    in_process: Vec<usize>,
}

/// What is known of an addition, and whether this is to be on disk at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress<'a> {
    pub(crate) version: Version,
    pub(crate) made: Option<&'a Success>,
    pub(crate) in_process: &'a [usize],
    pub(crate) durable: bool,
}

impl Cache {
    /// Attachments below `root`, `/var/lib/cni` by default.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            directory: root.join("results"),
        }
    }

    fn file(&self, network: &str, attachment: &Attachment) -> PathBuf {
        let (container, interface) = (&attachment.container, &attachment.interface);
        self.directory
            .join(format!("{network}-{container}-{interface}"))
    }

    /// Keeps an attachment: before anything is made, after each plugin, and then on disk.
    pub(crate) fn keep(
        &self,
        network: &Network,
        attachment: &Attachment,
        progress: Progress<'_>,
    ) -> Result<(), Error> {
        let path = self.file(&network.name, attachment);
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let write = || {
            // The oldest versions have no form for what is nothing yet.
            let made = progress.made.filter(|made| **made != Success::default());
            let result = made.map(|success| success.write(progress.version));
            let record = Record {
                kind: KIND.to_owned(),
                container_id: attachment.container.clone(),
                config: STANDARD.encode(network.document.to_string()),
                if_name: attachment.interface.clone(),
                network_name: network.name.clone(),
                netns: attachment.netns.clone(),
                cni_args: attachment.args.clone(),
                capability_args: Some(attachment.capabilities.clone()),
                result: result.transpose().map_err(invalid)?,
                in_process: progress.in_process.to_vec(),
            };
            fs::create_dir_all(&self.directory)?;
            replace(&path, &serde_json::to_vec(&record)?, progress.durable)
        };
        write().map_err(Error::io("write", &path))
    }

    /// The entry of an attachment, if there is one.
    ///
    /// # Errors
    /// Also if its file is another's: `a-b` with `c` has the same name as `a` with `b-c`.
    pub(crate) fn find(
        &self,
        network: &str,
        attachment: &Attachment,
    ) -> Result<Option<Entry>, Error> {
        let path = self.file(network, attachment);
        let Some((own, entry)) = self.read(&path)? else {
            return Ok(None);
        };
        let same = own == network
            && entry.attachment.container == attachment.container
            && entry.attachment.interface == attachment.interface;
        match same {
            true => Ok(Some(entry)),
            false => Err(Error::Attachment {
                field: "container id",
                value: attachment.container.clone(),
                reason: "and this network's name together are those of another attachment",
            }),
        }
    }

    /// Every entry of a network.
    pub(crate) fn of_network(&self, network: &str) -> Result<Vec<Entry>, Error> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("read", &self.directory))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("read", &self.directory))?;
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(|name| name.starts_with(network));
            if !ours {
                continue;
            }
            let read = self.read(&entry.path())?;
            found.extend(read.filter(|(own, _)| own == network).map(|(_, e)| e));
        }
        Ok(found)
    }

    fn read(&self, path: &Path) -> Result<Option<(String, Entry)>, Error> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io("read", path))?,
        };
        // What is no record tells nothing; an older libcni kept bare results.
        let Ok(record) = serde_json::from_slice::<Record>(&text) else {
            return Ok(None);
        };
        let result = record.result.as_ref();
        let success = result.and_then(|result| Success::read(result, Version::V100).ok());
        let entry = Entry {
            attachment: Attachment {
                container: record.container_id,
                netns: record.netns,
                interface: record.if_name,
                args: record.cni_args,
                capabilities: record.capability_args.unwrap_or_default(),
            },
            success,
            in_process: record.in_process,
        };
        Ok(Some((record.network_name, entry)))
    }

    /// Forgets an attachment.
    pub(crate) fn forget(&self, network: &str, attachment: &Attachment) -> Result<(), Error> {
        let path = self.file(network, attachment);
        // What a crash may have left of a replacement goes too.
        for path in [replacement(&path), path] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(Error::io("remove", &path))?,
            }
        }
        Ok(())
    }
}

/// Where a file is written before it takes a place. No attachment has such a name: identifiers do
/// not begin with a dot.
fn replacement(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

/// Replaces a file by rename; on disk when this returns if it is to be `durable`.
fn replace(path: &Path, content: &[u8], durable: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let new = replacement(path);
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&new, path)?;
    if durable {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
