//! `corten artifact inspect`: a manifest as the registry has it.

use crate::remote::{Remote, reference};
use oci::Reference;

/// Show a manifest or an index, byte for byte
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    remote: Remote,
    /// NAME[:TAG|@DIGEST]
    #[arg(value_parser = reference)]
    name: Reference,
}

impl Inspect {
    pub(crate) async fn run(self) -> anyhow::Result<String> {
        let (_, fetched) = self.remote.manifest(&self.name).await?;
        Ok(String::from_utf8_lossy(&fetched.bytes).into_owned())
    }
}
