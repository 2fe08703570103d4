//! Making, joining, freezing, ending and removing.

use crate::fixture::{create, name, possible, request, spawn, try_create, wait_for};
use cgroup::{Cgroup, Error, Reach, Request};
use oci::runtime::{Cpu, Memory, Pids, Resources};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

fn text(path: &Path, file: &str) -> String {
    std::fs::read_to_string(path.join(file))
        .unwrap()
        .trim_end()
        .to_owned()
}

#[test]
fn a_process_joins_is_frozen_and_killed_and_the_group_goes() {
    if !possible() {
        return;
    }
    let cgroup = create(&name(), None);
    let state = cgroup.state();
    let mut child = spawn(&cgroup, "sleep", &["100"]);
    assert_eq!(cgroup.pids().unwrap(), [child.id().cast_signed()]);

    cgroup.freeze().unwrap();
    assert!(cgroup.frozen().unwrap());
    let again = Cgroup::open(&state).unwrap();
    assert!(again.frozen().unwrap());
    cgroup.thaw().unwrap();
    assert!(!cgroup.frozen().unwrap());

    cgroup.freeze().unwrap();
    again.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    again.delete().unwrap();
    for path in state.paths.values() {
        assert!(!path.exists(), "{}", path.display());
    }
    again.delete().unwrap();
    // As a service manager does: it removes the group while its last process is killed.
    again.kill().unwrap();
    assert!(!again.frozen().unwrap());
    assert!(matches!(again.thaw(), Err(Error::Write { .. })));
}

#[test]
fn limits_are_written_and_updated() {
    if !possible() {
        return;
    }
    let hierarchies = cgroup::Hierarchies::probe().unwrap();
    if ["memory", "cpu", "pids", "cpuset"]
        .iter()
        .any(|name| hierarchies.find(name).is_none())
    {
        eprintln!("skipped: needs the version 1 controllers memory, cpu, pids and cpuset");
        return;
    }
    let resources = Resources {
        memory: Some(Memory {
            limit: Some(64 << 20),
            swap: Some(128 << 20),
            ..Memory::default()
        }),
        cpu: Some(Cpu {
            shares: Some(512),
            quota: Some(50_000),
            period: Some(100_000),
            ..Cpu::default()
        }),
        pids: Some(Pids { limit: Some(20) }),
        ..Resources::default()
    };
    let mut cgroup = create(&name(), Some(&resources));
    let state = cgroup.state();
    let memory = &state.paths["memory"];
    let cpu = &state.paths["cpu"];
    assert_eq!(
        text(memory, "memory.limit_in_bytes"),
        (64 << 20).to_string()
    );
    assert_eq!(
        text(memory, "memory.memsw.limit_in_bytes"),
        (128 << 20).to_string()
    );
    assert_eq!(text(cpu, "cpu.shares"), "512");
    assert_eq!(text(cpu, "cpu.cfs_quota_us"), "50000");
    assert_eq!(text(&state.paths["pids"], "pids.max"), "20");

    let mut child = spawn(&cgroup, "sleep", &["100"]);
    let update = Resources {
        memory: Some(Memory {
            limit: Some(256 << 20),
            swap: Some(512 << 20),
            ..Memory::default()
        }),
        cpu: Some(Cpu {
            cpus: "0".to_owned(),
            period: Some(200_000),
            ..Cpu::default()
        }),
        pids: Some(Pids { limit: Some(-1) }),
        ..Resources::default()
    };
    cgroup.update(&update).unwrap();
    assert_eq!(
        text(memory, "memory.limit_in_bytes"),
        (256 << 20).to_string()
    );
    assert_eq!(text(cpu, "cpu.cfs_period_us"), "200000");
    assert_eq!(text(&state.paths["pids"], "pids.max"), "max");
    let cpuset = cgroup.state().paths["cpuset"].clone();
    assert_eq!(text(&cpuset, "cpuset.cpus"), "0");
    assert_eq!(text(&cpuset, "cgroup.procs"), child.id().to_string());

    cgroup.kill().unwrap();
    child.wait().unwrap();
    cgroup.delete().unwrap();
}

#[test]
fn a_group_is_in_every_hierarchy_or_where_its_limits_are() {
    if !possible() {
        return;
    }
    let (id, hierarchies) = (name(), cgroup::Hierarchies::probe().unwrap());
    let everywhere = Request {
        reach: Reach::Every,
        ..request(&id, None)
    };
    let cgroup = Cgroup::create(&everywhere).unwrap();
    assert_eq!(cgroup.state().paths.len(), hierarchies.iter().count());
    let mut child = spawn(&cgroup, "sleep", &["100"]);
    for path in cgroup.state().paths.values() {
        assert_eq!(text(path, "cgroup.procs"), child.id().to_string());
    }
    cgroup.kill().unwrap();
    child.wait().unwrap();
    cgroup.delete().unwrap();

    let cgroup = create(&id, None);
    assert!(!cgroup.state().paths.contains_key("cpuset"));
    cgroup.delete().unwrap();
}

#[test]
fn a_group_with_processes_is_not_taken_over() {
    if !possible() {
        return;
    }
    let id = name();
    let cgroup = create(&id, None);
    let mut child = spawn(&cgroup, "sleep", &["100"]);
    let second = try_create(&id, None);
    assert!(matches!(second, Err(Error::NotEmpty { count: 1, .. })));
    assert_eq!(cgroup.pids().unwrap().len(), 1);
    cgroup.kill().unwrap();
    child.wait().unwrap();
    cgroup.delete().unwrap();
}

#[test]
fn a_refused_limit_is_told_and_leaves_nothing() {
    if !possible() {
        return;
    }
    let id = name();
    let resources = Resources {
        unified: [("../x".to_owned(), "1".to_owned())].into(),
        ..Resources::default()
    };
    let error = try_create(&id, Some(&resources)).unwrap_err();
    assert!(
        error.to_string().contains("linux.resources.unified"),
        "{error}"
    );
    for hierarchy in cgroup::Hierarchies::probe().unwrap().iter() {
        assert!(!hierarchy.own.join(&id).exists());
    }
}

#[test]
fn a_file_of_version_2_is_none_of_a_controller_of_version_1() {
    if !possible() {
        return;
    }
    let hierarchies = cgroup::Hierarchies::probe().unwrap();
    if hierarchies.find("memory").is_none() {
        eprintln!("skipped: version 1 has no memory controller here");
        return;
    }
    let resources = Resources {
        unified: [("memory.min".to_owned(), "131072".to_owned())].into(),
        ..Resources::default()
    };
    let id = name();
    let error = try_create(&id, Some(&resources)).unwrap_err();
    assert!(
        error.to_string().contains("invalid configuration"),
        "{error}"
    );
    let paths = hierarchies.iter().map(|hierarchy| hierarchy.own.join(&id));
    assert_eq!(paths.filter(|path| path.exists()).count(), 0);
}

#[test]
fn a_file_of_version_2_is_written_line_by_line() {
    if !possible() {
        return;
    }
    let id = name();
    let cgroup = create(&id, None);
    let unified = cgroup.state().paths.get("").cloned();
    cgroup.delete().unwrap();
    let Some(above) = unified.as_deref().and_then(Path::parent) else {
        eprintln!("skipped: there is no version 2 of cgroups here");
        return;
    };
    let controllers = text(above, "cgroup.controllers");
    let Some(controller) = controllers
        .split(' ')
        .next()
        .filter(|name| !name.is_empty())
    else {
        eprintln!("skipped: version 2 of cgroups has no controller here");
        return;
    };
    // In one write the second line would be a part of the first.
    let value = format!("+{controller}\n-{controller}\n+{controller}");
    let resources = Resources {
        unified: [("cgroup.subtree_control".to_owned(), value)].into(),
        ..Resources::default()
    };
    let cgroup = create(&id, Some(&resources));
    let path = cgroup.state().paths[""].clone();
    assert_eq!(text(&path, "cgroup.subtree_control"), controller);
    cgroup.delete().unwrap();
}

#[test]
fn a_limit_below_what_is_used_is_refused_where_that_is_asked_for() {
    if !possible() {
        return;
    }
    let mut cgroup = create(&name(), None);
    let unified = cgroup.state().paths.get("").cloned().unwrap_or_default();
    if !unified.join("memory.current").exists() {
        eprintln!("skipped: version 2 of cgroups has no memory controller here");
        return cgroup.delete().unwrap();
    }
    let mut child = spawn(&cgroup, "sleep", &["100"]);
    let used = || text(&unified, "memory.current").parse::<u64>().unwrap();
    // The program may still be about to begin.
    while used() <= 4096 {
        std::thread::yield_now();
    }
    let limits = |limit, swap| Resources {
        memory: Some(Memory {
            limit,
            swap,
            check_before_update: Some(true),
            ..Memory::default()
        }),
        ..Resources::default()
    };
    let error = cgroup.update(&limits(Some(1024), None)).unwrap_err();
    let said = "rejecting memory limit 1024 <= usage ";
    assert!(error.to_string().contains(said), "{error}");
    let error = cgroup.update(&limits(Some(1024), Some(2048))).unwrap_err();
    let said = "rejecting memory+swap limit 2048 <= usage ";
    assert!(error.to_string().contains(said), "{error}");
    assert!(child.try_wait().unwrap().is_none());
    cgroup.update(&limits(Some(64 << 20), None)).unwrap();
    cgroup.kill().unwrap();
    child.wait().unwrap();
    cgroup.delete().unwrap();
}

#[test]
fn a_limit_that_version_2_does_not_have_is_refused_by_its_field() {
    if !possible() {
        return;
    }
    let id = name();
    let mut refused = 0;
    for (controller, field, limits) in [
        (
            "memory",
            "memory.swappiness",
            r#"{"memory":{"swappiness":10}}"#,
        ),
        (
            "memory",
            "memory.disableOOMKiller",
            r#"{"memory":{"disableOOMKiller":true}}"#,
        ),
        (
            "memory",
            "memory.useHierarchy",
            r#"{"memory":{"useHierarchy":false}}"#,
        ),
        (
            "cpu",
            "cpu.realtimeRuntime",
            r#"{"cpu":{"realtimeRuntime":5}}"#,
        ),
        (
            "cpu",
            "cpu.realtimePeriod",
            r#"{"cpu":{"realtimePeriod":5}}"#,
        ),
        (
            "io",
            "blockIO.leafWeight",
            r#"{"blockIO":{"leafWeight":10}}"#,
        ),
    ] {
        let cgroup = create(&id, None);
        let unified = cgroup.state().paths.get("").cloned().unwrap_or_default();
        cgroup.delete().unwrap();
        let controllers = std::fs::read_to_string(unified.with_file_name("cgroup.controllers"));
        if !controllers
            .unwrap_or_default()
            .split_whitespace()
            .any(|one| one == controller)
        {
            continue;
        }
        let resources = Resources::from_slice(limits.as_bytes()).unwrap();
        let error = try_create(&id, Some(&resources)).unwrap_err().to_string();
        assert!(
            error.contains(&format!("linux.resources.{field}: ")),
            "{error}"
        );
        refused += 1;
    }
    if refused == 0 {
        eprintln!("skipped: version 2 of cgroups has none of the controllers here");
    }
}

/// A limit of either version: the document, and the file and line of version 1 and of 2.
type Written = (String, [(&'static str, String); 2]);

/// Limits whose controllers one version or the other has on most hosts.
fn of_either_version() -> Vec<Written> {
    let mut blocks = std::fs::read_dir("/sys/block").unwrap().flatten();
    let disk = blocks.find(|disk| disk.path().join("device").exists());
    let mut all = Vec::new();
    if let Some(disk) = disk {
        let number = text(&disk.path(), "dev");
        let (major, minor) = number.split_once(':').unwrap();
        for (field, of_1, of_2) in [
            (
                "throttleReadBpsDevice",
                "blkio.throttle.read_bps_device",
                "rbps",
            ),
            (
                "throttleWriteBpsDevice",
                "blkio.throttle.write_bps_device",
                "wbps",
            ),
            (
                "throttleReadIOPSDevice",
                "blkio.throttle.read_iops_device",
                "riops",
            ),
            (
                "throttleWriteIOPSDevice",
                "blkio.throttle.write_iops_device",
                "wiops",
            ),
        ] {
            let limits = format!(
                r#"{{"blockIO":{{"{field}":[{{"major":{major},"minor":{minor},"rate":4096}}]}}}}"#
            );
            let lines = [
                (of_1, format!("{number} 4096")),
                ("io.max", format!("{of_2}=4096")),
            ];
            all.push((limits, lines));
        }
    }
    let pages = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#;
    let limit = (4 << 20).to_string();
    let lines = [
        ("hugetlb.2MB.limit_in_bytes", limit.clone()),
        ("hugetlb.2MB.max", limit),
    ];
    all.push((pages.to_owned(), lines));
    all
}

#[test]
fn limits_of_disks_and_huge_pages_are_written_by_the_device_and_size() {
    if !possible() {
        return;
    }
    let mut written = 0;
    for (limits, lines) in of_either_version() {
        let resources = Resources::from_slice(limits.as_bytes()).unwrap();
        let cgroup = match try_create(&name(), Some(&resources)) {
            Ok(cgroup) => cgroup,
            Err(error) => {
                assert!(
                    matches!(error, Error::NoController { .. }),
                    "{limits}: {error}"
                );
                continue;
            }
        };
        let paths = cgroup.state().paths;
        let holds = |(file, line): &(&str, String)| {
            let mut places = paths.values().map(|path| path.join(file));
            places.any(|path| {
                std::fs::read_to_string(path).is_ok_and(|text| text.contains(line.as_str()))
            })
        };
        assert!(lines.iter().any(holds), "{limits}: {paths:?}");
        cgroup.delete().unwrap();
        written += 1;
    }
    if written == 0 {
        eprintln!("skipped: there is neither a disk nor a controller for it here");
    }
}

#[test]
fn limits_that_version_1_alone_has_are_written_there_or_refused() {
    if !possible() {
        return;
    }
    let hierarchies = cgroup::Hierarchies::probe().unwrap();
    for (controller, limits, file, line) in [
        (
            "memory",
            r#"{"memory":{"disableOOMKiller":true}}"#,
            "memory.oom_control",
            "oom_kill_disable 1",
        ),
        (
            "memory",
            r#"{"memory":{"kernelTCP":4194304}}"#,
            "memory.kmem.tcp.limit_in_bytes",
            "4194304",
        ),
        (
            "memory",
            r#"{"memory":{"useHierarchy":true}}"#,
            "memory.use_hierarchy",
            "1",
        ),
        (
            "memory",
            r#"{"memory":{"swappiness":7}}"#,
            "memory.swappiness",
            "7",
        ),
        (
            "net_cls",
            r#"{"network":{"classID":1048577}}"#,
            "net_cls.classid",
            "1048577",
        ),
        (
            "net_prio",
            r#"{"network":{"priorities":[{"name":"lo","priority":5}]}}"#,
            "net_prio.ifpriomap",
            "lo 5",
        ),
    ] {
        let resources = Resources::from_slice(limits.as_bytes()).unwrap();
        let made = try_create(&name(), Some(&resources));
        if hierarchies.find(controller).is_none() {
            // Version 2 counts both with the rest, and shares always.
            let given = ["kernelTCP", "useHierarchy"]
                .iter()
                .any(|name| limits.contains(name));
            assert_eq!(made.is_ok(), given, "{limits}");
            if let Ok(cgroup) = made {
                cgroup.delete().unwrap();
            }
            continue;
        }
        let cgroup = made.unwrap();
        let path = &cgroup.state().paths[controller];
        assert!(
            text(path, file).contains(line),
            "{limits}: {}",
            text(path, file)
        );
        cgroup.delete().unwrap();
    }
}

#[test]
fn what_is_used_is_counted() {
    if !possible() {
        return;
    }
    let cgroup = create(&name(), None);
    let mut child = spawn(
        &cgroup,
        "sh",
        &[
            "-c",
            "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec sleep 100",
        ],
    );
    wait_for(|| cgroup.stats().unwrap().cpu.usage.total > 1_000_000);
    let stats = cgroup.stats().unwrap();
    let has = |controller| cgroup.state().paths.contains_key(controller);
    if has("pids") {
        assert_eq!(stats.pids.current, 1);
    }
    if has("memory") {
        assert!(stats.memory.usage.usage > 0);
        assert!(!stats.memory.raw.is_empty());
    }
    assert_eq!(cgroup.oom_kills().unwrap(), 0);
    cgroup.kill().unwrap();
    child.wait().unwrap();
    cgroup.delete().unwrap();
}

#[test]
fn a_frozen_group_is_not_taken_over() {
    if !possible() {
        return;
    }
    let id = name();
    let cgroup = create(&id, None);
    cgroup.freeze().unwrap();
    let second = try_create(&id, None);
    assert!(matches!(second, Err(Error::Frozen { .. })), "{second:?}");
    cgroup.thaw().unwrap();
    cgroup.delete().unwrap();
}
