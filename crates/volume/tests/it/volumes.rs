use std::collections::BTreeMap;
use std::fs;
use types::Paths;
use volume::{Leftover, Local, Name, Volumes};

struct Place {
    _dir: tempfile::TempDir,
    volumes: Volumes,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(&dir.path().join("root"), &dir.path().join("run"));
    Place {
        volumes: Volumes::open(&paths).unwrap(),
        _dir: dir,
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn local(options: &[(&str, &str)]) -> Local {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let options: BTreeMap<String, String> = options.iter().map(owned).collect();
    Local::parse(&options).unwrap().unwrap()
}

#[test]
fn a_volume_that_is_made_again_keeps_its_files() {
    let Place { volumes, _dir } = place();
    let one = name("one");
    volumes.make(&one).unwrap();
    fs::write(volumes.path(&one).join("file"), "kept").unwrap();
    volumes.make(&one).unwrap();
    assert_eq!(
        fs::read_to_string(volumes.path(&one).join("file")).unwrap(),
        "kept"
    );
    assert!(!volumes.is_empty(&one).unwrap());
}

#[test]
fn a_removal_is_undone_or_ended_from_wherever_it_stopped() {
    let Place { volumes, _dir } = place();
    let one = name("one");
    volumes.make(&one).unwrap();
    fs::write(volumes.path(&one).join("file"), "kept").unwrap();
    volumes.retire(&one).unwrap();
    assert_eq!(volumes.list().unwrap(), [Leftover::Removed(one.clone())]);
    volumes.restore(&one).unwrap();
    assert!(volumes.path(&one).join("file").exists());
    volumes.retire(&one).unwrap();
    // The name is used again before the first's files are gone.
    volumes.make(&one).unwrap();
    volumes.retire(&one).unwrap();
    volumes.discard(&one).unwrap();
    assert_eq!(volumes.list().unwrap(), []);
    volumes.discard(&one).unwrap();
}

#[test]
fn a_file_system_is_mounted_once_and_taken_away() {
    let Place { volumes, _dir } = place();
    let one = name("one");
    volumes.make(&one).unwrap();
    let tmpfs = local(&[
        ("type", "tmpfs"),
        ("device", "tmpfs"),
        ("o", "size=1m,ro,nosuid"),
    ]);
    volumes.mount(&one, &tmpfs).unwrap();
    volumes.mount(&one, &tmpfs).unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let path = volumes.path(&one).display().to_string();
    let lines: Vec<_> = mounts.lines().filter(|line| line.contains(&path)).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("ro,nosuid") && lines[0].contains("size=1024k"),
        "{lines:?}"
    );
    volumes.unmount(&one).unwrap();
    assert!(!volumes.is_mounted(&one).unwrap());
}

#[test]
fn a_bind_that_cannot_be_had_leaves_no_mount_and_says_what_it_was() {
    let Place { volumes, _dir } = place();
    let one = name("one");
    volumes.make(&one).unwrap();
    let bind = local(&[
        ("type", "none"),
        ("device", "/no/such/dir"),
        ("o", "bind,ro"),
    ]);
    let error = volumes.mount(&one, &bind).unwrap_err().to_string();
    assert!(
        error.contains("failed to mount local volume: mount /no/such/dir:"),
        "{error}"
    );
    assert!(!volumes.is_mounted(&one).unwrap());
}
