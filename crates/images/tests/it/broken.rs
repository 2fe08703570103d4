//! A write, a sync or a change of a directory fails, at any of them in any operation, in the
//! process or in its worker; then the store is opened again.
//!
//! A sample runs as a test; `CORTEN_BREAKS=N` tries N of each operation, victim and error.

use crate::killed::{VERBS, act, check, give, prepare, traced, works};
use crate::server::Server;
use crate::world::World;
use rustix::io::Errno;

/// Points of each operation, victim and error that a sample has.
const SAMPLE: u64 = 4;

#[tokio::test]
async fn a_write_or_sync_that_fails_loses_nothing_and_leaves_nothing() {
    let tries = std::env::var("CORTEN_BREAKS").ok();
    let tries = tries.and_then(|text| text.parse().ok()).unwrap_or(SAMPLE);
    let server = Server::start().await;
    server.publish("app:1", &["one"]);
    let own = std::env::current_exe().unwrap();
    let own = own.file_name().unwrap().to_str().unwrap();
    let mut cases = Vec::new();
    for verb in VERBS.into_iter().chain(["tag"]) {
        for victim in [own, "corten-unpack"] {
            cases.extend([Errno::IO, Errno::NOSPC].map(|error| (verb, victim, error)));
        }
    }
    let (mut points, mut failed, mut refused) = (0, 0, 0);
    for (verb, victim, error) in cases {
        let (calls, ..) = breaks(verb, victim, (0, error), &server).await;
        assert_eq!(calls > 0, works(verb, victim == own), "{verb} {victim}");
        let tries = tries.min(calls);
        for n in 0..tries {
            let at = 1 + calls * (2 * n + 1) / (2 * tries);
            let (_, met, done) = breaks(verb, victim, (at, error), &server).await;
            points += 1;
            failed += u64::from(met);
            refused += u64::from(!done);
        }
    }
    // Figures for whoever wants them.
    eprintln!("{points} points, {failed} calls failed, {refused} operations refused");
    assert!(
        failed > points / 2 && refused > points / 4,
        "{failed} {refused} of {points}"
    );
}

/// Runs an operation in which a change fails; gives how many changes there were, whether it
/// did, and whether the operation got through.
async fn breaks(
    verb: &str,
    victim: &str,
    (at, error): (u64, Errno),
    server: &Server,
) -> (u64, bool, bool) {
    let world = World::new();
    let before = prepare(&world, verb).await;
    let dir = world.dir.path().display();
    let task = format!("{verb} {} {dir} {}", usize::MAX, server.address);
    let arguments = [at.to_string(), error.raw_os_error().to_string()];
    let name = victim.to_owned();
    let traced = tokio::task::spawn_blocking(move || traced(&task, &name, &arguments));
    let (calls, met, done) = traced.await.unwrap();
    let label = format!("{verb} with {error:?} at change {at} of {victim}");
    let images = world.open();
    let two = check(&world, &images, verb, &before, &label);
    let there = match verb {
        "tag" => images.resolve("app:1").is_ok(),
        "remove" => !two,
        // The store was opened: what was litter is gone.
        "collect" => true,
        _ => two,
    };
    // What is said to be done is; what failed may be done all the same.
    assert!(there || !done, "{label}");
    if !there {
        act(&images, verb, &server.address).await;
    }
    give(&images, "after", "the store still works").await;
    (calls, met, done)
}
