//! `corten artifact pull`: the files of an artifact.

use crate::push::TITLE;
use crate::remote::{Remote, reference};
use anyhow::{Context, Result, bail};
use content::Hasher;
use oci::Reference;
use oci::image::{Descriptor, Document};
use registry::{Access, Repository};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

/// Fetch an artifact's files, and print their names
#[derive(Debug, clap::Args)]
pub(crate) struct Pull {
    #[command(flatten)]
    remote: Remote,
    /// Directory to write them to
    #[arg(long, short, default_value = ".", value_name = "DIR")]
    output: PathBuf,
    /// NAME[:TAG|@DIGEST]
    #[arg(value_parser = reference)]
    name: Reference,
}

impl Pull {
    pub(crate) async fn run(self) -> Result<String> {
        let repository = self.remote.repository(&self.name, Access::Pull)?;
        let fetched = repository.manifest().await?;
        let Document::Manifest(manifest) = fetched.document else {
            bail!(
                "{} is an index: name one of its manifests by digest",
                self.name.familiar()
            );
        };
        let mut taken = HashSet::new();
        let mut files = Vec::new();
        // All names are looked at before anything is written.
        for layer in &manifest.layers {
            let Some(name) = file_name(layer)? else {
                continue;
            };
            if !taken.insert(name) {
                bail!("two files of {} are called {name:?}", self.name.familiar());
            }
            files.push((name, layer));
        }
        fs::create_dir_all(&self.output)
            .with_context(|| format!("cannot make {}", self.output.display()))?;
        let mut text = String::new();
        for (name, layer) in files {
            let fetched = self.fetch(&repository, name, layer).await;
            fetched.with_context(|| format!("cannot fetch {name:?}"))?;
            text.push_str(name);
            text.push('\n');
        }
        Ok(text)
    }

    /// A file appears whole, or as it was.
    async fn fetch(&self, repository: &Repository, name: &str, layer: &Descriptor) -> Result<()> {
        let draft = self.output.join(format!(".{name}.{}", std::process::id()));
        let written = async {
            let mut file = File::create_new(&draft)?;
            copy(repository, layer, &mut file).await?;
            fs::rename(&draft, self.output.join(name))?;
            Ok(())
        };
        let written = written.await;
        if written.is_err() {
            drop(fs::remove_file(&draft));
        }
        written
    }
}

/// Writes a blob, which has to be what its descriptor says.
async fn copy(repository: &Repository, layer: &Descriptor, file: &mut File) -> Result<()> {
    let mut hasher = Hasher::new(layer.digest.algorithm());
    let mut download = repository.blob(layer, 0);
    while let Some(chunk) = download.chunk().await? {
        if download.at() > layer.size {
            bail!("it is longer than the {} bytes that were said", layer.size);
        }
        hasher.update(&chunk);
        file.write_all(&chunk)?;
    }
    if download.at() != layer.size {
        bail!("it has {} bytes instead of {}", download.at(), layer.size);
    }
    let found = hasher.finish();
    if found != layer.digest {
        bail!("its digest is {found} instead of {}", layer.digest);
    }
    Ok(())
}

/// The name of a layer's file; `None` for one that is no file. It is a name in the directory
/// and never a way out of it.
fn file_name(layer: &Descriptor) -> Result<Option<&str>> {
    let Some(title) = layer.annotations.get(TITLE) else {
        return Ok(None);
    };
    let long = title.len() > 200;
    if title.is_empty() || title == "." || title == ".." || title.contains(['/', '\0']) || long {
        bail!("the artifact has a file called {title:?}, which is no plain file name");
    }
    Ok(Some(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_lead_out_of_the_directory() {
        let layer = |title: &str| {
            let digest = Hasher::digest(types::Algorithm::Sha256, b"");
            let mut layer = Descriptor::new("text/plain", digest, 0);
            layer.annotations.insert(TITLE.to_owned(), title.to_owned());
            layer
        };
        for bad in [
            "",
            ".",
            "..",
            "/etc/passwd",
            "a/b",
            "../x",
            "a\0b",
            &"x".repeat(201),
        ] {
            assert!(file_name(&layer(bad)).is_err(), "{bad:?}");
        }
        assert_eq!(file_name(&layer("..x")).unwrap(), Some("..x"));
        let untitled = Descriptor::new("text/plain", layer("x").digest, 0);
        assert_eq!(file_name(&untitled).unwrap(), None);
    }
}
