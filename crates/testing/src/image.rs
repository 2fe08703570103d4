//! The image that tests run: a static busybox with its commands and a few accounts.

use std::process::Command;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    daemon:x:1:1:daemon:/usr/sbin:/bin/sh\n\
    alice:x:1000:1000:Alice:/home/alice:/bin/sh\n";
const GROUP: &str = "root:x:0:\ndaemon:x:1:\nalice:x:1000:\nwheel:x:10:alice\n";

/// A tar archive of the root file system.
pub fn busybox() -> Vec<u8> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| std::fs::exists(path).unwrap_or(false))
        .expect("busybox-static is installed");
    let tree = tempfile::tempdir().expect("a temporary directory");
    for directory in [
        "bin",
        "etc",
        "tmp",
        "root",
        "home/alice",
        "proc",
        "sys",
        "dev",
    ] {
        std::fs::create_dir_all(tree.path().join(directory)).expect("a directory");
    }
    let bin = tree.path().join("bin");
    std::fs::copy(busybox, bin.join("busybox")).expect("busybox is copied");
    let list = Command::new(busybox)
        .arg("--list")
        .output()
        .expect("busybox runs");
    for applet in String::from_utf8_lossy(&list.stdout).lines() {
        if applet != "busybox" {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).expect("a link");
        }
    }
    std::fs::write(tree.path().join("etc/passwd"), PASSWD).expect("a file");
    std::fs::write(tree.path().join("etc/group"), GROUP).expect("a file");
    std::fs::write(tree.path().join("etc/not-executable"), "#!/bin/sh\n").expect("a file");
    let archive = Command::new("tar")
        .arg("-C")
        .arg(tree.path())
        .args(["--owner=0", "--group=0", "-c", "."])
        .output()
        .expect("tar runs");
    assert!(archive.status.success(), "tar makes an archive");
    archive.stdout
}
