//! A daemon that a client started must live where the host's processes live: its mounts and
//! process ids would else be those of a container or chroot, and go away with it.

use anyhow::bail;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Refuses from a foreign mount or process id namespace, and from a chroot.
///
/// What may not be looked at, as by a user who is not root, is not held against anybody.
pub(crate) fn refuse() -> anyhow::Result<()> {
    const WHY: &str = "start the daemon on the host, or by `corten daemon` where it shall live";
    if let (Ok(ours), Ok(inits)) = (
        fs::read_link("/proc/self/ns/mnt"),
        fs::read_link("/proc/1/ns/mnt"),
    ) && ours != inits
    {
        bail!("refused to start itself in a mount namespace that is not the host's: {WHY}");
    }
    if let (Ok(ours), Ok(inits)) = (fs::metadata("/"), fs::metadata("/proc/1/root/"))
        && (ours.dev(), ours.ino()) != (inits.dev(), inits.ino())
    {
        bail!("refused to start itself in a chroot: {WHY}");
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status")
        && nested(&status)
    {
        bail!("refused to start itself in a process id namespace that is not the host's: {WHY}");
    }
    Ok(())
}

/// Whether this process has ids in more than the namespace that `/proc` shows.
fn nested(status: &str) -> bool {
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    ids.is_some_and(|ids| ids.split_whitespace().count() > 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_with_two_ids_is_nested() {
        assert!(!super::nested("Name:\ta\nNSpid:\t12\n"));
        assert!(super::nested("Name:\ta\nNSpid:\t12\t1\n"));
        assert!(!super::nested("Name:\ta\n"));
    }
}
