//! Every step, failed on purpose: nothing of the container is left.

use crate::fixture::Bundle;
use container::{Error, injection, step_names};
use oci::runtime::{Hook, Hooks, NamespaceKind, Resources};
use std::collections::BTreeSet;
use std::fs;

/// Children of this process, by any thread, as numbers.
fn children() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(listed.split_whitespace().map(str::to_owned));
    }
    all
}

fn mentions(id: &str) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.contains(id)
}

/// A group for a container of the bundle.
fn group(bundle: &Bundle, resources: Option<&Resources>) -> cgroup::Cgroup {
    cgroup::Cgroup::create(&cgroup::Request {
        id: bundle.id.as_str(),
        path: None,
        resources,
        intel_rdt: None,
        reach: cgroup::Reach::Every,
        driver: cgroup::Driver::Cgroupfs,
        properties: &[],
    })
    .unwrap()
}

#[test]
fn a_failing_step_names_itself_and_leaves_nothing() {
    let mut bundle = Bundle::new();
    // By an init that has our memory.
    every_step_fails(&bundle);
    let hook = Hook {
        path: "/bin/true".to_owned(),
        ..Hook::default()
    };
    bundle.spec.hooks = Some(Hooks {
        create_runtime: vec![hook],
        ..Hooks::default()
    });
    bundle.namespace(NamespaceKind::Time, "");
    every_step_fails(&bundle);
}

#[test]
fn a_memory_limit_that_the_set_up_meets_ends_the_container_alone() {
    let mut bundle = Bundle::new();
    bundle.args(&["true"]);
    let mut refused = 0;
    for pages in [0, 1, 4, 16, 64, 256] {
        let mut resources = Resources::default();
        resources.memory.get_or_insert_default().limit = Some(pages * 4096);
        let cgroup = group(&bundle, Some(&resources));
        let streams = crate::fixture::Streams::new();
        let request = container::Create {
            cgroup: Some(&cgroup),
            ..bundle.request(streams.stdio(), container::Gate::Open)
        };
        // Its init has our memory until it executes the program: that we are here is the test.
        match container::create(&request) {
            Ok(init) => refused += u32::from(streams.finish(init.pidfd()).status != 0),
            Err(_) => refused += 1,
        }
        cgroup.delete().unwrap();
    }
    assert!(refused > 0, "no limit was met");
}

fn every_step_fails(bundle: &Bundle) {
    let dir = bundle.dir.path().to_str().unwrap().to_owned();
    for name in step_names() {
        let cgroup = group(bundle, None);
        injection::fail_at(Some(name));
        let streams = crate::fixture::Streams::new();
        let request = container::Create {
            cgroup: Some(&cgroup),
            ..bundle.request(streams.stdio(), container::Gate::Open)
        };
        let made = container::create(&request);
        injection::fail_at(None);
        let failed = match &made {
            Err(Error::Step { step, .. }) => *step,
            _ => "",
        };
        assert_eq!(failed, name, "{made:?}");
        // It was reaped, its group is empty, and no mount is left behind.
        let pids = cgroup.pids().unwrap();
        assert!(pids.is_empty(), "{name}: {pids:?}");
        cgroup.delete().unwrap();
        assert!(!mentions(&dir), "{name}");
    }
    let left: Vec<String> = children()
        .into_iter()
        .filter(|pid| {
            let maps = fs::read_to_string(format!("/proc/{pid}/mountinfo"));
            maps.is_ok_and(|maps| maps.contains(&dir))
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
