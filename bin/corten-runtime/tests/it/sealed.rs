//! The runtime's own executable.

use crate::bundle::Bundle;
use serde_json::Value;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};

#[test]
fn the_runtime_cannot_be_written_through_its_process() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    bundle.create();
    let state: Value = serde_json::from_str(&bundle.ok(&["state", &bundle.id])).unwrap();
    let exe = format!("/proc/{}/exe", state["pid"]);
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let exe = rustix::fs::open(exe, flags, rustix::fs::Mode::empty()).unwrap();
    bundle.ok(&["delete", "-f", &bundle.id]);
    // Other tests execute the same file, and that protects it too: so its mount is looked at.
    let flags = rustix::fs::fstatvfs(&exe).unwrap().f_flag;
    if !flags.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        let file = rustix::fs::open(
            format!("/proc/self/fd/{}", exe.as_raw_fd()),
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let seals = rustix::fs::fcntl_get_seals(file.unwrap()).unwrap();
        assert!(seals.contains(rustix::fs::SealFlags::WRITE));
        return;
    }
    let writable = sys::mount::Change {
        clear: sys::mount::attribute::RDONLY,
        ..sys::mount::Change::default()
    };
    let changed =
        sys::mount::set_attributes(exe.as_fd(), c"", &writable, sys::mount::Extent::Mount);
    let errno = changed.unwrap_err().raw_os_error();
    assert_eq!(errno, Some(rustix::io::Errno::INVAL.raw_os_error()));
}

/// Files of a tmpfs have a seal from the start, which is none of ours.
#[test]
fn the_runtime_is_not_copied_from_a_tmpfs_either() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    let folder = tempfile::TempDir::new_in("/dev/shm").unwrap();
    let own = bundle.command(&[]);
    let copy = folder.path().join("corten-runtime");
    // By another process: what a test beside this one starts would hold the file open to write.
    let copied = Command::new("cp")
        .arg(own.get_program())
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());
    let path = bundle.path();
    let output = Command::new(&copy)
        .args(own.get_args())
        .args([
            "--debug",
            "run",
            "--bundle",
            path.to_str().unwrap(),
            &bundle.id,
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("exeseal: using overlayfs"), "{said}");
}
