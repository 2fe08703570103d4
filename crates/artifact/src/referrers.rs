//! `corten artifact referrers`: what is about a manifest.

use crate::remote::{Remote, reference};
use oci::Reference;
use oci::image::Descriptor;
use std::fmt::Write;

/// List the manifests that are about another: signatures, attestations, lists of parts
#[derive(Debug, clap::Args)]
pub(crate) struct Referrers {
    #[command(flatten)]
    remote: Remote,
    /// Only artifacts of this type
    #[arg(long = "type", value_name = "TYPE")]
    artifact_type: Option<String>,
    /// How to list them
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// NAME[:TAG|@DIGEST] of the manifest or index that they are about
    #[arg(value_parser = reference)]
    name: Reference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

impl Referrers {
    pub(crate) async fn run(self) -> anyhow::Result<String> {
        let (repository, subject) = self.remote.manifest(&self.name).await?;
        let digest = subject.descriptor.digest;
        let found = repository
            .referrers(&digest, self.artifact_type.as_deref())
            .await?;
        match self.format {
            Format::Table => Ok(table(&found)),
            Format::Json => Ok(serde_json::to_string_pretty(&found)? + "\n"),
        }
    }
}

fn table(found: &[Descriptor]) -> String {
    let kind = |entry: &Descriptor| entry.artifact_type.clone().unwrap_or_default();
    let width = found.iter().map(|entry| kind(entry).len()).max();
    let width = width.unwrap_or_default().max("TYPE".len());
    let mut text = String::new();
    let mut line = |kind: &str, size: &str, digest: &str| {
        let _infallible = writeln!(text, "{kind:width$}   {size:>8}   {digest}");
    };
    line("TYPE", "SIZE", "DIGEST");
    for entry in found {
        let (size, digest) = (entry.size.to_string(), entry.digest.to_string());
        line(&kind(entry), &size, &digest);
    }
    text
}
