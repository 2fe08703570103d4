//! Overlay's marks in the files that it is made of. See "Overlay Filesystem" in the kernel's
//! documentation, `userxattr`.

use crate::namespace::maps_users;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether overlays mounted by this process have their marks in `user.` attributes: only the
/// host's root may write the others.
pub fn has_user_marks() -> bool {
    maps_users()
}

/// The directory that an overlay which is mounted `volatile` makes in its `workdir`, and does not
/// remove: while it is there, the kernel mounts no overlay with that `workdir`.
pub fn volatile_mark(workdir: &Path) -> PathBuf {
    workdir.join("work/incompat/volatile")
}

/// Removes that directory, if it is there.
pub fn forget_volatile(workdir: &Path) {
    let mark = volatile_mark(workdir);
    fs::remove_file(mark.join("dirty")).ok();
    fs::remove_dir(mark).ok();
}

/// The attribute of a directory that hides what is below it.
pub fn opaque() -> &'static str {
    match has_user_marks() {
        true => "user.overlay.opaque",
        false => "trusted.overlay.opaque",
    }
}
