//! Strings for the kernel, and paths that stay inside the root.

use crate::Error;
use std::ffi::{CStr, CString};

/// A path inside the root, with everything needed to make its directories without allocation.
#[derive(Debug)]
pub(crate) struct Target {
    /// Relative, without `.` and `..`; `.` if it is the root itself.
    pub(crate) path: CString,
    /// Each component, with the path up to and including it.
    pub(crate) parts: Vec<(CString, CString)>,
}

/// The bytes as a string of the kernel's.
pub(crate) fn c(field: &str, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::invalid(field, "contains a null byte"))
}

/// Every one of these.
pub(crate) fn all(field: &str, texts: &[String]) -> Result<Vec<CString>, Error> {
    let numbered = texts.iter().enumerate();
    numbered
        .map(|(i, text)| c(&format!("{field}[{i}]"), text))
        .collect()
}

/// Paths relative to the root; each one once.
pub(crate) fn inside(field: &str, paths: &[String]) -> Result<Vec<CString>, Error> {
    let mut inside = Vec::with_capacity(paths.len());
    for (i, path) in paths.iter().enumerate() {
        let field = format!("{field}[{i}]");
        let path = Target::plan(&field, path)?.path;
        if !inside.contains(&path) {
            inside.push(path);
        }
    }
    Ok(inside)
}

impl Target {
    /// The target of this path; one that is not absolute is taken from the root, as runc does.
    pub(crate) fn plan(field: &str, path: &str) -> Result<Self, Error> {
        let mut names: Vec<&str> = Vec::new();
        for name in path.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    names.pop();
                }
                name => names.push(name),
            }
        }
        let parts = names.iter().enumerate().map(|(i, name)| {
            let prefix = c(field, &names[..=i].join("/"))?;
            Ok((c(field, name)?, prefix))
        });
        let path = if names.is_empty() {
            ".".to_owned()
        } else {
            names.join("/")
        };
        Ok(Self {
            path: c(field, &path)?,
            parts: parts.collect::<Result<_, Error>>()?,
        })
    }

    /// The target of a name below this.
    pub(crate) fn below(&self, field: &str, name: &str) -> Result<Self, Error> {
        Self::plan(field, &format!("{}/{name}", self.path.to_string_lossy()))
    }

    /// Its name in `directory`, if it is directly in there.
    pub(crate) fn name_in(&self, directory: &Self) -> Option<&CStr> {
        match &*self.parts {
            [.., (_, above), (name, _)] if *above == directory.path => Some(name),
            _ => None,
        }
    }

    /// Whether it is this path, relative to the root.
    pub(crate) fn is(&self, path: &str) -> bool {
        self.path.to_bytes() == path.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_target_has_a_name_in_its_directory_alone() {
        let target = |path| Target::plan("mounts", path).unwrap();
        let name = |path, directory| {
            target(path)
                .name_in(&target(directory))
                .map(ToOwned::to_owned)
        };
        assert_eq!(name("/dev/shm", "/dev"), Some(c"shm".to_owned()));
        for (path, directory) in [
            ("/dev", "/dev"),
            ("/dev/a/b", "/dev"),
            ("/devs/a", "/dev"),
            ("/", "/"),
        ] {
            assert_eq!(name(path, directory), None, "{path} in {directory}");
        }
    }

    #[test]
    fn a_target_never_climbs_out_of_the_root() {
        for (path, expected) in [
            ("/proc", "proc"),
            ("/a/../../b//./c/", "b/c"),
            ("../../etc", "etc"),
            ("/", "."),
        ] {
            let target = Target::plan("mounts", path).unwrap();
            assert_eq!(target.path.to_str().unwrap(), expected, "{path}");
        }
    }
}
