//! Entries' names as components.

use crate::error::{Error, show};

/// The longest component, as everywhere in Linux.
const NAME_MAX: usize = 255;

/// The components of an entry's name: slashes, `.` and inner `..` resolved by the words alone,
/// as tar programs do. A name that leaves the root is refused.
pub fn clean(path: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut components = Vec::new();
    if path.contains(&0) {
        return Err(Error::ZeroByte { path: show(path) });
    }
    for component in path.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                if components.pop().is_none() {
                    return Err(Error::Escapes { path: show(path) });
                }
            }
            name if name.len() > NAME_MAX => {
                return Err(Error::NameTooLong { path: show(path) });
            }
            name => components.push(name),
        }
    }
    Ok(components)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cleaned_and_never_leaves_the_root() {
        let parts = |path: &'static str| clean(path.as_bytes()).map(|parts| parts.join(&b'/'));
        for (path, cleaned) in [
            ("", ""),
            ("./", ""),
            ("/etc//passwd", "etc/passwd"),
            ("a/./b/../c/", "a/c"),
        ] {
            assert_eq!(parts(path).ok().as_deref(), Some(cleaned.as_bytes()));
        }
        for path in ["..", "a/../..", "/../etc", "a\0b"] {
            assert!(parts(path).is_err(), "{path:?}");
        }
        assert!(clean(&[b'x'; 256]).is_err());
    }
}
