//! A whole Debian in the machine: systemd as its manager, CRIU, and who else the runtime works
//! with. The kernel is the other machine's.

use super::Executable;
use super::cpio::Archive;
use super::initramfs::{MODULES, modules, running, stripped};
use super::kernel::Kernel;
use crate::build::{root, succeed};
use anyhow::{Context, Result};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is in it beside Debian's smallest system. Only sid has CRIU.
const PACKAGES: &str =
    "systemd-sysv,dbus,libpam-systemd,criu,uidmap,apparmor,kmod,nftables,iproute2,procps,secilc";

/// What no test reads, and the machine has no room for.
const LEFT_OUT: &[&str] = &[
    "boot",
    "dev",
    "proc",
    "sys",
    "usr/share/doc",
    "usr/share/i18n",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/perl",
    "usr/lib/x86_64-linux-gnu/perl",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg",
];

/// pivot_root(2) refuses the initial ramfs, but not a mount of it.
const INIT: &str = r#"#!/usr/bin/busybox sh
/usr/bin/busybox mount --bind / /mnt
cd /mnt
/usr/bin/busybox mount --move . /
exec /usr/bin/busybox chroot . /sbin/init
"#;

const SERVICE: &str = "[Unit]
Description=Tests
After=basic.target dbus.socket
[Service]
Type=oneshot
Delegate=yes
ExecStart=/usr/bin/busybox sh /tests/run
";

const RUN: &str = r#"exec >/dev/ttyS0 2>&1
# No transition of labels, as no setuid, from where systemd mounts /tmp.
export PATH=/usr/sbin:/usr/bin:/tests/bin HOME=/root RUST_BACKTRACE=1 TMPDIR=/var/tmp CORTEN_BINARIES=/tests/bin
for m in @MODULES@; do modprobe $m 2>/dev/null; done
# Linux 6.1 maps no ids of what the machine's root is.
truncate -s 1G /disk; busybox mke2fs -F /disk >/dev/null; mount -t ext4 -o loop /disk /var/tmp
# A user with ids of its own below, and a manager of its own.
useradd --create-home --uid 1000 tester
systemctl start user@1000 || journalctl --no-pager -n 30
uname -r; systemctl --version | head -n 1; cat /sys/kernel/security/lsm; echo
cat /sys/fs/cgroup/cgroup.controllers
@TESTS@
systemctl poweroff --force --force
"#;

/// Debian's tree, made once.
pub(super) fn tree() -> Result<PathBuf> {
    let (tree, draft) = (
        root().join("target/vm/system"),
        root().join("target/vm/system.draft"),
    );
    if tree.exists() {
        return Ok(tree);
    }
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    let include = format!("--include={PACKAGES}");
    let bootstrap = ["--variant=minbase", &include, "sid"];
    let mut debootstrap = Command::new("debootstrap");
    // Its errors alone: what it does takes a thousand lines.
    debootstrap
        .args(bootstrap)
        .arg(&draft)
        .stdout(Stdio::null());
    succeed(&mut debootstrap)?;
    fs::rename(&draft, &tree)?;
    Ok(tree)
}

/// Writes the archive to `target`.
pub(super) fn write(
    target: &Path,
    kernel: &Kernel,
    tests: &[&Executable],
    arguments: &dyn Fn(&Executable) -> String,
) -> Result<()> {
    let tree = tree()?;
    let mut archive = Archive::new(BufWriter::new(fs::File::create(target)?));
    add(&mut archive, &tree, Path::new(""))?;
    for folder in ["dev", "proc", "sys", "tests", "tests/bin"] {
        archive.directory(folder)?;
    }
    let busybox = fs::read("/bin/busybox").context("the machine needs busybox-static")?;
    archive.file("usr/bin/busybox", &busybox)?;
    modules(&mut archive, "usr/lib/modules", kernel)?;
    for test in tests {
        archive.file(&format!("tests/{}", test.name), &stripped(&test.path)?)?;
    }
    let units = "etc/systemd/system";
    archive.file(&format!("{units}/tests.service"), SERVICE.as_bytes())?;
    let wanted = format!("{units}/multi-user.target.wants/tests.service");
    archive.link(&wanted, "/etc/systemd/system/tests.service")?;
    archive.file("init", INIT.as_bytes())?;
    let run = RUN
        .replace("@MODULES@", &MODULES.join(" "))
        .replace("@TESTS@", &running(tests, arguments));
    archive.file("tests/run", run.as_bytes())?;
    Ok(archive.finish()?)
}

/// Adds what is in a folder of the tree.
fn add<W: Write>(archive: &mut Archive<W>, tree: &Path, folder: &Path) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(tree.join(folder))?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = folder.join(entry.file_name());
        let text = name.to_str().context("a name is not UTF-8")?;
        if LEFT_OUT.contains(&text) {
            continue;
        }
        archive.copy(text, &entry.path())?;
        if entry.file_type()?.is_dir() {
            add(archive, tree, &name)?;
        }
    }
    Ok(())
}
