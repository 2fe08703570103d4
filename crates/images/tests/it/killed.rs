//! The process dies right after each step of each operation, and the store is opened again.

use crate::server::Server;
use crate::world::{World, archive, input, sha256};
use images::{Images, Import, Progress, Pull, Remove, Steps};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `VERB STEP DIRECTORY ADDRESS` of the process that dies.
const CHILD: &str = "CORTEN_TEST_KILLED";

const VERBS: [&str; 5] = ["import", "load", "pull", "builtin", "remove"];
/// More than any operation has.
const MOST_STEPS: usize = 40;

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
    {
        let images = world.open();
        give(&images, "base", "nothing may be lost").await;
        if verb == "remove" {
            give(&images, "app:1", "to be removed").await;
        }
    }
    let before = world.files();
    let task = format!(
        "{verb} {step} {} {}",
        world.dir.path().display(),
        server.address
    );
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

    let images = world.open();
    let label = format!("{verb} after step {step}");
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
        1 => assert_eq!(world.files(), before, "{label}"),
        2 if verb == "remove" => assert_eq!(world.files(), before, "{label}"),
        2 => assert!(world.files().len() > before.len(), "{label}"),
        count => panic!("{label}: {count} images"),
    }
    drop(base);
    if killed && !(verb == "remove" && images.list().unwrap().len() == 1) {
        act(&images, verb, &server.address).await;
    }
    killed
}

fn file(layer: &types::Layer) -> &std::path::Path {
    match layer {
        types::Layer::Erofs(path) | types::Layer::Directory(path) => path,
    }
}

async fn give(images: &Images, name: &str, content: &str) {
    let request = Import {
        reference: Some(name.parse().unwrap()),
        ..Import::default()
    };
    let bytes = archive(&[("file", content.as_bytes())]);
    images.import(request, input(bytes)).await.unwrap();
}

async fn act(images: &Images, verb: &str, address: &str) {
    match verb {
        "import" => give(images, "app:1", "imported").await,
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
            images
                .load(input(bytes), None, Progress::none())
                .await
                .unwrap();
        }
        "pull" => {
            let pull = Pull {
                reference: format!("{address}/app:1").parse().unwrap(),
                platform: None,
                credentials: None,
            };
            images.pull(pull, Progress::none()).await.unwrap();
        }
        "builtin" => drop(images.resolve("corten/hello").unwrap()),
        _ => drop(images.remove("app:1", Remove::default()).unwrap()),
    }
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
    let (database, paths) = World::at(dir.as_ref());
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
