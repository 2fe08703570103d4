//! Files of a log that are not written any more, compressed.

use crate::rotate::{Renaming, compressed, older};
use crate::{Error, JsonFile};
use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The most that one file of a log is taken to hold: more is no log of ours.
const LARGEST: u64 = 64 << 30;

/// Which file it was before it was compressed: readers who began with that go on after it.
pub(crate) type Identity = (u64, u64);

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
    let identity = (metadata.dev(), metadata.ino());
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
    let builder = GzBuilder::new().comment(format!("{}:{}", identity.0, identity.1));
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
        if found.is_ok_and(|found| (found.dev(), found.ino()) == identity) {
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
    let identity = comment.and_then(|comment| {
        let (device, inode) = std::str::from_utf8(comment).ok()?.split_once(':')?;
        Some((device.parse().ok()?, inode.parse().ok()?))
    });
    let identity = identity.unwrap_or((metadata.dev(), metadata.ino()));
    Ok((whole, identity))
}
