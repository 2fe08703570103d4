//! Every step, failed on purpose: nothing of the container is left.

use crate::fixture::Bundle;
use container::{Error, injection, step_names};
use oci::runtime::{Hook, Hooks, NamespaceKind};
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

#[test]
fn a_failing_step_names_itself_and_leaves_nothing() {
    let mut bundle = Bundle::new();
    let hook = Hook {
        path: "/bin/true".to_owned(),
        ..Hook::default()
    };
    bundle.spec.hooks = Some(Hooks {
        create_runtime: vec![hook],
        ..Hooks::default()
    });
    bundle.namespace(NamespaceKind::Time, "");
    let dir = bundle.dir.path().to_str().unwrap().to_owned();
    for name in step_names() {
        let cgroup = cgroup::Cgroup::create(&cgroup::Request {
            id: bundle.id.as_str(),
            path: None,
            resources: None,
            intel_rdt: None,
            reach: cgroup::Reach::Every,
            driver: cgroup::Driver::Cgroupfs,
            properties: &[],
        })
        .unwrap();
        injection::fail_at(Some(name));
        let streams = crate::fixture::Streams::new();
        let request = container::Create {
            cgroup: Some(&cgroup),
            ..bundle.request(streams.stdio(), container::Gate::Open)
        };
        let made = container::create(&request);
        injection::fail_at(None);
        match made {
            Err(Error::Step { step, .. }) => assert_eq!(step, name),
            other => panic!("{name}: {other:?}"),
        }
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
