//! The ways to keep layers and to make roots: every one of them passes the same suite.

use crate::unique;
use rustix::fs::{AtFlags, CWD, FileType};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use tar::EntryType;
use testing::TestHost;

/// `cap_net_raw=ep`, as the kernel stores it.
const CAPABILITY: &[u8] = &[
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];
/// `u::rw-,u:1000:r--,g::r--,m::r--,o::r--`, as the kernel stores it.
const ACL: &[u8] = &[
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 4, 0, 255, 255,
    255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255,
];
const NOT_UTF8: &[u8] = b"caf\xe9";
const HOLE: u64 = 10 << 20;

/// A layer's archive, entry by entry.
struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn entry(mut self, path: impl AsRef<OsStr>, kind: EntryType, bytes: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(if kind == EntryType::Directory {
            0o755
        } else {
            0o644
        });
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1_000_000_000);
        let path = Path::new(path.as_ref());
        self.0.append_data(&mut header, path, bytes).unwrap();
        self
    }

    fn file(self, path: impl AsRef<OsStr>, bytes: &[u8]) -> Self {
        self.entry(path, EntryType::Regular, bytes)
    }

    fn directory(self, path: &str) -> Self {
        self.entry(path, EntryType::Directory, b"")
    }

    fn link(mut self, path: &str, kind: EntryType, target: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mtime(1_000_000_000);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    fn device(mut self, path: &str, kind: EntryType, major: u32, minor: u32) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o620);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        self.0.append_data(&mut header, path, &b""[..]).unwrap();
        self
    }

    /// Attributes of the next entry.
    fn attributes(mut self, attributes: &[(&str, &[u8])]) -> Self {
        let records = attributes.iter();
        let records: Vec<_> = records
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), *value))
            .collect();
        let records = records.iter().map(|(name, value)| (name.as_str(), *value));
        self.0.append_pax_extensions(records).unwrap();
        self
    }

    fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn lower() -> Vec<u8> {
    let busybox = fs::read("/bin/busybox").expect("busybox-static is installed");
    let mut program = tar::Header::new_gnu();
    program.set_size(busybox.len() as u64);
    program.set_mode(0o4755);
    let mut layer = Layer::new();
    layer
        .0
        .append_data(&mut program, "bin/busybox", busybox.as_slice())
        .unwrap();
    layer
        .directory("kept/")
        .file("kept/below", b"below")
        .file("gone", b"x")
        .directory("gone-directory/")
        .file("gone-directory/x", b"x")
        .directory("opaque/")
        .file("opaque/old", b"x")
        .file("becomes-directory", b"x")
        .directory("becomes-file/")
        .file("becomes-file/x", b"x")
        .link("link", EntryType::Symlink, "kept/below")
        .file("first", b"one inode")
        .link("second", EntryType::Link, "first")
        .directory("sub/")
        .link("sub/third", EntryType::Link, "first")
        .device("zero", EntryType::Char, 1, 5)
        .device("disk", EntryType::Block, 7, 3)
        .entry("fifo", EntryType::Fifo, b"")
        .attributes(&[("security.capability", CAPABILITY), ("user.note", b"n\0n")])
        .file("capable", b"x")
        .attributes(&[("system.posix_acl_access", ACL)])
        .file("listed", b"x")
        .file(OsStr::from_bytes(NOT_UTF8), b"x")
        .file(long(), b"x")
        .finish()
}

/// As long as a name may be, in a path longer than tar's own field.
fn long() -> String {
    format!("sub/{}", "n".repeat(255))
}

fn upper() -> Vec<u8> {
    Layer::new()
        .directory("kept/")
        .file("kept/above", b"above")
        .file(".wh.gone", b"")
        .file(".wh.gone-directory", b"")
        .directory("opaque/")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/new", b"x")
        .directory("becomes-directory/")
        .file("becomes-directory/y", b"y")
        .file("becomes-file", b"y")
        .finish()
}

/// What GNU tar writes of a file that is a hole but for its last byte.
fn sparse(host: &TestHost) -> Vec<u8> {
    let dir = host.scratch().join("sparse");
    fs::create_dir_all(&dir).unwrap();
    let file = fs::File::create(dir.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", HOLE).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--format=posix", "--sparse", "-cf", "-", "-C"]);
    tar.arg(dir).arg("sparse").output().unwrap().stdout
}

fn load(host: &TestHost, name: &str, layers: &[Vec<u8>]) {
    use sha2::{Digest, Sha256};
    let hex = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let ids: Vec<_> = layers
        .iter()
        .map(|l| format!("sha256:{}", hex(l)))
        .collect();
    let config = serde_json::json!({"architecture": "amd64", "os": "linux",
        "config": {"Cmd": ["/bin/busybox", "sleep", "1000"]},
        "rootfs": {"type": "layers", "diff_ids": ids}})
    .to_string();
    let names: Vec<_> = (0..layers.len()).map(|n| format!("{n}.tar")).collect();
    let manifest = serde_json::json!([{"Config": "config.json",
        "RepoTags": [format!("{name}:latest")], "Layers": names}])
    .to_string();
    let mut archive = Layer::new().file("config.json", config.as_bytes());
    for (name, layer) in names.iter().zip(layers) {
        archive = archive.file(name, layer);
    }
    let archive = archive.file("manifest.json", manifest.as_bytes());
    host.cli_with_input(&["load", "-q"], archive.finish())
        .success();
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1024];
    let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

/// A running container of the image, and its root as the host sees it.
fn root(host: &TestHost, image: &str) -> (String, PathBuf) {
    let id = host.run_detached(&["--network", "none", image]);
    let pid = host.inspect(&id, "{{.State.Pid}}");
    (id, PathBuf::from(format!("/proc/{pid}/root")))
}

/// What the writable part holds are whole files where their names are, whatever the host's own
/// choice for overlays is.
fn policy(host: &TestHost, id: &str, driver: &str) {
    let pid = host.inspect(id, "{{.State.Pid}}");
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(4) == Some("/"));
    let options = root.unwrap().rsplit(' ').next().unwrap();
    let has = |option| options.split(',').any(|have| have == option);
    assert_eq!(has("redirect_dir=nofollow"), driver != "vfs", "{root:?}");
    assert!(!has("metacopy=on"), "{root:?}");
}

/// What layers make together.
fn merged(root: &Path) {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|e| e.to_string());
    assert_eq!(read("kept/below"), "below");
    assert_eq!(read("kept/above"), "above");
    for gone in ["gone", "gone-directory", "opaque/old", "becomes-file/x"] {
        assert!(fs::symlink_metadata(root.join(gone)).is_err(), "{gone}");
    }
    assert_eq!(read("opaque/new"), "x");
    assert_eq!(read("becomes-directory/y"), "y");
    assert_eq!(read("becomes-file"), "y");
    let target = fs::read_link(root.join("link")).unwrap();
    assert_eq!(target, Path::new("kept/below"));
}

/// What single files are.
fn described(root: &Path) {
    let stat = |path: &str| fs::symlink_metadata(root.join(path)).unwrap();
    let file = stat("kept/below");
    assert_eq!(
        (file.uid(), file.gid(), file.mtime()),
        (7, 8, 1_000_000_000)
    );
    assert_eq!(file.permissions().mode() & 0o7777, 0o644);
    assert_eq!(stat("kept").mtime(), 1_000_000_000);
    assert_eq!(stat("bin/busybox").permissions().mode() & 0o7777, 0o4755);
    let first = stat("first");
    assert_eq!(first.nlink(), 3);
    for other in ["second", "sub/third"] {
        assert_eq!(stat(other).ino(), first.ino(), "{other}");
    }
    for (path, kind, device) in [
        ("zero", FileType::CharacterDevice, (1, 5)),
        ("disk", FileType::BlockDevice, (7, 3)),
        ("fifo", FileType::Fifo, (0, 0)),
    ] {
        let stat = rustix::fs::statat(CWD, root.join(path), AtFlags::SYMLINK_NOFOLLOW).unwrap();
        assert_eq!(FileType::from_raw_mode(stat.st_mode), kind, "{path}");
        let (major, minor) = device;
        assert_eq!(stat.st_rdev, rustix::fs::makedev(major, minor), "{path}");
    }
    let has = |path: &str, name: &str| attribute(&root.join(path), name);
    assert_eq!(
        has("capable", "security.capability"),
        Some(CAPABILITY.to_vec())
    );
    assert_eq!(has("capable", "user.note"), Some(b"n\0n".to_vec()));
    assert_eq!(has("listed", "system.posix_acl_access"), Some(ACL.to_vec()));
    assert!(root.join(OsStr::from_bytes(NOT_UTF8)).exists());
    assert!(root.join(long()).exists());
    let sparse = stat("sparse");
    assert_eq!(sparse.len(), HOLE + 3);
    let bytes = fs::read(root.join("sparse")).unwrap();
    let (hole, end) = bytes.split_at(usize::try_from(HOLE).unwrap());
    assert!(hole.iter().all(|byte| *byte == 0) && end == b"end");
}

/// What a container changes is told, kept and committed; the image is as it was.
fn changes(host: &TestHost, image: &str, id: &str) {
    let script = "cd /; b=/bin/busybox; $b rm kept/below; $b rm -r opaque; $b mkdir opaque; \
        echo z > opaque/z; echo more >> listed; $b mkdir -p new/deep; echo n > new/deep/n; \
        $b ln new/deep/n new/m; $b chmod 600 becomes-file; $b mv kept/above kept/moved; $b sync";
    host.cli(&["exec", id, "/bin/busybox", "sh", "-ec", script])
        .success();
    let told = || {
        let told = host.cli(&["diff", id]).success().text();
        let mut lines: Vec<String> = told.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let expected = [
        "A /kept/moved",
        "A /new",
        "A /new/deep",
        "A /new/deep/n",
        "A /new/m",
        "A /opaque/z",
        "C /becomes-file",
        "C /kept",
        "C /listed",
        "C /opaque",
        "D /kept/above",
        "D /kept/below",
        "D /opaque/new",
    ];
    assert_eq!(told(), expected);
    let size = host
        .cli(&["inspect", "-s", "-f", "{{.SizeRw}}", id])
        .success();
    assert!(size.text().trim().parse::<u64>().unwrap() > 0);

    let committed = unique("committed");
    host.cli(&["commit", id, &committed]).success();
    assert_eq!(told(), expected, "a commit changes nothing");
    let (copy, root) = root(host, &committed);
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    assert_eq!(read("listed"), "xmore\n");
    assert_eq!(read("new/m"), "n\n");
    assert_eq!(read("kept/moved"), "above");
    for gone in ["kept/below", "kept/above", "opaque/new"] {
        assert!(fs::symlink_metadata(root.join(gone)).is_err(), "{gone}");
    }
    let ino = |path: &str| fs::metadata(root.join(path)).unwrap().ino();
    assert_eq!(ino("new/m"), ino("new/deep/n"));
    let mode = fs::metadata(root.join("becomes-file"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(
        attribute(&root.join("capable"), "security.capability"),
        Some(CAPABILITY.to_vec())
    );
    host.cli(&["rm", "-f", &copy]).success();

    let (fresh, root) = self::root(host, image);
    merged(&root);
    host.cli(&["rm", "-f", &fresh]).success();
    host.cli(&["rmi", &committed]).success();
}

/// An image of one layer in a container of another: nobody can write to it.
fn mounted(host: &TestHost, image: &str) {
    let single = unique("single");
    load(host, &single, &[lower()]);
    let mount = format!("type=image,src={single},dst=/image");
    let script = "/bin/busybox cat /image/kept/below; /bin/busybox touch /image/x";
    let ran = host.cli(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--mount",
        &mount,
        image,
        "/bin/busybox",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!((ran.code, ran.text().as_str()), (1, "below"), "{ran}");
    assert!(ran.error().contains("Read-only file system"), "{ran}");
    host.cli(&["rmi", &single]).success();
}

/// Everything, with one way.
fn conforms(driver: &str) {
    let mut host = TestHost::idle();
    host.start_daemon_with(&["--storage-driver", driver]);
    let told = host.cli(&["info", "-f", "{{.Driver}}"]).success();
    assert_eq!(told.text().trim(), driver);
    let image = unique("storage");
    load(&host, &image, &[lower(), upper(), sparse(&host)]);
    let kept = Command::new("du")
        .arg("-sk")
        .arg(host.paths().layers())
        .output();
    let kept = String::from_utf8(kept.unwrap().stdout).unwrap();
    let kept: u64 = kept.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kept * 1024 < HOLE, "holes stay holes: {kept} kB");
    let (id, root) = root(&host, &image);
    policy(&host, &id, driver);
    merged(&root);
    described(&root);
    changes(&host, &image, &id);
    mounted(&host, &image);
    // What it wrote outlives its end and another daemon.
    host.cli(&["stop", "-t", "0", &id]).success();
    host.stop_daemon();
    host.start_daemon_with(&["--storage-driver", driver]);
    host.cli(&["start", &id]).success();
    let kept = host.cli(&["exec", &id, "/bin/busybox", "cat", "/new/m"]);
    assert_eq!(kept.success().text(), "n\n");
    let df = host
        .cli(&["system", "df", "--format", "{{.Type}} {{.Size}}"])
        .success();
    assert!(!df.text().contains("Images 0B"), "{df}");

    host.cli(&["rm", "-f", &id]).success();
    host.cli(&["rmi", &image]).success();
    let layers = host.paths().layers();
    let mut left: Vec<_> = fs::read_dir(layers.join("sha256")).unwrap().collect();
    left.extend(fs::read_dir(layers).unwrap());
    assert_eq!(left.len(), 2, "{left:?}");
    host.until("the container's directory is removed", |host| {
        !host.paths().containers().join(&id).exists()
    });
}

#[test]
fn images_of_erofs_under_an_overlay_conform() {
    conforms("erofs");
}

#[test]
fn trees_of_files_under_an_overlay_conform() {
    conforms("overlay2");
}

#[test]
fn copies_of_trees_conform() {
    conforms("vfs");
}

#[test]
fn a_store_is_usable_whatever_way_its_layers_were_kept() {
    let mut host = TestHost::idle();
    for (count, driver) in ["vfs", "erofs", "overlay2", "erofs"]
        .into_iter()
        .enumerate()
    {
        host.start_daemon_with(&["--storage-driver", driver]);
        if count == 0 {
            load(&host, "mixed", &[lower(), upper()]);
        }
        // One more layer, of the form of this daemon.
        let layer = Layer::new().file(format!("layer-{count}"), b"x").finish();
        let names = [lower(), upper(), layer];
        let image = format!("mixed-{count}");
        load(&host, &image, &names);
        let (id, root) = root(&host, &image);
        merged(&root);
        assert!(root.join(format!("layer-{count}")).exists());
        host.cli(&["rm", "-f", &id]).success();
        host.stop_daemon();
    }
    host.start_daemon();
    let (id, root) = root(&host, "mixed-0");
    merged(&root);
    host.cli(&["rm", "-f", &id]).success();
}

/// The kernel would write the whole disk's changes at the end of each.
#[test]
fn what_goes_with_its_container_is_left_in_memory() {
    let host = TestHost::start();
    let volatile = |flags: &[&str]| {
        let look = ["busybox", "grep", " / / ", "/proc/self/mountinfo"];
        let run = ["run", "--network", "none"];
        let seen = host.cli(&[&run[..], flags, &look].concat()).text();
        assert!(seen.contains(" overlay "), "{seen}");
        seen.contains("volatile")
    };
    for (flags, expected) in [
        (&["--rm"][..], true),
        (&["--rm"], true),
        (&[], false),
        (&[], false),
        (&["--rm"], true),
    ] {
        assert_eq!(volatile(flags), expected, "{flags:?}");
    }
}

#[test]
fn what_is_left_in_memory_is_there_as_long_as_its_container() {
    let host = TestHost::start();
    let file = host.scratch().join("given");
    fs::write(&file, "given").unwrap();
    let script = "echo run >> /runs; exec sleep 600";
    let create = ["create", "--rm", "--network", "none", "--name", "kept"];
    host.cli(&[&create[..], &["busybox", "sh", "-c", script]].concat())
        .success();
    host.cli(&["cp", file.to_str().unwrap(), "kept:/given"])
        .success();
    host.cli(&["start", "kept"]).success();
    host.until("it runs", |host| {
        host.cli(&["exec", "kept", "test", "-s", "/runs"]).code == 0
    });
    host.cli(&["restart", "-t", "0", "kept"]).success();
    host.until("it runs again", |host| {
        let seen = host.cli(&["exec", "kept", "cat", "/given", "/runs"]);
        seen.stdout == b"givenrun\nrun\n"
    });
    host.cli(&["commit", "kept", "committed"]).success();
    let run = ["run", "--rm", "--network", "none", "committed"];
    let seen = host.cli(&[&run[..], &["cat", "/given"]].concat()).text();
    assert_eq!(seen, "given");
    host.cli(&["rm", "-f", "kept"]).success();
}

#[test]
fn a_driver_that_is_not_known_is_named() {
    let host = TestHost::idle();
    let ran = host.cli(&["daemon", "--storage-driver", "zfs"]).code(1);
    assert!(
        ran.error()
            .contains(r#""zfs" is no storage driver: there are erofs, overlay2 and vfs"#),
        "{ran}"
    );
}
