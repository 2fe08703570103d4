//! `corten artifact rm`: tags and manifests taken out of a registry.

use crate::remote::{Remote, reference};
use anyhow::{Result, bail};
use oci::Reference;
use registry::Access;

/// Remove tags or, by digest, manifests
#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    #[command(flatten)]
    remote: Remote,
    /// NAME:TAG to remove the tag, NAME@DIGEST for the manifest with all its tags
    #[arg(value_parser = reference, required = true)]
    names: Vec<Reference>,
}

impl Rm {
    pub(crate) async fn run(self) -> Result<String> {
        let mut text = String::new();
        for name in &self.names {
            if name.tag().is_none() && name.digest().is_none() {
                bail!("{} has neither a tag nor a digest", name.familiar());
            }
            let repository = self.remote.repository(name, Access::Remove)?;
            repository.remove_manifest(name).await?;
            text.push_str(&name.familiar());
            text.push('\n');
        }
        Ok(text)
    }
}
