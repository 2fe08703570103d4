//! The layers of images in the form that is mounted, by the digest of their uncompressed tar.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use types::{Digest, Layer, Paths};

use crate::error::Error;
use crate::mounts::Mounts;
use crate::snapshotter::Snapshotter;
use crate::usage;

const ALGORITHMS: [&str; 2] = ["sha256", "sha512"];
/// Ends the name of an image; a tree's name is its digest alone.
const IMAGE: &str = "erofs";
/// Begins the name of a tree in the making, and of one in removal.
const DRAFT: &str = "draft-";

/// The directory of layers. Cloned freely.
///
/// New layers get the snapshotter's form; those of the other form stay as they are, and both
/// make up roots together.
#[derive(Clone, Debug)]
pub struct Layers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    fd: OwnedFd,
    snapshotter: Snapshotter,
    /// The layers that are trees.
    trees: RwLock<HashSet<Digest>>,
    mounts: Mounts,
}

impl Layers {
    /// Opens the directory, makes it if it is not there, and ends the removals that a crash
    /// interrupted. Without a `snapshotter` the first one is taken that works there.
    pub fn open(paths: &Paths, snapshotter: Option<Snapshotter>) -> Result<Self, Error> {
        let root = paths.layers();
        for algorithm in ALGORITHMS {
            let dir = root.join(algorithm);
            create_private(&dir).map_err(Error::io("create", &dir))?;
        }
        let fd = rustix::fs::open(&root, directory(), Mode::empty())
            .map_err(Error::io("open", &root))?;
        let held = held(&root)?;
        let images = held.iter().any(|(_, form)| *form == Form::Image);
        let trees = held.into_iter().filter(|(_, form)| *form == Form::Tree);
        let inner = Inner {
            snapshotter: match (snapshotter, images) {
                (Some(named), _) => named,
                // They were mounted here.
                (None, true) => Snapshotter::Erofs,
                (None, false) => Snapshotter::probe(&root),
            },
            trees: RwLock::new(trees.map(|(digest, _)| digest).collect()),
            mounts: Mounts::default(),
            root,
            fd,
        };
        inner.sweep()?;
        Ok(Self(Arc::new(inner)))
    }

    /// How new layers are kept, and roots made.
    pub fn snapshotter(&self) -> Snapshotter {
        self.0.snapshotter
    }

    /// The layer, if it is held.
    pub fn find(&self, diff_id: &Digest) -> Option<Layer> {
        let layer = self.layer(diff_id);
        let found = match &layer {
            Layer::Erofs(path) => path.is_file(),
            Layer::Directory(path) => path.is_dir(),
        };
        found.then_some(layer)
    }

    /// The layer as it is or would be.
    pub fn layer(&self, diff_id: &Digest) -> Layer {
        let trees = self.0.trees.read().unwrap_or_else(PoisonError::into_inner);
        match trees.contains(diff_id) {
            true => Layer::Directory(self.0.tree(diff_id)),
            false => Layer::Erofs(self.0.image(diff_id)),
        }
    }

    /// Mounts of the topmost of these layers, in their order; for those that are not among them
    /// the caller needs one of its own. They are shared: nobody changes them.
    pub fn mounts(&self, layers: &[Layer]) -> Vec<Arc<OwnedFd>> {
        self.0.mounts.of(layers)
    }

    /// Where the next layer is unpacked. A crash leaves nothing of it after the next [`Self::open`].
    pub fn create(&self) -> Result<Draft, Error> {
        let output = match self.0.snapshotter {
            Snapshotter::Erofs => Output::Image(self.0.nameless()?),
            Snapshotter::Overlay | Snapshotter::Copy => Output::Tree(self.0.unfinished()?),
        };
        Ok(Draft {
            output,
            layers: self.clone(),
        })
    }

    /// Removes a layer. One that is not held is removed already.
    pub fn remove(&self, diff_id: &Digest) -> Result<(), Error> {
        match self.layer(diff_id) {
            Layer::Erofs(path) => {
                self.0.mounts.forget(&path);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        Err(Error::io("remove", &path)(error))
                    }
                    _ => Ok(()),
                }
            }
            Layer::Directory(path) => {
                let removed = c_string(&unique());
                match rustix::fs::renameat(CWD, &path, &self.0.fd, &removed) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(error) => return Err(Error::io("rename", &path)(error)),
                }
                let mut trees = self.0.trees.write().unwrap_or_else(PoisonError::into_inner);
                trees.remove(diff_id);
                drop(trees);
                self.0.clear(&removed)
            }
        }
    }

    /// Every layer held, in no order.
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        let held = held(&self.0.root)?;
        Ok(held.into_iter().map(|(digest, _)| digest).collect())
    }

    /// Bytes of disk that a layer takes; none if it is not held.
    pub fn size(&self, diff_id: &Digest) -> Result<u64, Error> {
        let layer = self.layer(diff_id);
        let size = match &layer {
            Layer::Erofs(path) => fs::metadata(path)
                .map(|metadata| metadata.blocks() * 512)
                .map_err(Error::io("measure", path)),
            Layer::Directory(path) => {
                let name = path.strip_prefix(&self.0.root).unwrap_or(path);
                usage::measure_in(&self.0.fd, name.as_os_str(), path).map(|usage| usage.bytes)
            }
        };
        match size {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(0),
            size => size,
        }
    }
}

impl Inner {
    fn image(&self, diff_id: &Digest) -> PathBuf {
        self.tree(diff_id).with_extension(IMAGE)
    }

    fn tree(&self, diff_id: &Digest) -> PathBuf {
        let algorithm = diff_id.algorithm().name();
        self.root.join(algorithm).join(diff_id.hex())
    }

    fn nameless(&self) -> Result<File, Error> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(&self.root, flags, Mode::from_raw_mode(0o600));
        file.map(File::from)
            .map_err(Error::io("create a file in", &self.root))
    }

    fn unfinished(&self) -> Result<Unfinished, Error> {
        let name = c_string(&unique());
        let failed = |error| Error::io("create a directory in", &self.root)(error);
        // What an image does not describe of its root is as everywhere.
        let mode = Mode::from_raw_mode(0o755);
        rustix::fs::mkdirat(&self.fd, &name, mode).map_err(failed)?;
        rustix::fs::chmodat(&self.fd, &name, mode, AtFlags::empty()).map_err(failed)?;
        let dir = rustix::fs::openat(&self.fd, &name, directory(), Mode::empty());
        Ok(Unfinished {
            parent: self.fd.try_clone().map_err(Error::io("open", &self.root))?,
            dir: dir.map_err(failed)?,
            name,
        })
    }

    /// Ends what a crash interrupted.
    fn sweep(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.root).map_err(Error::io("list", &self.root))? {
            let name = entry.map_err(Error::io("list", &self.root))?.file_name();
            if name.as_bytes().starts_with(DRAFT.as_bytes()) {
                self.clear(&c_string(&name.to_string_lossy()))?;
            }
        }
        Ok(())
    }

    fn clear(&self, name: &CStr) -> Result<(), Error> {
        let path = self.root.join(OsStr::from_bytes(name.to_bytes()));
        sys::removal::remove_tree(&self.fd, name).map_err(Error::io("remove", &path))
    }
}

/// A layer before it has its name. Dropped, nothing is left of it.
#[derive(Debug)]
pub struct Draft {
    output: Output<Unfinished>,
    layers: Layers,
}

/// Where a layer is unpacked, by its form.
#[derive(Debug)]
pub enum Output<Tree = OwnedFd> {
    /// An empty file that becomes an EROFS image.
    Image(File),
    /// An empty directory that becomes a tree with overlay's marks.
    Tree(Tree),
}

/// A tree in the making.
#[derive(Debug)]
struct Unfinished {
    parent: OwnedFd,
    dir: OwnedFd,
    name: CString,
}

impl Draft {
    /// Another descriptor of it.
    pub fn output(&self) -> Result<Output, Error> {
        let copied = match &self.output {
            Output::Image(file) => file.try_clone().map(Output::Image),
            Output::Tree(tree) => tree.dir.try_clone().map(Output::Tree),
        };
        copied.map_err(Error::io("duplicate a file of", &self.layers.0.root))
    }

    /// Makes it durable and gives it the layer's name, in this order.
    /// If another unpacked the same layer meanwhile, that one stays.
    pub fn commit(self, diff_id: &Digest) -> Result<Layer, Error> {
        let layers = &self.layers.0;
        let (layer, named) = match &self.output {
            Output::Image(file) => {
                let path = layers.image(diff_id);
                file.sync_data().map_err(Error::io("sync", &path))?;
                let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
                let flags = AtFlags::SYMLINK_FOLLOW;
                let named = rustix::fs::linkat(CWD, &itself, CWD, &path, flags);
                (Layer::Erofs(path), named)
            }
            Output::Tree(tree) => {
                let path = layers.tree(diff_id);
                // One call for all its files.
                rustix::fs::syncfs(&tree.dir).map_err(Error::io("sync", &path))?;
                let flags = RenameFlags::NOREPLACE;
                let named = rustix::fs::renameat_with(&tree.parent, &tree.name, CWD, &path, flags);
                (Layer::Directory(path), named)
            }
        };
        let (Layer::Erofs(path) | Layer::Directory(path)) = &layer;
        match named {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::io("create", path)(error)),
        }
        let parent = path.parent().unwrap_or(&layers.root);
        let dir = File::open(parent).map_err(Error::io("open", parent))?;
        dir.sync_all().map_err(Error::io("sync", parent))?;
        if matches!(layer, Layer::Directory(_)) {
            let mut trees = layers.trees.write().unwrap_or_else(PoisonError::into_inner);
            trees.insert(diff_id.clone());
        }
        Ok(layer)
    }
}

impl Drop for Unfinished {
    /// Once it has its layer's name, there is nothing by this one.
    fn drop(&mut self) {
        let _ = sys::removal::remove_tree(&self.parent, &self.name);
    }
}

/// What a name in the directory of an algorithm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Image,
    Tree,
}

fn held(root: &Path) -> Result<Vec<(Digest, Form)>, Error> {
    let mut held = Vec::new();
    for algorithm in ALGORITHMS {
        let dir = root.join(algorithm);
        for entry in fs::read_dir(&dir).map_err(Error::io("list", &dir))? {
            let name = entry.map_err(Error::io("list", &dir))?.file_name();
            let Some(name) = name.to_str() else {
                continue;
            };
            let (hex, form) = match name.strip_suffix(".erofs") {
                Some(hex) => (hex, Form::Image),
                None => (name, Form::Tree),
            };
            let digest = format!("{algorithm}:{hex}").parse().ok();
            held.extend(digest.map(|digest| (digest, form)));
        }
    }
    Ok(held)
}

/// A name that no other draft of this process has; those of earlier ones are swept.
fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{DRAFT}{}-{number}", std::process::id())
}

fn c_string(name: &str) -> CString {
    let plain = name.bytes().filter(|byte| *byte != 0).collect::<Vec<_>>();
    CString::new(plain).unwrap_or_default()
}

fn create_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
