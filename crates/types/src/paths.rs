//! Where everything lives: three roots, from which each path is derived.

use std::path::{Path, PathBuf};

/// The places a daemon owns. Every path is an argument; these are their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// What must outlive a reboot: `/var/lib/corten`.
    pub root: PathBuf,
    /// What a reboot may take: `/run/corten`.
    pub run: PathBuf,
    /// The API's socket: `/run/corten/corten.sock`.
    pub socket: PathBuf,
}

impl Paths {
    /// A root user's places.
    pub fn system() -> Self {
        Self::under(Path::new("/var/lib/corten"), Path::new("/run/corten"))
    }

    /// A user's own places, by the XDG base directory specification: `data` is
    /// `$XDG_DATA_HOME` (`~/.local/share`), `runtime` is `$XDG_RUNTIME_DIR`.
    pub fn user(data: &Path, runtime: &Path) -> Self {
        Self::under(&data.join("corten"), &runtime.join("corten"))
    }

    /// These two directories, with the socket in `run`.
    pub fn under(root: &Path, run: &Path) -> Self {
        Self {
            root: root.to_owned(),
            run: run.to_owned(),
            socket: run.join("corten.sock"),
        }
    }

    /// The name under which this daemon's things are found in places that all daemons of a
    /// host share (cgroups, links, firewall tables): `corten` for the system's own,
    /// `corten-` and eight hexadecimal digits of a hash of [`Self::root`] for any other.
    pub fn instance(&self) -> String {
        if self.root == Self::system().root {
            return "corten".to_owned();
        }
        // FNV-1a: stable over versions, which std's hasher is not.
        let hash = self
            .root
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
            });
        format!("corten-{hash:08x}")
    }

    /// The lock that one daemon holds on its root.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The database; its log is beside it, with `.log` behind the name.
    pub fn database(&self) -> PathBuf {
        self.root.join("metadata.redb")
    }

    /// Blobs by digest.
    pub fn content(&self) -> PathBuf {
        self.root.join("content")
    }

    /// Layers in the form that is mounted.
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// The directory that is below every image in a container's root.
    pub fn skeleton(&self) -> PathBuf {
        self.root.join("skeleton")
    }

    /// One directory a container: writable part, log, exit record.
    pub fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// One container's directory under [`Self::containers`].
    pub fn container(&self, id: &crate::ContainerId) -> PathBuf {
        self.containers().join(id)
    }

    /// One directory a volume.
    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// One directory a live sandbox: its shim's socket and state, bundles of its containers.
    pub fn shims(&self) -> PathBuf {
        self.run.join("shims")
    }

    /// The directory of the process that stays outside of a user's namespaces: its socket.
    pub fn rootless(&self) -> PathBuf {
        self.run.join("rootless")
    }

    /// The directory of the process that serves names and holds ports: its socket.
    pub fn proxy(&self) -> PathBuf {
        self.run.join("proxy")
    }

    /// One sandbox's directory under [`Self::shims`].
    pub fn shim(&self, sandbox: &crate::ContainerId) -> PathBuf {
        self.shims().join(sandbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_of_other_roots_have_other_names() {
        assert_eq!(Paths::system().instance(), "corten");
        let one = Paths::under(Path::new("/tmp/a"), Path::new("/run/a")).instance();
        let two = Paths::under(Path::new("/tmp/b"), Path::new("/run/a")).instance();
        assert!(one.starts_with("corten-") && one != two);
    }
}
