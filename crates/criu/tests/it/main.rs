//! CRIU itself, where it is installed.
#![expect(clippy::print_stderr, reason = "a test says why it skips")]

use criu::rpc::{CriuFeatures, CriuOpts};
use criu::{Criu, Error, Kind, Request};

fn installed() -> bool {
    let version = std::process::Command::new("criu").arg("--version").output();
    let there = version.is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: criu is not installed");
    }
    there
}

#[test]
fn its_version_and_features_are_asked() {
    if !installed() {
        return;
    }
    assert!(criu::version().unwrap() >= 30_000);
    let asked = CriuFeatures {
        mem_track: Some(true),
        lazy_pages: Some(true),
        pidfd_store: None,
    };
    let found = criu::features(asked).unwrap();
    assert!(found.mem_track.is_some() && found.lazy_pages.is_some());
}

#[test]
fn what_it_cannot_do_is_an_error() {
    if !installed() {
        return;
    }
    // A directory that no request names is none that can be written to.
    let request = Request {
        kind: Kind::Dump,
        options: CriuOpts {
            images_dir_fd: -1,
            ..CriuOpts::default()
        },
    };
    let answer = Criu::start(&[])
        .unwrap()
        .run(&request, |_| Ok::<(), Error>(()));
    assert!(
        matches!(
            answer,
            Err(Error::Failed {
                kind: Kind::Dump,
                ..
            })
        ),
        "{answer:?}"
    );
}
