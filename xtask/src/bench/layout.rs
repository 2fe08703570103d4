//! An image made of directory trees: an OCI layout, layer by layer, and the archive of it.

use crate::build::succeed;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const OCI: &str = "application/vnd.oci.image";

/// A layout that grows.
pub(crate) struct Layout {
    directory: PathBuf,
    layers: Vec<Value>,
    diff_ids: Vec<String>,
}

impl Layout {
    /// An empty one in a new directory.
    pub(crate) fn create(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory.join("blobs/sha256"))?;
        Ok(Self {
            directory: directory.to_owned(),
            layers: Vec::new(),
            diff_ids: Vec::new(),
        })
    }

    /// Adds a layer: what `tar` writes with these arguments, compressed by gzip.
    pub(crate) fn layer(&mut self, arguments: &[&str]) -> Result<()> {
        let archive = self.directory.join("layer.tar");
        succeed(Command::new("tar").arg("-cf").arg(&archive).args(arguments))?;
        self.diff_ids.push(digest(&archive)?);
        let blob = self.directory.join("layer.tar.gz");
        let compressed = File::create(&blob)?;
        let gzip = Command::new("gzip")
            .arg("-nc")
            .arg(&archive)
            .stdout(compressed)
            .status();
        ensure!(gzip?.success(), "gzip failed");
        fs::remove_file(archive)?;
        let layer = self.keep(&blob, "layer.v1.tar+gzip")?;
        self.layers.push(layer);
        Ok(())
    }

    /// Writes the documents, and the archive of all. The blobs of the layers are what is left.
    pub(crate) fn finish(self, reference: &str, archive: &Path) -> Result<Vec<PathBuf>> {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = json!({"architecture": architecture, "os": "linux",
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids}});
        let config = self.document(&config, "config.v1+json")?;
        let manifest = json!({"schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"),
            "config": config, "layers": self.layers});
        let mut manifest = self.document(&manifest, "manifest.v1+json")?;
        manifest["annotations"] = json!({"io.containerd.image.name": reference,
            "org.opencontainers.image.ref.name": reference});
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        fs::write(self.directory.join("index.json"), index.to_string())?;
        let version = json!({"imageLayoutVersion": "1.0.0"});
        fs::write(self.directory.join("oci-layout"), version.to_string())?;
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(&self.directory).arg("-cf").arg(archive);
        succeed(tar.args(["oci-layout", "index.json", "blobs"]))?;
        let path = |layer: &Value| {
            let (_, hex) = layer["digest"].as_str()?.split_once(':')?;
            Some(self.directory.join("blobs/sha256").join(hex))
        };
        let paths = self.layers.iter().map(path);
        paths
            .collect::<Option<_>>()
            .context("a layer without a digest")
    }

    fn document(&self, document: &Value, kind: &str) -> Result<Value> {
        let path = self.directory.join("document.json");
        fs::write(&path, document.to_string())?;
        self.keep(&path, kind)
    }

    /// Moves a file among the blobs; gives its descriptor.
    fn keep(&self, file: &Path, kind: &str) -> Result<Value> {
        let digest = digest(file)?;
        let size = fs::metadata(file)?.len();
        let name = digest.trim_start_matches("sha256:");
        fs::rename(file, self.directory.join("blobs/sha256").join(name))?;
        Ok(json!({"mediaType": format!("{OCI}.{kind}"), "digest": digest, "size": size}))
    }
}

fn digest(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(file).output()?;
    ensure!(
        output.status.success(),
        "sha256sum failed on {}",
        file.display()
    );
    let text = String::from_utf8(output.stdout)?;
    let hex = text
        .split_whitespace()
        .next()
        .context("sha256sum is silent")?;
    Ok(format!("sha256:{hex}"))
}
