//! The machine's first root: busybox, modules, test executables, and an init that runs them.

use super::Executable;
use super::cpio::Archive;
use super::kernel::Kernel;
use anyhow::{Context, Result};
use std::fs;
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;

/// Modules that the tests need, loaded in this order with what they depend on.
pub(super) const MODULES: &[&str] = &[
    "overlay",
    "loop",
    "erofs",
    "fuse",
    "veth",
    "bridge",
    "dummy",
    "macvlan",
    "ipvlan",
    "8021q",
    "sctp",
    "nf_tables",
    "nft_chain_nat",
    "nft_masq",
    "nft_ct",
    "nft_nat",
    "nft_redir",
    "nft_fib_inet",
    "nft_reject_inet",
    "nft_log",
    "nft_limit",
    "vsock",
    "unix_diag",
    "tcp_diag",
    "udp_diag",
    "raw_diag",
    "af_packet_diag",
    "netlink_diag",
    "nf_conntrack_netlink",
    "tun",
];

/// Root becomes a tmpfs, since pivot_root(2) refuses the initial ramfs; then each test runs.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /new
/bin/busybox mount -t tmpfs -o size=2400m,mode=755 root /new
/bin/busybox cp -a /bin /lib /tests /etc /usr /new/
/new/bin/busybox mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/run /new/root /new/var
exec /new/bin/busybox switch_root /new /bin/busybox sh /tests/run
"#;

const RUN: &str = r#"export PATH=/bin:/usr/bin:/sbin:/usr/sbin:/tests/bin HOME=/root RUST_BACKTRACE=1 CORTEN_BINARIES=/tests/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t securityfs none /sys/kernel/security 2>/dev/null
mount -t cgroup2 none /sys/fs/cgroup
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done 2>/dev/null
for m in @MODULES@; do modprobe $m 2>/dev/null || echo "no module $m"; done
# Linux 6.1 maps no ids of a tmpfs, and keeps no user attributes there.
truncate -s 700M /disk; mke2fs -F /disk >/dev/null; mount -t ext4 -o loop /disk /tmp
ip link set lo up
uname -r; cat /sys/kernel/security/lsm 2>/dev/null; echo
cat /sys/fs/cgroup/cgroup.controllers
@TESTS@
poweroff -f
"#;

/// Writes the archive to `target`.
pub(crate) fn write(
    target: &Path,
    kernel: &Kernel,
    tests: &[&Executable],
    arguments: &dyn Fn(&Executable) -> String,
) -> Result<()> {
    let mut archive = Archive::new(BufWriter::new(fs::File::create(target)?));
    for folder in [
        "dev",
        "etc",
        "lib",
        "proc",
        "sys",
        "tests",
        "tests/bin",
        "usr",
        "usr/bin",
    ] {
        archive.directory(folder)?;
    }
    let busybox = fs::read("/bin/busybox").context("the machine needs busybox-static")?;
    archive.file("usr/bin/busybox", &busybox)?;
    archive.link("bin", "usr/bin")?;
    for applet in applets()? {
        archive.link(&format!("usr/bin/{applet}"), "busybox")?;
    }
    archive.file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n")?;
    archive.file("etc/group", b"root:x:0:\n")?;
    modules(&mut archive, "lib/modules", kernel)?;
    for test in tests {
        archive.file(&format!("tests/{}", test.name), &stripped(&test.path)?)?;
    }
    archive.file("init", INIT.as_bytes())?;
    let run = RUN
        .replace("@MODULES@", &MODULES.join(" "))
        .replace("@TESTS@", &running(tests, arguments));
    archive.file("tests/run", run.as_bytes())?;
    Ok(archive.finish()?)
}

/// Commands that run every test, and say how each ended and what was skipped.
pub(super) fn running(tests: &[&Executable], arguments: &dyn Fn(&Executable) -> String) -> String {
    let places = places(tests);
    let one = |test: &&&Executable| {
        let (name, arguments) = (&test.name, arguments(test));
        format!(
            "echo '== {name}'; /tests/{name} --test-threads 2 {arguments} </dev/null; echo \"@@ {name} $?\"\n"
        )
    };
    let tests = tests.iter().filter(|test| !test.is_binary());
    let tests: String = tests.map(|test| one(&test)).collect();
    format!(
        r#"{places}export CORTEN_SKIP_LOG=/tmp/skipped; : >$CORTEN_SKIP_LOG
{tests}sed 's/^/@@ skipped /' $CORTEN_SKIP_LOG
echo "@@ end""#
    )
}

/// Commands that put each binary where tests know it: at the path that it was built at.
fn places(tests: &[&Executable]) -> String {
    let binaries = tests.iter().filter(|test| test.is_binary());
    let place = |binary: &&Executable| {
        let (path, folder) = (&binary.path, binary.path.parent());
        let folder = folder.unwrap_or(Path::new("/")).display();
        let (name, path) = (&binary.name, path.display());
        format!("mkdir -p '{folder}'; ln -s '/tests/{name}' '{path}'\n")
    };
    binaries.map(place).collect()
}

fn applets() -> Result<Vec<String>> {
    let output = Command::new("/bin/busybox").arg("--list").output()?;
    let names = String::from_utf8(output.stdout)?;
    Ok(names
        .lines()
        .filter(|name| *name != "busybox")
        .map(str::to_owned)
        .collect())
}

/// The wanted modules and all they depend on, with the index that modprobe reads.
pub(super) fn modules<W: std::io::Write>(
    archive: &mut Archive<W>,
    folder: &str,
    kernel: &Kernel,
) -> Result<()> {
    let version = kernel
        .modules
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let base = format!("{folder}/{version}");
    archive.directory(folder)?;
    archive.directory(&base)?;
    let index = fs::read_to_string(kernel.modules.join("modules.dep"))?;
    archive.file(&format!("{base}/modules.dep"), index.as_bytes())?;
    let mut made = std::collections::BTreeSet::new();
    for line in index.lines() {
        let (file, depends) = line.split_once(':').unwrap_or((line, ""));
        let name = Path::new(file)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .replace('-', "_");
        if !MODULES.contains(&name.as_str()) {
            continue;
        }
        for needed in std::iter::once(file).chain(depends.split_whitespace()) {
            if made.insert(needed.to_owned()) {
                folders(archive, &base, needed, &mut made)?;
                archive.file(
                    &format!("{base}/{needed}"),
                    &fs::read(kernel.modules.join(needed))?,
                )?;
            }
        }
    }
    Ok(())
}

fn folders<W: std::io::Write>(
    archive: &mut Archive<W>,
    base: &str,
    file: &str,
    made: &mut std::collections::BTreeSet<String>,
) -> Result<()> {
    let parents: Vec<_> = Path::new(file).ancestors().skip(1).collect();
    for parent in parents.into_iter().rev() {
        let name = parent.display().to_string();
        if !name.is_empty() && made.insert(format!("{name}/")) {
            archive.directory(&format!("{base}/{name}"))?;
        }
    }
    Ok(())
}

/// An executable without its debugging sections, which the machine has no room for.
pub(super) fn stripped(path: &Path) -> Result<Vec<u8>> {
    let copy = crate::build::root().join("target/vm/stripped");
    crate::build::succeed(Command::new("strip").arg("-o").arg(&copy).arg(path))?;
    Ok(fs::read(copy)?)
}
