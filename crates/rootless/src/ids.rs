//! The ids that a user may give away: subuid(5), subgid(5).

use crate::Error;
use oci::runtime::{IdMapping, IdMaps};
use std::fs;

const UIDS: &str = "/etc/subuid";
const GIDS: &str = "/etc/subgid";

/// The maps of the namespace of the user that we are: the user is its root, and the rest is
/// whoever was given.
pub(crate) fn own() -> Result<IdMaps, Error> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_of(&accounts, uid);
    Ok(IdMaps {
        uids: map(Some(uid), &given(UIDS, name, uid)?),
        gids: map(Some(gid), &given(GIDS, name, uid)?),
    })
}

/// Maps that name, from root on, whoever a user was given, and the user itself not.
///
/// # Errors
/// [`Error::NoIds`] if the user was given nobody.
pub fn subordinate(name: &str, uid: u32) -> Result<IdMaps, Error> {
    Ok(IdMaps {
        uids: map(None, &given(UIDS, Some(name), uid)?),
        gids: map(None, &given(GIDS, Some(name), uid)?),
    })
}

fn given(file: &'static str, name: Option<&str>, uid: u32) -> Result<Vec<(u32, u32)>, Error> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let ranges = ranges(&text, name, uid);
    match ranges.is_empty() {
        true => Err(Error::NoIds {
            user: name.map_or_else(|| uid.to_string(), str::to_owned),
            file,
        }),
        false => Ok(ranges),
    }
}

fn name_of(accounts: &str, uid: u32) -> Option<&str> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// First ids and their numbers, of the lines for a user by name or number.
fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        if Some(owner) != name && owner.parse() != Ok(uid) {
            return None;
        }
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count > 0).then_some((first, count))
    };
    text.lines().filter_map(range).collect()
}

fn map(own: Option<u32>, ranges: &[(u32, u32)]) -> Vec<IdMapping> {
    let one = |container_id, host_id, size| IdMapping {
        container_id,
        host_id,
        size,
    };
    let mut maps: Vec<_> = own.map(|own| one(0, own, 1)).into_iter().collect();
    let mut next = u32::from(own.is_some());
    for (first, count) in ranges {
        let count = (*count).min(u32::MAX - next);
        maps.push(one(next, *first, count));
        next += count;
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_user_by_name_or_number() {
        let text = "# a word\nme:100000:65536\nyou:5:5\n1000:300000:10\nme:x:1\nme:7:0\nme\n";
        assert_eq!(
            ranges(text, Some("me"), 1000),
            [(100_000, 65_536), (300_000, 10)]
        );
        assert_eq!(ranges(text, None, 1000), [(300_000, 10)]);
        assert_eq!(ranges(text, Some("they"), 1001), []);
        assert_eq!(
            name_of("root:x:0:0::/:sh\nme:x:1000:1000::/:sh\n", 1000),
            Some("me")
        );
        assert_eq!(name_of("root:x:0:0::/:sh\n", 1000), None);
    }

    #[test]
    fn the_user_is_root_and_ranges_follow_each_other() {
        let maps = map(Some(1000), &[(100_000, 65_536), (300_000, u32::MAX)]);
        let numbers = maps.iter().map(|m| (m.container_id, m.host_id, m.size));
        assert_eq!(
            numbers.collect::<Vec<_>>(),
            [
                (0, 1000, 1),
                (1, 100_000, 65_536),
                (65_537, 300_000, u32::MAX - 65_537)
            ]
        );
    }
}
