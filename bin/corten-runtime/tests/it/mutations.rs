//! Configurations and state files as nobody would write them: whatever they say, the runtime
//! answers with 0 or 1, touches nothing outside of the root, and leaves nothing.
//!
//! `PROPTEST_CASES` says how many; a failure names the numbers that lead to it.

use crate::bundle::{Bundle, Said};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What strings become. A name of this machine's is not among them: a container may be asked
/// for whatever its caller may do.
const TEXTS: [&str; 22] = [
    "",
    ".",
    "..",
    "/",
    "//",
    "a",
    "-1",
    "0",
    "\0",
    "a\0b",
    "../../../outside",
    "/../outside",
    "/proc",
    "/proc/self/fd/3",
    "/dev",
    "/dev/null",
    "/link",
    "/link/in/it",
    "ro",
    "rbind",
    "é\u{202e}",
    "%s%n",
];
const NUMBERS: [i64; 10] = [
    0,
    1,
    -1,
    7,
    65_535,
    65_536,
    4_294_967_295,
    4_294_967_296,
    i64::MAX,
    i64::MIN,
];
/// Fields that decide what of the host is used; they stay as they are.
const KEPT: [&str; 4] = ["namespaces", "path", "cgroupsPath", "source"];
/// Without it there would be no namespaces.
const HELD: &str = "linux";

/// Draws one number after the other out of one.
struct Draw(u64);

impl Draw {
    /// A number below `most`.
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(self.0 >> 33).unwrap();
        high % most.max(1)
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn value(&mut self) -> Value {
        match self.below(7) {
            0 => Value::Null,
            1 => json!([]),
            2 => json!({}),
            3 => json!(self.below(2) == 0),
            4 => json!(self.of(&NUMBERS)),
            5 => json!("x".repeat(self.of(&[63, 64, 65, 255, 256, 4095, 4096, 70_000]))),
            _ => json!(self.of(&TEXTS)),
        }
    }
}

/// Changes one place of a document.
fn change(value: &mut Value, draw: &mut Draw) {
    match value {
        Value::Object(fields) => {
            let names: Vec<String> = fields
                .keys()
                .filter(|name| !KEPT.contains(&name.as_str()))
                .cloned()
                .collect();
            if names.is_empty() {
                return;
            }
            let name = &names[draw.below(names.len())];
            match draw.below(12) {
                _ if name == HELD => change(&mut fields[name], draw),
                0 => drop(fields.remove(name)),
                1 => drop(fields.insert(name.clone(), draw.value())),
                _ => change(&mut fields[name], draw),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = draw.below(items.len());
            match draw.below(8) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                2 => items[at] = draw.value(),
                _ => change(&mut items[at], draw),
            }
        }
        value => *value = draw.value(),
    }
}

/// Damages a text at one place.
fn damage(bytes: &mut Vec<u8>, draw: &mut Draw) {
    let at = draw.below(bytes.len());
    match draw.below(3) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << draw.below(8),
        _ => bytes.insert(at, draw.of(b"{}[]\",:\0\xff9-")),
    }
}

fn answers(said: &Said) -> Result<(), TestCaseError> {
    let code = said.code.is_some_and(|code| code == 0 || code == 1);
    match code && !said.err.contains("panicked") {
        true => Ok(()),
        false => Err(TestCaseError::fail(format!("{said:?}"))),
    }
}

fn runs(cases: u32, test: impl Fn(Vec<u64>) -> Result<(), TestCaseError>) {
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let cases = std::env::var_os("PROPTEST_CASES").map_or(cases, |_| config.cases);
    let mut runner = TestRunner::new(ProptestConfig { cases, ..config });
    runner.run(&vec(any::<u64>(), 1..8), test).unwrap();
}

#[test]
fn no_configuration_leads_out_of_the_root_or_leaves_anything() {
    let Some(mut bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    // A damaged text can have lost its namespaces, which is allowed.
    bundle.apart = true;
    let outside = bundle.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let rootfs = bundle.path().join("rootfs");
    for place in ["link", "dev/shm", "etc/link"] {
        fs::create_dir_all(rootfs.join(place).parent().unwrap()).unwrap();
        symlink(&outside, rootfs.join(place)).unwrap();
    }
    symlink("../../../../outside", rootfs.join("tmp/up")).unwrap();
    bundle.change(|spec| {
        spec["linux"]["cgroupsPath"] = json!(bundle.id);
        spec["linux"]["resources"] = json!({"devices": [{"allow": true, "type": "c", "major": 1,
            "minor": 3, "access": "rwm"}], "memory": {"limit": 1 << 28}, "cpu": {"shares": 512},
            "pids": {"limit": 64}, "unified": {}});
        spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
            [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]});
        spec["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
        spec["linux"]["devices"] = json!([{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229,
            "fileMode": 438, "uid": 0, "gid": 0}]);
        spec["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 1});
        spec["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 4});
        let mounts = spec["mounts"].as_array_mut().unwrap();
        for place in ["/link/in/it", "/etc/link", "/tmp/up/there", "/made/here"] {
            mounts.push(json!({"destination": place, "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "size=1m", "mode=755"]}));
        }
    });
    let config = bundle.path().join("config.json");
    let whole: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    let bundle = &bundle;
    let path = bundle.path().display().to_string();
    runs(48, |seeds| {
        let mut spec = whole.clone();
        let mut draws: Vec<Draw> = seeds.into_iter().map(Draw).collect();
        for draw in &mut draws {
            change(&mut spec, draw);
        }
        let mut bytes = serde_json::to_vec(&spec).unwrap();
        let damaged = draws[0].below(8) == 0;
        if damaged {
            damage(&mut bytes, &mut draws[0]);
        }
        fs::write(&config, bytes).unwrap();
        answers(&bundle.run(&["create", "-b", &path, &bundle.id]))?;
        answers(&bundle.run(&["start", &bundle.id]))?;
        answers(&bundle.run(&["delete", "-f", &bundle.id]))?;
        let left = |path: &Path| fs::read_dir(path).map_or(0, Iterator::count);
        // A damaged text can have another root, with all of this inside.
        let outside = if damaged { 0 } else { left(&outside) };
        let all = (left(&bundle.state()), outside, bundle.groups().len());
        match all {
            (0, 0, 0) => Ok(()),
            all => Err(TestCaseError::fail(format!(
                "left: state, outside, groups {all:?}"
            ))),
        }
    });
}

#[test]
fn no_state_file_is_more_than_an_error() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    bundle.create();
    let state = bundle.state().join(&bundle.id).join("state.json");
    let kept = fs::read(&state).unwrap();
    let whole: Value = serde_json::from_slice(&kept).unwrap();
    runs(48, |seeds| {
        let mut record = whole.clone();
        let mut draws: Vec<Draw> = seeds.into_iter().map(Draw).collect();
        for draw in &mut draws {
            change(&mut record, draw);
        }
        let mut bytes = serde_json::to_vec(&record).unwrap();
        if draws[0].below(2) == 0 {
            damage(&mut bytes, &mut draws[0]);
        }
        fs::write(&state, bytes).unwrap();
        for command in [&["state"][..], &["ps"], &["events", "--stats"]] {
            answers(&bundle.run(&[command, &[&bundle.id]].concat()))?;
        }
        answers(&bundle.run(&["list"]))
    });
    fs::write(&state, kept).unwrap();
}
