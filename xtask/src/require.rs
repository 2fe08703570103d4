//! What the tests need of the system, installed where it is missing.

use crate::build::succeed;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// A file that shows a Debian package is there, and the package.
const PACKAGES: &[(&str, &str)] = &[
    ("/bin/busybox", "busybox-static"),
    ("/usr/bin/fsck.erofs", "erofs-utils"),
    ("/usr/lib/x86_64-linux-gnu/libseccomp.so.2", "libseccomp2"),
    ("/usr/sbin/debootstrap", "debootstrap"),
    ("/usr/bin/strace", "strace"),
    ("/usr/bin/docker-registry", "docker-registry"),
    ("/usr/bin/zstd", "zstd"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/ping", "iputils-ping"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/bin/newuidmap", "uidmap"),
    ("/usr/bin/pasta", "passt"),
    ("/usr/bin/slirp4netns", "slirp4netns"),
];

/// Installs the packages whose files are missing; each is named before.
pub(crate) fn install() -> Result<()> {
    let missing: Vec<_> = PACKAGES
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing for the tests: {}", missing.join(" "));
    succeed(Command::new("apt-get").args(["update", "-qq"]))
        .context("the tests need apt-get and root")?;
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    succeed(
        Command::new("apt-get")
            .args(install)
            .args(missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}
