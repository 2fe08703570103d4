//! The disk is full at each of its pages, or out of files; then there is room again.
//!
//! A sample runs as a test; `CORTEN_FAULTS=all` fails every page. The file systems are of a
//! process of its own, in a mount namespace of its own.

use crate::killed::{VERBS, check, give, prepare, try_act};
use crate::server::Server;
use crate::world::World;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use std::path::Path;
use std::process::Command;

/// `all` or `some`.
const CHILD: &str = "CORTEN_TEST_FAULTS";
/// Points of each verb that a sample has.
const SAMPLE: u64 = 12;
const PAGE: u64 = 4096;
const MOST: u64 = 64 << 20;

/// What runs out.
#[derive(Clone, Copy, Debug)]
enum Scarce {
    Bytes,
    Files,
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_point_loses_nothing_and_leaves_nothing() {
    let which = std::env::var("CORTEN_FAULTS").unwrap_or_else(|_| "some".to_owned());
    let child = tokio::task::spawn_blocking(move || {
        Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "faults::child",
                "--test-threads=1",
                "--nocapture",
            ])
            .env(CHILD, which)
            .output()
            .unwrap()
    });
    let child = child.await.unwrap();
    let words = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{words}");
    assert!(words.contains(" refused"), "{words}");
    // Figures for whoever wants them.
    eprintln!("{words}");
}

/// The process with the file systems; by itself it does nothing.
#[tokio::test]
async fn child() {
    let Ok(which) = std::env::var(CHILD) else {
        return;
    };
    let server = Server::start().await;
    server.publish("app:1", &["one"]);
    let (mut points, mut refused) = (0, 0);
    for verb in VERBS {
        for scarce in [Scarce::Bytes, Scarce::Files] {
            let most = last(verb, scarce, &server).await;
            let sample = (most / SAMPLE).max(1);
            let step = if which == "all" { 1 } else { sample };
            for room in (0..=most).step_by(usize::try_from(step).unwrap()) {
                let done = fails_well(verb, scarce, room, &server).await;
                points += 1;
                refused += u64::from(!done);
            }
        }
    }
    assert!(refused > points / 4, "{refused} of {points}");
    eprintln!("{points} points, {refused} refused");
}

/// The least room, in powers of two, that lets the verb get through.
async fn last(verb: &str, scarce: Scarce, server: &Server) -> u64 {
    let mut room = 1;
    while !fails_well(verb, scarce, room, server).await {
        room *= 2;
        assert!(
            room * PAGE < MOST,
            "{verb} needs more than {room} of {scarce:?}"
        );
    }
    room
}

/// Does the verb with so many pages or files left; says whether it got through.
async fn fails_well(verb: &str, scarce: Scarce, room: u64, server: &Server) -> bool {
    let world = World::new();
    let dir = world.dir.path().to_owned();
    let flags = MountFlags::empty();
    mount(
        "tmpfs",
        &dir,
        "tmpfs",
        flags,
        limits(MOST, 10_000).as_c_str(),
    )
    .unwrap();
    let before = prepare(&world, verb).await;
    let used = rustix::fs::statvfs(&dir).unwrap();
    let (bytes, files) = (
        (used.f_blocks - used.f_bfree) * used.f_frsize,
        used.f_files - used.f_ffree,
    );
    resize(
        &dir,
        &match scarce {
            Scarce::Bytes => limits(bytes + room * PAGE, 10_000),
            Scarce::Files => limits(MOST, files + room),
        },
    );
    let done = match world.try_open() {
        Ok(images) => try_act(&images, verb, &server.address).await,
        Err(error) => Err(error),
    };
    resize(&dir, &limits(MOST, 10_000));
    let label = format!("{verb} with room for {room} of {scarce:?}: {done:?}");
    let images = world.open();
    let there = check(&world, &images, verb, &before, &label);
    // What is said to be done is.
    if done.is_ok() {
        assert_eq!(there, !matches!(verb, "remove" | "collect"), "{label}");
    }
    give(&images, "after", "the store still works").await;
    drop(images);
    unmount(&dir, UnmountFlags::empty()).unwrap();
    done.is_ok()
}

fn limits(bytes: u64, files: u64) -> std::ffi::CString {
    std::ffi::CString::new(format!("size={bytes},nr_inodes={files}")).unwrap()
}

fn resize(dir: &Path, limits: &std::ffi::CStr) {
    mount_remount(dir, MountFlags::empty(), limits).unwrap();
}
