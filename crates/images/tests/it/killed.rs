//! The process dies right after each step of each operation, or it or its worker at a system
//! call; then the store is opened again.
//!
//! A sample of the calls runs as a test; `CORTEN_KILLS=N` tries N of each operation.

use crate::server::Server;
use crate::world::{World, archive, input, sha256, sibling};
use images::{Images, Import, Progress, Pull, Remove, Steps};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `VERB STEP DIRECTORY ADDRESS` of the process that dies.
const CHILD: &str = "CORTEN_TEST_KILLED";

pub(crate) const VERBS: [&str; 6] = ["import", "load", "pull", "builtin", "remove", "collect"];
/// The step after which an import has stored all that it makes, and nothing refers to it.
const LITTER: usize = 5;
/// More than any operation has.
const MOST_STEPS: usize = 40;
/// Calls of each operation and victim that a sample has.
const SAMPLE: u64 = 4;

#[tokio::test]
async fn a_kill_after_any_step_loses_nothing_and_leaves_nothing() {
    let server = Server::start().await;
    server.publish("app:1", &["one"]);
    for verb in VERBS {
        let mut died = 0;
        for step in 1..MOST_STEPS {
            if !dies(verb, step, &server).await {
                break;
            }
            died = step;
        }
        assert!(
            (2..MOST_STEPS - 1).contains(&died),
            "{verb} died {died} times"
        );
    }
}

/// Lets a process die after a step and looks at what it left; `false` if it got through.
async fn dies(verb: &str, step: usize, server: &Server) -> bool {
    let world = World::new();
    let before = prepare(&world, verb).await;
    let killed = kill_after(&world, verb, step, &server.address).await;
    let label = format!("{verb} after step {step}");
    go_on(&world, verb, &before, &label, server).await;
    killed
}

/// Runs an operation in a process that dies right after a step; `false` if it got through.
async fn kill_after(world: &World, verb: &str, step: usize, address: &str) -> bool {
    let task = format!("{verb} {step} {} {address}", world.dir.path().display());
    let child = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child", "--test-threads=1"])
            .env(CHILD, task)
            .output()
            .unwrap()
    });
    let child = child.await.unwrap();
    let killed = child.status.code().is_none();
    assert!(killed || child.status.success(), "{verb} {step}: {child:?}");
    killed
}

/// What every operation begins with; gives the files that it must not lose.
pub(crate) async fn prepare(world: &World, verb: &str) -> BTreeSet<String> {
    let images = world.open();
    give(&images, "base", "nothing may be lost").await;
    if verb == "remove" {
        give(&images, "app:1", "to be removed").await;
    }
    let before = world.files();
    if verb == "collect" {
        drop(images);
        // An import that was cut off: whoever opens the store next collects what it left.
        assert!(kill_after(world, "import", LITTER, "none").await);
        assert_eq!(world.files().len(), before.len() * 2);
    }
    before
}

/// Opens the store again, looks at it, and does what was cut off.
async fn go_on(world: &World, verb: &str, before: &BTreeSet<String>, label: &str, server: &Server) {
    let images = world.open();
    let there = check(world, &images, verb, before, label);
    if there == (verb == "remove") {
        act(&images, verb, &server.address).await;
    }
}

/// Nothing is lost and nothing is left; says whether the operation's image is there.
pub(crate) fn check(
    world: &World,
    images: &Images,
    verb: &str,
    before: &BTreeSet<String>,
    label: &str,
) -> bool {
    assert!(images.operations().unwrap().is_empty(), "{label}");
    let base = images.resolve("base").unwrap();
    assert!(
        base.layers.iter().all(|layer| file(layer).exists()),
        "{label}"
    );
    let usage = images.usage().unwrap();
    assert_eq!(
        (usage.total, usage.referenced),
        (world.du(), world.du()),
        "{label}"
    );
    match images.list().unwrap().len() {
        1 if verb == "remove" => assert_eq!(world.files().len(), before.len() / 2, "{label}"),
        1 => assert_eq!(world.files(), *before, "{label}"),
        2 if verb == "remove" => assert_eq!(world.files(), *before, "{label}"),
        2 => assert!(world.files().len() > before.len(), "{label}"),
        count => panic!("{label}: {count} images"),
    }
    images.list().unwrap().len() == 2
}

#[tokio::test]
async fn a_kill_at_any_call_of_the_process_or_its_worker_loses_nothing_and_leaves_nothing() {
    let tries = std::env::var("CORTEN_KILLS").ok();
    let tries = tries.and_then(|text| text.parse().ok()).unwrap_or(SAMPLE);
    let server = Server::start().await;
    server.publish("app:1", &["one"]);
    let own = std::env::current_exe().unwrap();
    let own = own.file_name().unwrap().to_str().unwrap();
    let mut killed = 0;
    for verb in VERBS {
        for victim in [own, "corten-unpack"] {
            let (calls, _) = cut(verb, victim, None, &server).await;
            assert_eq!(calls > 0, works(verb, victim == own), "{verb} {victim}");
            let tries = tries.min(calls);
            for n in 0..tries {
                let at = calls * (2 * n + 1) / (2 * tries);
                killed += u64::from(cut(verb, victim, Some(at), &server).await.1);
            }
        }
    }
    // Threads take turns as they like, so that now and then a call is not reached.
    assert!(killed >= tries * 7, "{killed}");
}

/// Whether a victim, the process itself or its worker, has a part in an operation: who only
/// removes or names needs no worker.
pub(crate) fn works(verb: &str, itself: bool) -> bool {
    itself || !matches!(verb, "remove" | "collect" | "tag")
}

/// Runs an operation whose victim dies at a call; gives how many there were, and whether it
/// died.
async fn cut(verb: &str, victim: &str, at: Option<u64>, server: &Server) -> (u64, bool) {
    let world = World::new();
    let before = prepare(&world, verb).await;
    let dir = world.dir.path().display();
    let task = format!("{verb} {} {dir} {}", usize::MAX, server.address);
    let name = victim.to_owned();
    let label = format!("{verb} at call {at:?} of {victim}");
    let at: Vec<String> = at.iter().map(u64::to_string).collect();
    let traced = tokio::task::spawn_blocking(move || traced(&task, &name, &at));
    let (calls, killed, _) = traced.await.unwrap();
    go_on(&world, verb, &before, &label, server).await;
    (calls, killed)
}

/// Runs an operation in a process that the tracer follows with these arguments; gives how many
/// calls there were, whether the victim met its fate, and whether the process got through.
pub(crate) fn traced(task: &str, victim: &str, arguments: &[String]) -> (u64, bool, bool) {
    let mut shell = Command::new("sh");
    let mut shell = shell
        .args(["-c", "read go; exec \"$0\" \"$@\" </dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child", "--test-threads=1"])
        .env(CHILD, task)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut tracer = Command::new(sibling("corten-fault"))
        .args([&shell.id().to_string(), victim])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(tracer.stdout.take().unwrap()).lines();
    assert_eq!(answers.next().unwrap().unwrap(), "seized");
    let mut stdin = shell.stdin.take().unwrap();
    stdin.write_all(b"go\n").unwrap();
    let done = shell.wait().unwrap().success();
    drop(tracer.stdin.take());
    let answer = answers.next().unwrap().unwrap();
    tracer.wait().unwrap();
    let (calls, fate) = answer.split_once(' ').unwrap();
    (calls.parse().unwrap(), fate != "spared", done)
}

fn file(layer: &types::Layer) -> &std::path::Path {
    match layer {
        types::Layer::Erofs(path) | types::Layer::Directory(path) => path,
    }
}

pub(crate) async fn give(images: &Images, name: &str, content: &str) {
    let request = Import {
        reference: Some(name.parse().unwrap()),
        ..Import::default()
    };
    let bytes = archive(&[("file", content.as_bytes())]);
    images.import(request, input(bytes)).await.unwrap();
}

pub(crate) async fn act(images: &Images, verb: &str, address: &str) {
    try_act(images, verb, address).await.unwrap();
}

pub(crate) async fn try_act(
    images: &Images,
    verb: &str,
    address: &str,
) -> Result<(), Box<dyn Error>> {
    match verb {
        "import" => {
            let request = Import {
                reference: Some("app:1".parse()?),
                ..Import::default()
            };
            let bytes = archive(&[("file", b"imported")]);
            images.import(request, input(bytes)).await?;
        }
        "load" => {
            let layer = archive(&[("file", b"loaded")]);
            let config = format!(
                r#"{{"os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
                sha256(&layer)
            );
            let manifest = r#"[{"Config":"c","RepoTags":["app:1"],"Layers":["l"]}]"#;
            let bytes = archive(&[
                ("c", config.as_bytes()),
                ("l", &layer),
                ("manifest.json", manifest.as_bytes()),
            ]);
            images.load(input(bytes), None, Progress::none()).await?;
        }
        "pull" => {
            let pull = Pull {
                reference: format!("{address}/app:1").parse()?,
                platform: None,
                credentials: None,
            };
            images.pull(pull, Progress::none()).await?;
        }
        "builtin" => drop(images.resolve("corten/hello")?),
        "collect" => drop(images.collect()?),
        "tag" => drop(images.tag("base", &"app:1".parse()?)?),
        _ => drop(images.remove("app:1", Remove::default())?),
    }
    Ok(())
}

/// The process that dies; by itself it does nothing.
#[tokio::test]
async fn child() {
    let Ok(task) = std::env::var(CHILD) else {
        return;
    };
    let [verb, step, dir, address] = task.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{task}");
    };
    let step: usize = step.parse().unwrap();
    let (database, paths) = World::at(dir.as_ref()).unwrap();
    let counted = Arc::new(AtomicUsize::new(0));
    let options = images::Options {
        steps: Steps::watched(move |_| {
            if counted.fetch_add(1, Ordering::SeqCst) + 1 == step {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
            }
        }),
        ..World::new().options()
    };
    let images = Images::open(&paths, database, options).unwrap();
    act(&images, verb, address).await;
}
