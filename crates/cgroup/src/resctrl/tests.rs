//! A directory stands for the file system: no machine of ours has it.

use super::*;
use crate::{Cgroup, Driver, Entrance, Hierarchies, Reach, Request};
use std::path::Path;

/// A directory with the files of the kernel's, removed at the end.
struct StandIn(PathBuf);

impl StandIn {
    fn new(test: &str) -> Self {
        let root = std::env::temp_dir().join(format!("resctrl-{}-{test}", std::process::id()));
        let stand_in = Self(root);
        for (file, text) in [
            ("schemata", "    L3:0=fff;1=fff\n    MB:0=100;1=100\n"),
            ("info/last_cmd_status", "ok\n"),
            ("info/L3/cbm_mask", "fff\n"),
            ("info/L3/min_cbm_bits", "1\n"),
            ("info/L3/num_closids", "16\n"),
            ("info/MB/bandwidth_gran", "10\n"),
            ("info/MB/delay_linear", "1\n"),
            ("info/MB/min_bandwidth", "10\n"),
            ("info/MB/num_closids", "8\n"),
            (
                "info/L3_MON/mon_features",
                "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n",
            ),
        ] {
            stand_in.put(file, text);
        }
        stand_in.class("");
        stand_in
    }

    fn put(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What the kernel makes in a new class.
    fn class(&self, name: &str) {
        let class = self.0.join(name);
        fs::create_dir_all(class.join("mon_groups")).unwrap();
        fs::write(class.join("tasks"), "").unwrap();
    }

    fn resctrl(&self) -> Resctrl {
        Resctrl {
            root: self.0.clone(),
        }
    }

    fn has(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn wanted(clos_id: &str, schemata: &[&str]) -> IntelRdt {
    IntelRdt {
        clos_id: clos_id.to_owned(),
        schemata: schemata.iter().map(|line| (*line).to_owned()).collect(),
        ..IntelRdt::default()
    }
}

#[test]
fn a_class_without_a_name_has_the_containers_and_goes_with_it() {
    let stand_in = StandIn::new("own");
    let asked = IntelRdt {
        l3_cache_schema: "L3:0=f;1=f0".to_owned(),
        mem_bw_schema: "MB:0=20".to_owned(),
        ..wanted("", &["L3:0=ff"])
    };
    let class = Class::create(stand_in.resctrl(), "box", &asked).unwrap();
    assert_eq!(
        stand_in.read("box/schemata"),
        "L3:0=f;1=f0\nMB:0=20\nL3:0=ff\n"
    );
    assert!(class.state().own);
    // The kernel's directory goes with its files.
    fs::remove_file(stand_in.0.join("box/schemata")).unwrap();
    class.remove().unwrap();
    assert!(!stand_in.has("box"));
    class.remove().unwrap();
}

#[test]
fn a_class_with_a_name_stays_and_only_the_group_in_it_goes() {
    let stand_in = StandIn::new("named");
    stand_in.class("gold");
    let asked = IntelRdt {
        enable_monitoring: true,
        ..wanted("gold", &[])
    };
    let class = Class::create(stand_in.resctrl(), "box", &asked).unwrap();
    assert!(!stand_in.has("gold/schemata"), "nothing was asked of it");
    assert!(stand_in.has("gold/mon_groups/box") && !class.state().own);
    class.remove().unwrap();
    assert!(stand_in.has("gold/tasks") && !stand_in.has("gold/mon_groups/box"));

    let made = Class::create(stand_in.resctrl(), "box", &wanted("new", &["L3:0=3"])).unwrap();
    made.remove().unwrap();
    assert_eq!(stand_in.read("new/schemata"), "L3:0=3\n");
}

#[test]
fn the_root_is_a_class_too() {
    let stand_in = StandIn::new("root");
    let asked = IntelRdt {
        enable_monitoring: true,
        ..wanted("/", &[])
    };
    let class = Class::create(stand_in.resctrl(), "box", &asked).unwrap();
    assert_eq!(class.state().class, stand_in.0);
    assert!(stand_in.has("mon_groups/box"));
    class.remove().unwrap();
    assert!(stand_in.has("tasks") && !stand_in.has("mon_groups/box"));
}

#[test]
fn what_cannot_be_is_refused_by_its_field_and_leaves_nothing() {
    let stand_in = StandIn::new("wrong");
    let refused = |asked: &IntelRdt| {
        let error = Class::create(stand_in.resctrl(), "box", asked).unwrap_err();
        assert!(!stand_in.has("box"));
        error.to_string()
    };
    for name in [".", "..", "a/b", "/a"] {
        assert!(refused(&wanted(name, &["L3:0=1"])).contains("linux.intelRdt.closID"));
    }
    assert!(refused(&wanted("absent", &[])).contains("linux.intelRdt.closID"));
    fs::remove_dir_all(stand_in.0.join("info/MB")).unwrap();
    let asked = IntelRdt {
        mem_bw_schema: "MB:0=20".to_owned(),
        ..IntelRdt::default()
    };
    assert!(refused(&asked).contains("linux.intelRdt.memBwSchema"));

    // The kernel refuses the lines: a directory where the file should be stands for that.
    stand_in.put("info/last_cmd_status", "Cache domain offline\n");
    fs::create_dir_all(stand_in.0.join("gold/schemata")).unwrap();
    let error = refused(&wanted("gold", &["L3:9=1"]));
    assert!(error.contains("Cache domain offline"), "{error}");
    assert!(stand_in.has("gold"), "it was there before");
    // The group that counts cannot be made in a class that was: the class goes again.
    let monitored = IntelRdt {
        enable_monitoring: true,
        ..IntelRdt::default()
    };
    refused(&monitored);
}

#[test]
fn a_process_joins_the_class_and_then_the_group_in_it() {
    let stand_in = StandIn::new("join");
    stand_in.class("gold");
    let asked = IntelRdt {
        enable_monitoring: true,
        ..wanted("gold", &[])
    };
    let class = Class::create(stand_in.resctrl(), "box", &asked).unwrap();
    stand_in.put("gold/mon_groups/box/tasks", "");
    let again = Class::open(class.state()).unwrap();
    let tasks: Vec<OwnedFd> = again.tasks().collect::<Result<_, _>>().unwrap();
    for (number, file) in tasks.iter().enumerate() {
        rustix::io::write(file, number.to_string().as_bytes()).unwrap();
    }
    assert_eq!(stand_in.read("gold/tasks"), "0");
    assert_eq!(stand_in.read("gold/mon_groups/box/tasks"), "1");
    again.add(42).unwrap();
    assert_eq!(stand_in.read("gold/tasks"), "42");
    assert_eq!(stand_in.read("gold/mon_groups/box/tasks"), "42");
    fs::remove_file(stand_in.0.join("gold/mon_groups/box/tasks")).unwrap();
    again.remove().unwrap();
    fs::remove_dir_all(stand_in.0.join("gold")).unwrap();
    assert!(Class::open(class.state()).is_none());
}

#[test]
fn the_document_of_what_is_used_is_runcs() {
    let stand_in = StandIn::new("stats");
    stand_in.class("gold");
    stand_in.put("gold/schemata", "    L3:0=f;1=f0\n    MB:0=20;1=70\n");
    for (node, bytes) in [("mon_L3_00", 1), ("mon_L3_01", 2)] {
        for (file, factor) in [
            ("llc_occupancy", 1),
            ("mbm_total_bytes", 10),
            ("mbm_local_bytes", 100),
        ] {
            let text = format!("{}\n", bytes * factor);
            stand_in.put(&format!("gold/mon_data/{node}/{file}"), &text);
        }
    }
    let class = Class::create(stand_in.resctrl(), "box", &wanted("gold", &[])).unwrap();
    let stats = serde_json::to_value(class.stats().unwrap()).unwrap();
    let expected = serde_json::json!({
        "l3_cache_info": {"cbm_mask": "fff", "min_cbm_bits": 1, "num_closids": 16},
        "l3_cache_schema_root": "L3:0=fff;1=fff",
        "l3_cache_schema": "L3:0=f;1=f0",
        "mem_bw_info": {
            "bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8
        },
        "mem_bw_schema_root": "MB:0=100;1=100",
        "mem_bw_schema": "MB:0=20;1=70",
        "schemata": ["L3:0=f;1=f0", "    MB:0=20;1=70"],
        "mbm_stats": [
            {"mbm_total_bytes": 10, "mbm_local_bytes": 100},
            {"mbm_total_bytes": 20, "mbm_local_bytes": 200}
        ],
        "cmt_stats": [{"llc_occupancy": 1}, {"llc_occupancy": 2}]
    });
    assert_eq!(stats, expected);
}

#[test]
fn a_group_without_a_class_has_an_empty_document() {
    let stats = serde_json::to_value(Stats::default()).unwrap();
    assert_eq!(stats, serde_json::json!({}));
}

#[test]
fn a_line_of_mountinfo_says_where_it_is() {
    let line = "40 25 0:30 / /sys/fs/resctrl rw,relatime shared:9 - resctrl resctrl rw";
    assert_eq!(mounted(line).as_deref(), Some(Path::new("/sys/fs/resctrl")));
    assert_eq!(mounted("40 25 0:30 / /resctrl rw - tmpfs resctrl rw"), None);
}

#[test]
fn a_group_carries_its_class_from_plan_to_removal() {
    let Ok(hierarchies) = Hierarchies::probe() else {
        eprintln!("skipped: no cgroup hierarchy is mounted");
        return;
    };
    if Resctrl::find().is_ok() || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root, and a machine without resctrl");
        return;
    }
    let id = format!("corten-test-resctrl-{}", std::process::id());
    let asked = wanted("", &["L3:0=1"]);
    let request = Request {
        id: &id,
        path: None,
        resources: None,
        intel_rdt: Some(&asked),
        reach: Reach::Limited,
        driver: Driver::Cgroupfs,
        properties: &[],
    };
    let error = Cgroup::create_in(&hierarchies, &request).unwrap_err();
    assert!(
        error.to_string().starts_with("linux.intelRdt needs"),
        "{error}"
    );
    let planned = Cgroup::planned(&hierarchies, &request);
    assert!(planned.is_err());
    let without = Request {
        intel_rdt: None,
        ..request
    };
    let planned = Cgroup::planned(&hierarchies, &without).unwrap();
    assert!(
        planned.paths.values().all(|path| !path.exists()),
        "{planned:?}"
    );

    let stand_in = StandIn::new("carried");
    let mut cgroup = Cgroup::create_in(&hierarchies, &without).unwrap();
    cgroup.class = Some(Class::create(stand_in.resctrl(), &id, &asked).unwrap());
    stand_in.class(&id);
    let joined = cgroup.entry(Entrance::Clone).unwrap().class.len();
    let state = serde_json::to_vec(&cgroup.state()).unwrap();
    let again = Cgroup::open(&serde_json::from_slice(&state).unwrap()).unwrap();
    assert_eq!(again.state(), cgroup.state());
    assert_eq!(again.entry(Entrance::Clone).unwrap().class.len(), joined);
    assert!(!again.serves(&hierarchies, &without).unwrap());
    for file in ["tasks", "schemata"] {
        fs::remove_file(stand_in.0.join(&id).join(file)).unwrap();
    }
    fs::remove_dir(stand_in.0.join(&id).join("mon_groups")).unwrap();
    again.delete().unwrap();
    assert!(!stand_in.has(&id));
}
