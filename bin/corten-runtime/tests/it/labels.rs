//! Security labels. `cargo xtask vm` has kernels with each of the modules that give them.

use crate::bundle::Bundle;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const SCRIPT: &str = "cat /proc/self/attr/current; cat /etc/secret; echo; sleep 100";

fn run(bundle: &Bundle) -> String {
    let path = bundle.path();
    let said = bundle.run(&["run", "-b", path.to_str().unwrap(), &bundle.id]);
    format!("{}{}", said.out.replace('\0', ""), said.err)
}

/// Has the kernel know a profile that allows everything but what its rules say.
pub(crate) fn load_profile(name: &str, rules: &str) {
    let profile = format!(
        "profile {name} flags=(attach_disconnected) {{
            file, signal, capability, mount, network, umount, ptrace, unix,
            {rules}
        }}"
    );
    let mut parser = Command::new("apparmor_parser")
        .args(["--replace", "--skip-cache"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    parser
        .stdin
        .take()
        .unwrap()
        .write_all(profile.as_bytes())
        .unwrap();
    assert!(parser.wait().unwrap().success());
}

#[test]
#[ignore = "needs AppArmor: cargo xtask vm"]
fn an_apparmor_profile_confines_the_program_and_what_is_executed_later() {
    load_profile("corten-test", "deny /etc/secret r,");
    let show = "cat /proc/self/attr/current; cat /etc/secret";
    let bundle = Bundle::new(&["sh", "-c", show]).unwrap();
    fs::write(bundle.path().join("rootfs/etc/secret"), "secret").unwrap();
    assert!(run(&bundle).contains("secret"));
    bundle.change(|spec| spec["process"]["apparmorProfile"] = json!("corten-test"));
    let said = run(&bundle);
    assert!(said.contains("corten-test (enforce)"), "{said}");
    assert!(said.contains("Permission denied"), "{said}");

    bundle.change(|spec| spec["process"]["args"] = json!(["sh", "-c", SCRIPT]));
    bundle.create();
    bundle.ok(&["start", &bundle.id]);
    let label = bundle.ok(&["exec", &bundle.id, "cat", "/proc/self/attr/current"]);
    assert!(label.contains("corten-test (enforce)"), "{label}");
    let plain = ["exec", "--apparmor", "unconfined", &bundle.id];
    let label = bundle.ok(&[&plain[..], &["cat", "/proc/self/attr/current"]].concat());
    assert!(label.contains("unconfined"), "{label}");

    let missing = Bundle::new(&["true"]).unwrap();
    missing.change(|spec| spec["process"]["apparmorProfile"] = json!("no-such-profile"));
    let said = run(&missing);
    assert!(said.contains("level=error"), "{said}");
}

/// The least policy that knows two types more than the kernel's own.
const POLICY: &str = "(mls true)(handleunknown allow)
(class process (transition dyntransition))(class file (read))(class dir (read))(classorder (process file dir))
(sid kernel)(sid security)(sid unlabeled)(sidorder (kernel security unlabeled))
(sensitivity s0)(sensitivityorder (s0))(category c0)(categoryorder (c0))
(sensitivitycategory s0 (c0))
(user u)(role r)(type kernel_t)(type box_t)(type file_t)
(roletype r kernel_t)(roletype r box_t)(roletype r file_t)(userrole u r)
(userlevel u (s0))(userrange u ((s0)(s0 (c0))))
(sidcontext kernel (u r kernel_t ((s0)(s0))))
(sidcontext security (u r kernel_t ((s0)(s0))))
(sidcontext unlabeled (u r file_t ((s0)(s0))))
(fsuse trans tmpfs (u r file_t ((s0)(s0))))
(fsuse trans mqueue (u r file_t ((s0)(s0))))
(fsuse trans devpts (u r file_t ((s0)(s0))))
(genfscon proc / (u r kernel_t ((s0)(s0))))
(allow kernel_t kernel_t (process (transition)))
";

/// Has the kernel take the policy; it is not enforced.
pub(crate) fn load_policy() {
    let directory = tempfile::tempdir().unwrap();
    let (source, policy) = (
        directory.path().join("a.cil"),
        directory.path().join("policy"),
    );
    fs::write(&source, POLICY).unwrap();
    let compiled = Command::new("secilc")
        .args(["-c", "33", "-f", "/dev/null", "-o"])
        .args([&policy, &source])
        .status();
    assert!(compiled.unwrap().success());
    let loaded = fs::write("/sys/fs/selinux/load", fs::read(policy).unwrap());
    let why = || Command::new("dmesg").output().unwrap().stdout;
    assert!(loaded.is_ok(), "{}", String::from_utf8_lossy(&why()));
}

#[test]
#[ignore = "needs SELinux: cargo xtask vm"]
fn selinux_labels_are_the_programs_and_the_file_systems() {
    assert!(Path::new("/sys/fs/selinux/load").exists());
    load_policy();
    let script = "cat /proc/self/attr/current; echo; cat /proc/self/mountinfo; cat /proc/self/attr/keycreate";
    let bundle = Bundle::new(&["sh", "-c", script]).unwrap();
    bundle.change(|spec| {
        // Without a bound between the types the kernel would not let it change.
        spec["process"]["noNewPrivileges"] = json!(false);
        spec["process"]["selinuxLabel"] = json!("u:r:box_t:s0:c0");
        spec["linux"]["mountLabel"] = json!("u:r:file_t:s0:c0");
        let mounts = spec["mounts"].as_array_mut().unwrap();
        mounts.push(
            json!({"destination": "/own", "type": "tmpfs", "source": "tmpfs",
            "options": ["context=\"u:r:file_t:s0\""]}),
        );
    });
    let said = run(&bundle);
    assert!(said.starts_with("u:r:box_t:s0:c0"), "{said}");
    let options = |place: &str| {
        let line = said
            .lines()
            .find(|line| line.contains(&format!(" {place} ")));
        line.unwrap_or_default().to_owned()
    };
    for place in ["/dev", "/dev/shm", "/dev/pts"] {
        let line = options(place);
        assert!(line.contains("context=u:r:file_t:s0:c0"), "{place}: {said}");
    }
    assert!(options("/own").contains("context=u:r:file_t:s0,"), "{said}");
    assert!(!options("/proc").contains("context="), "{said}");

    bundle.change(|spec| spec["process"]["args"] = json!(["sleep", "100"]));
    bundle.create();
    bundle.ok(&["start", &bundle.id]);
    let label = bundle.ok(&["exec", &bundle.id, "cat", "/proc/self/attr/current"]);
    assert!(label.starts_with("u:r:box_t:s0:c0"), "{label}");
    let other = ["exec", "--process-label", "u:r:box_t:s0", &bundle.id];
    let label = bundle.ok(&[&other[..], &["cat", "/proc/self/attr/current"]].concat());
    assert_eq!(label.trim_matches(['\0', '\n']), "u:r:box_t:s0");
}
