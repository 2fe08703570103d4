//! Files of a log that are not written any more, compressed.

use crate::rotate::{Renaming, compressed, older};
use crate::{Error, JsonFile};
use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The most that one file of a log is taken to hold: more is no log of ours.
const LARGEST: u64 = 64 << 30;

/// Which file it was before it was compressed: readers who began with that go on after it. A file
/// that is removed leaves its number to a new one: when it was made tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    /// In nanoseconds; 0 where the file system does not keep it.
    made: u64,
}

impl Identity {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        let made = metadata.created().ok();
        let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        let made = made.and_then(|made| u64::try_from(made.as_nanos()).ok());
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            made: made.unwrap_or(0),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(':').map(str::parse);
        let mut next = || numbers.next()?.ok();
        let (device, inode) = (next()?, next()?);
        Some(Self {
            device,
            inode,
            made: next().unwrap_or(0),
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.device, self.inode, self.made)
    }
}

/// Compresses the older files of a log that are not yet. Whoever writes the log may go on.
///
/// # Errors
/// If a file cannot be read or written; it is as it was then.
pub fn compress_older(config: &JsonFile) -> Result<(), Error> {
    let files = config.files();
    let mut number = files.saturating_sub(1);
    while number > 0 {
        let path = older(&config.path, number);
        match File::open(&path) {
            Ok(file) => compress(config, &path, &file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("open", &path)(error)),
        }
        number -= 1;
    }
    Ok(())
}

fn compress(config: &JsonFile, path: &Path, file: &File) -> Result<(), Error> {
    let failed = || Error::io("compress", path);
    let metadata = file.metadata().map_err(failed())?;
    let identity = Identity::of(&metadata);
    let draft = draft(&config.path);
    let made = write(file, &draft, identity).map_err(failed());
    let placed = made.and_then(|()| place(config, &draft, identity));
    if placed.as_ref().map_or(true, |placed| !placed) {
        // Moved away or not begun: nobody looks for it.
        drop(fs::remove_file(&draft));
    }
    placed.map(drop)
}

fn write(mut file: &File, draft: &Path, identity: Identity) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o640);
    let to = options.open(draft)?;
    let builder = GzBuilder::new().comment(identity.to_string());
    let mut encoder = builder.write(to, Compression::fast());
    io::copy(&mut file, &mut encoder)?;
    encoder.finish()?.sync_data()
}

/// Puts the compressed file where the other is now; says whether that was still there.
fn place(config: &JsonFile, draft: &Path, identity: Identity) -> Result<bool, Error> {
    let _renaming = Renaming::begin(&config.path)?;
    for number in 1..config.files() {
        let path = older(&config.path, number);
        let found = fs::symlink_metadata(&path);
        if found.is_ok_and(|found| Identity::of(&found) == identity) {
            fs::rename(draft, compressed(&path)).map_err(Error::io("place", &path))?;
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn draft(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".compressing");
    name.into()
}

/// A compressed file as it was, in a file without a name, and which it was.
pub(crate) fn open(path: &Path) -> io::Result<(File, Identity)> {
    let mut decoder = GzDecoder::new(BufReader::new(File::open(path)?));
    let folder = path.parent().unwrap_or(Path::new("."));
    let whole = rustix::fs::open(
        folder,
        rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )?;
    let mut whole = File::from(whole);
    io::copy(&mut decoder.by_ref().take(LARGEST), &mut whole)?;
    let metadata = whole.metadata()?;
    let comment = decoder.header().and_then(|header| header.comment());
    let identity = comment.and_then(|comment| Identity::parse(std::str::from_utf8(comment).ok()?));
    Ok((whole, identity.unwrap_or_else(|| Identity::of(&metadata))))
}
