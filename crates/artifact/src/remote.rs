//! The repository that a name is in, as the caller may see it.

use anyhow::{Context, Result};
use client::credentials;
use oci::Reference;
use registry::{Access, Credentials, Fetched, Proxies, Registries, Repository, Settings};
use unpack::Unpack;

/// How registries are spoken to.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Remote {
    /// Speak to this registry (HOST:PORT, or a network) in the clear, or whoever vouches for it
    #[arg(long = "insecure-registry", value_name = "HOST")]
    insecure: Vec<String>,
}

impl Remote {
    /// The repository of `reference`.
    pub(crate) fn repository(&self, reference: &Reference, access: Access) -> Result<Repository> {
        let proxies = Proxies::from_environment();
        proxies.check().context("invalid proxy")?;
        let settings = Settings {
            insecure: self.insecure.clone(),
            hosts: Settings::places(),
            proxies,
            ..Settings::default()
        };
        let registries = Registries::new(settings, Unpack::beside()?);
        let kept = credentials::of(&reference.name())?;
        let shown = kept.map(Credentials::from);
        let shown = shown.filter(Credentials::is_something);
        Ok(registries.repository(reference, shown, access)?)
    }

    /// The manifest or index under a name.
    pub(crate) async fn manifest(&self, reference: &Reference) -> Result<(Repository, Fetched)> {
        let repository = self.repository(reference, Access::Pull)?;
        let fetched = repository.manifest().await?;
        Ok((repository, fetched))
    }
}

/// A name as people type it.
pub(crate) fn reference(text: &str) -> Result<Reference, String> {
    text.parse()
        .map_err(|error: oci::ReferenceError| error.to_string())
}
