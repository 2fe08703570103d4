//! Layers in the form that is mounted: one EROFS file a `diff_id`.

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use types::{Digest, Layer, Paths};

use crate::error::Error;
use crate::mounts::Mounts;

/// The directory of layers, by the digest of their uncompressed tar.
#[derive(Clone, Debug)]
pub struct Layers {
    root: PathBuf,
    mounts: Arc<Mounts>,
}

impl Layers {
    /// Opens the directory, and makes it if it is not there.
    pub fn open(paths: &Paths) -> Result<Self, Error> {
        let root = paths.layers();
        for algorithm in ["sha256", "sha512"] {
            let dir = root.join(algorithm);
            create_private(&dir).map_err(store("create", &dir))?;
        }
        let mounts = Arc::default();
        Ok(Self { root, mounts })
    }

    /// The layer, if it is held.
    pub fn find(&self, diff_id: &Digest) -> Option<Layer> {
        let path = self.path(diff_id);
        path.is_file().then_some(Layer::Erofs(path))
    }

    /// Mounts of the topmost of these layers, in their order; for those that are not among them
    /// the caller needs one of its own. They are shared: nobody changes them.
    pub fn mounts(&self, layers: &[Layer]) -> Vec<Arc<OwnedFd>> {
        self.mounts.of(layers)
    }

    /// Where the layer is or would be.
    pub fn path(&self, diff_id: &Digest) -> PathBuf {
        self.root
            .join(diff_id.algorithm().name())
            .join(format!("{}.erofs", diff_id.hex()))
    }

    /// An empty file without a name, which a crash leaves nothing of.
    pub fn create(&self) -> Result<Draft, Error> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(&self.root, flags, Mode::from_raw_mode(0o600))
            .map_err(|error| store("create a file in", &self.root)(error.into()))?;
        Ok(Draft {
            file: File::from(file),
            layers: self.clone(),
        })
    }

    /// Removes a layer. One that is not held is removed already.
    pub fn remove(&self, diff_id: &Digest) -> Result<(), Error> {
        let path = self.path(diff_id);
        self.mounts.forget(&path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(store("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Every layer held, in no order.
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        let mut held = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            let dir = self.root.join(algorithm);
            for entry in fs::read_dir(&dir).map_err(store("list", &dir))? {
                let name = entry.map_err(store("list", &dir))?.file_name();
                let hex = name.to_str().and_then(|name| name.strip_suffix(".erofs"));
                held.extend(hex.and_then(|hex| format!("{algorithm}:{hex}").parse().ok()));
            }
        }
        Ok(held)
    }
}

/// A layer's file before it has its name.
#[derive(Debug)]
pub struct Draft {
    file: File,
    layers: Layers,
}

impl Draft {
    /// Another descriptor of the file, for [`crate::Unpack::layer`].
    pub fn output(&self) -> Result<File, Error> {
        self.file
            .try_clone()
            .map_err(store("duplicate a file of", &self.layers.root))
    }

    /// Makes the file durable and gives it the layer's name, in this order.
    /// If another unpacked the same layer meanwhile, that one stays.
    pub fn commit(self, diff_id: &Digest) -> Result<Layer, Error> {
        let path = self.layers.path(diff_id);
        self.file.sync_data().map_err(store("sync", &path))?;
        let itself = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match rustix::fs::linkat(CWD, &itself, CWD, &path, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(store("create", &path)(error.into())),
        }
        let parent = path.parent().unwrap_or(&self.layers.root);
        let dir = File::open(parent).map_err(store("open", parent))?;
        dir.sync_all().map_err(store("sync", parent))?;
        Ok(Layer::Erofs(path))
    }
}

impl From<Draft> for OwnedFd {
    fn from(draft: Draft) -> Self {
        draft.file.into()
    }
}

fn create_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

fn store(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Store {
        attempt,
        path: path.to_owned(),
        source,
    }
}
