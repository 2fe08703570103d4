//! A large image of Debian packages, installed in stages: each is a layer.

use crate::bench::layout::Layout;
use crate::build::succeed;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What each stage after the first installs.
const STAGES: &[&[&str]] = &[
    &["python3-scipy"],
    &["g++", "make"],
    &["git", "vim", "perl-doc"],
    &["golang-go"],
];

/// A made image.
pub(super) struct Made {
    /// The archive to load.
    pub(super) archive: PathBuf,
    /// The compressed layers.
    pub(super) layers: Vec<PathBuf>,
    /// Entries of the last root file system.
    pub(super) files: usize,
}

/// Makes it in `home`, or takes what an earlier call left there.
pub(super) fn image(home: &Path, reference: &str) -> Result<Made> {
    let (archive, list) = (home.join("image.tar"), home.join("layers"));
    if let Ok(text) = fs::read_to_string(&list) {
        let (files, layers) = text.split_once('\n').context("a list of layers")?;
        return Ok(Made {
            archive,
            layers: layers.lines().map(PathBuf::from).collect(),
            files: files.parse()?,
        });
    }
    println!("making an image of Debian packages in {}", home.display());
    let tree = home.join("tree");
    let mut layout = Layout::create(&home.join("layout"))?;
    let mut debootstrap = Command::new("debootstrap");
    debootstrap
        .args(["--variant=minbase", "bookworm"])
        .arg(&tree);
    succeed(debootstrap.stdout(Stdio::null()))?;
    fs::copy("/etc/resolv.conf", tree.join("etc/resolv.conf"))?;
    let plain = tree.to_str().context("a plain path")?;
    let excluded = [
        "--exclude=./var/cache/apt/*.bin",
        "--exclude=./var/lib/apt/lists/*",
    ];
    layout.layer(&[&["-C", plain], &excluded[..], &["."]].concat())?;
    for packages in STAGES {
        let stamp = install(&tree, packages)?;
        let newer = format!("--newer={}", stamp.display());
        layout.layer(&[&["-C", plain, newer.as_str()], &excluded[..], &["."]].concat())?;
    }
    let files = count(&tree)?;
    fs::remove_dir_all(&tree)?;
    let layers = layout.finish(reference, &archive)?;
    let names: Vec<_> = layers
        .iter()
        .map(|layer| layer.display().to_string())
        .collect();
    fs::write(&list, format!("{files}\n{}", names.join("\n")))?;
    Ok(Made {
        archive,
        layers,
        files,
    })
}

/// Installs packages; gives a file that is older than all that this changed.
fn install(tree: &Path, packages: &[&str]) -> Result<PathBuf> {
    let stamp = tree.with_extension("stamp");
    fs::write(&stamp, "")?;
    // Times of files are compared by the second here and there.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let mut chroot = Command::new("chroot");
    chroot
        .arg(tree)
        .args(["apt-get", "install", "-y", "-qq", "--no-install-recommends"]);
    let quiet = chroot
        .args(packages)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    succeed(quiet.env("DEBIAN_FRONTEND", "noninteractive"))?;
    succeed(Command::new("chroot").arg(tree).args(["apt-get", "clean"]))?;
    Ok(stamp)
}

fn count(tree: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        files += 1;
        if entry.file_type()?.is_dir() {
            files += count(&entry.path())?;
        }
    }
    Ok(files)
}
