//! Opening a path while others rename and mount.

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::path::Arg;
use std::os::fd::{AsFd, OwnedFd};

/// How many times a way is begun again.
const TRIES: usize = 128;

/// `openat2` (5.6) that begins again where a rename or a mount anywhere made the kernel lose its
/// way: with `RESOLVE_BENEATH` and `RESOLVE_IN_ROOT` that is `EAGAIN` at each `..`. Makes no file.
#[expect(clippy::disallowed_methods, reason = "others call this")]
pub fn open(
    from: impl AsFd,
    path: impl Arg + Copy,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    for _ in 0..TRIES {
        let found = openat2(&from, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
        match found {
            Err(Errno::AGAIN | Errno::INTR) => {}
            found => return found,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_way_is_found_while_others_rename() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::create_dir(root.path().join("one")).unwrap();
        let tree = fs::File::open(root.path()).unwrap();
        let ended = AtomicBool::new(false);
        let (one, other) = (root.path().join("one"), root.path().join("other"));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    fs::rename(&one, &other).unwrap();
                    fs::rename(&other, &one).unwrap();
                }
            });
            let found = (0..20_000).try_for_each(|_| {
                let path = c"a/b/../../a/../a/b";
                open(&tree, path, OFlags::PATH, ResolveFlags::IN_ROOT).map(drop)
            });
            ended.store(true, Ordering::Relaxed);
            assert_eq!(found, Ok(()));
        });
    }
}
