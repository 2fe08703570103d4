//! `/proc/PID/mountinfo`, read (proc_pid_mountinfo(5)).

use std::path::PathBuf;

/// One mount.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The root of the mount within its file system.
    pub(crate) root: String,
    /// Where it is mounted.
    pub(crate) point: PathBuf,
    /// The file system's type.
    pub(crate) fstype: String,
    /// The file system's own options.
    pub(crate) options: String,
}

/// Parses one line; `None` if it has another form.
pub(crate) fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ');
    let root = unescape(before.nth(3)?);
    let point = PathBuf::from(unescape(before.next()?));
    let mut after = after.split(' ');
    let fstype = after.next()?.to_owned();
    let options = after.nth(1).unwrap_or_default().to_owned();
    Some(Mount {
        root,
        point,
        fstype,
        options,
    })
}

/// Octal escapes of space, tab, newline and backslash.
fn unescape(text: &str) -> String {
    let mut plain = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let octal = (bytes[at] == b'\\')
            .then(|| text.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(byte) = octal {
            plain.push(byte);
            at += 4;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_optional_fields_and_escapes_is_read() {
        let line =
            r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mount = parse(line).expect("the manual's own example");
        assert_eq!(mount.point, PathBuf::from("/mnt 2"));
        assert_eq!(
            (mount.root.as_str(), mount.fstype.as_str()),
            ("/mnt1", "ext3")
        );
    }
}
