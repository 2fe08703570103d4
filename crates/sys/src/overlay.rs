//! Overlay's marks in the files that it is made of. See "Overlay Filesystem" in the kernel's
//! documentation, `userxattr`.

use crate::namespace::maps_users;

/// Whether overlays mounted by this process have their marks in `user.` attributes: only the
/// host's root may write the others.
pub fn has_user_marks() -> bool {
    maps_users()
}

/// What an overlay that is mounted `volatile` makes in its `workdir`, and does not remove: while it
/// is there, the kernel mounts no overlay with that directory.
pub const VOLATILE_MARK: &str = "work/incompat/volatile";

/// The attribute of a directory that hides what is below it.
pub fn opaque() -> &'static str {
    match has_user_marks() {
        true => "user.overlay.opaque",
        false => "trusted.overlay.opaque",
    }
}
