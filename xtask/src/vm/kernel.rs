//! QEMU and Debian's kernel, from Debian's own packages.

use crate::build::{root, succeed};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A kernel and its modules, unpacked below `target/vm`.
pub(crate) struct Kernel {
    /// The bzImage.
    pub(crate) image: PathBuf,
    /// `lib/modules/VERSION`
    pub(crate) modules: PathBuf,
}

const SUITES: &str = "deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian-security bookworm-security main
deb http://deb.debian.org/debian bookworm-backports main
";

/// Installs QEMU where it is missing: from Debian 12's backports, with package lists of its
/// own, so that the system's sources stay as they are.
pub(crate) fn install() -> Result<()> {
    if Path::new("/usr/bin/qemu-system-x86_64").exists() {
        return Ok(());
    }
    println!("installing for the virtual machine: qemu-system-x86");
    let folder = root().join("target/vm/apt");
    fs::create_dir_all(folder.join("lists/partial"))?;
    fs::write(folder.join("sources.list"), SUITES)?;
    let apt = || {
        let mut command = Command::new("apt-get");
        command.arg(format!(
            "-oDir::Etc::SourceList={}",
            folder.join("sources.list").display()
        ));
        command.arg(format!(
            "-oDir::State::Lists={}",
            folder.join("lists").display()
        ));
        command
            .args(["-oDir::Etc::SourceParts=-", "-qq"])
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    succeed(apt().arg("update"))?;
    let packages = ["qemu-system-x86", "seabios", "kmod"];
    succeed(
        apt()
            .args([
                "install",
                "-y",
                "--no-install-recommends",
                "-t",
                "bookworm-backports",
            ])
            .args(packages),
    )
}

/// Debian 12's cloud kernel, downloaded and unpacked once.
pub(crate) fn fetch() -> Result<Kernel> {
    let folder = root().join("target/vm/kernel");
    if let Some(kernel) = find(&folder) {
        return Ok(kernel);
    }
    fs::create_dir_all(&folder)?;
    let depends = Command::new("apt-cache")
        .args(["depends", "linux-image-cloud-amd64"])
        .output()?;
    let text = String::from_utf8(depends.stdout)?;
    let package = text
        .split_whitespace()
        .find(|word| word.starts_with("linux-image-6"))
        .context("no linux-image-cloud-amd64 in the package lists: run apt-get update")?;
    succeed(
        Command::new("apt-get")
            .args(["download", "-qq", package])
            .current_dir(&folder),
    )?;
    let package = only(&folder, |name| name.ends_with(".deb")).context("nothing was downloaded")?;
    succeed(Command::new("dpkg-deb").arg("-x").arg(package).arg(&folder))?;
    let kernel = find(&folder).context("the kernel's package holds no kernel")?;
    let version = kernel.modules.file_name().unwrap_or_default();
    succeed(Command::new("depmod").arg("-b").arg(&folder).arg(version))?;
    Ok(kernel)
}

fn find(folder: &Path) -> Option<Kernel> {
    let image = only(&folder.join("boot"), |name| name.starts_with("vmlinuz"))?;
    let modules = only(&folder.join("lib/modules"), |_| true)?;
    Some(Kernel { image, modules })
}

fn only(folder: &Path, wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut names = entries.filter(|entry| wanted(&entry.file_name().to_string_lossy()));
    names.next().map(|entry| entry.path())
}
