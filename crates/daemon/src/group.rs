//! The group that may use the sockets.

use anyhow::{Context, bail};

/// A group's number: given as one, or found in `/etc/group`.
pub(crate) fn number(group: &str) -> anyhow::Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let file = std::fs::read_to_string("/etc/group").context("cannot read /etc/group")?;
    match find(&file, group) {
        Some(number) => Ok(number),
        None => bail!("group {group} not found"),
    }
}

fn find(file: &str, group: &str) -> Option<u32> {
    let mut lines = file.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| match fields.next() {
        Some(name) if name == group => fields.nth(1)?.parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let file = "root:x:0:\ndocker2:x:998:a\ndocker:x:999:a,b\nbad\n";
        assert_eq!(super::find(file, "docker"), Some(999));
        assert_eq!(super::find(file, "bad"), None);
        assert_eq!(super::number("12").unwrap(), 12);
    }
}
