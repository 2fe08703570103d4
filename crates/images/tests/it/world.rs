//! A store of its own in a temporary directory.

use images::{Images, Input, NoUsers, Options, Settings, Snapshotter, Steps, User, Users};
use metadata::Database;
use std::collections::BTreeSet;
use std::error::Error;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use types::{Digest, Layer, Paths};

/// A root directory, removed at the end.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) users: Arc<dyn Users>,
    pub(crate) settings: Settings,
    pub(crate) steps: Steps,
}

/// Containers as a test wants them.
#[derive(Debug, Default)]
pub(crate) struct Containers(
    pub(crate) Mutex<Vec<(Digest, User)>>,
    pub(crate) Mutex<Vec<Layer>>,
);

impl Users for Containers {
    fn of(&self, image: &Digest) -> Vec<User> {
        let all = self.0.lock().unwrap();
        let own = all.iter().filter(|(id, _)| id == image);
        own.map(|(_, user)| user.clone()).collect()
    }

    fn layers(&self) -> Vec<Layer> {
        self.1.lock().unwrap().clone()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            users: Arc::new(NoUsers),
            settings: Settings::default(),
            steps: Steps::default(),
        }
    }

    pub(crate) fn with_users(users: Arc<dyn Users>) -> Self {
        Self {
            users,
            ..Self::new()
        }
    }

    pub(crate) fn at(dir: &Path) -> Result<(Arc<Database>, Paths), Box<dyn Error>> {
        let paths = Paths::under(&dir.join("root"), &dir.join("run"));
        std::fs::create_dir_all(&paths.root)?;
        Ok((Arc::new(Database::open(&paths.database())?), paths))
    }

    pub(crate) fn open(&self) -> Images {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Images, Box<dyn Error>> {
        let (database, paths) = Self::at(self.dir.path())?;
        Ok(Images::open(&paths, database, self.options())?)
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            unpack: sibling("corten-unpack"),
            hello: Some(sibling("corten-hello")),
            snapshotter: Some(snapshotter()),
            registries: self.settings.clone(),
            at_once: images::AtOnce::default(),
            users: Arc::clone(&self.users),
            steps: self.steps.clone(),
        }
    }

    /// Every file below the root but the database, by name; a layer that is a tree as one.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let root = self.dir.path().join("root");
        let mut found = BTreeSet::new();
        let layers = root.join("layers");
        let is_layer = |path: &Path| path.parent().and_then(Path::parent) == Some(&layers);
        walk(&root, &is_layer, &mut |path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            if !name.starts_with("metadata.redb") {
                found.insert(name.to_owned());
            }
        });
        found
    }

    /// Bytes on disk of those files.
    pub(crate) fn du(&self) -> u64 {
        let root = self.dir.path().join("root");
        let files = self.files();
        files.iter().map(|name| blocks(&root.join(name))).sum()
    }
}

/// How layers are kept: a whole run of the tests may be told another way.
pub(crate) fn snapshotter() -> Snapshotter {
    let named = std::env::var("CORTEN_TEST_STORAGE");
    named.map_or(Snapshotter::Erofs, |name| name.parse().unwrap())
}

/// Bytes on disk of a file, or of a tree without links in it.
fn blocks(path: &Path) -> u64 {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    let below: u64 = match metadata.is_dir() {
        true => {
            let entries = std::fs::read_dir(path).unwrap();
            entries.map(|entry| blocks(&entry.unwrap().path())).sum()
        }
        false => 0,
    };
    metadata.blocks() * 512 + below
}

fn walk(dir: &Path, whole: &impl Fn(&Path) -> bool, found: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() && !whole(&path) {
            true => walk(&path, whole, found),
            false => found(&path),
        }
    }
}

/// An executable that was built next to this test's.
pub(crate) fn sibling(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let path = exe.parent().unwrap().parent().unwrap().join(name);
    assert!(path.exists(), "build it first: cargo build -p {name}");
    path
}

/// An archive of regular files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    content::Hasher::digest(types::Algorithm::Sha256, bytes)
}

pub(crate) fn input(bytes: impl Into<Vec<u8>>) -> Input {
    Box::pin(std::io::Cursor::new(bytes.into()))
}
