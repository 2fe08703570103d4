//! The maps of a user namespace, as a whole.

use super::{IdMapping, Linux};
use serde::{Deserialize, Serialize};

/// An id that nobody has: what the kernel shows for one that a map does not name.
const NOBODY: u32 = 65_534;

/// Which ids a user namespace has, and what they are outside of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMaps {
    /// Users'.
    pub uids: Vec<IdMapping>,
    /// Groups'.
    pub gids: Vec<IdMapping>,
}

impl IdMaps {
    /// What a configuration says of its user namespace, if it names ids.
    pub fn of(linux: &Linux) -> Option<Self> {
        (!linux.uid_mappings.is_empty()).then(|| Self {
            uids: linux.uid_mappings.clone(),
            gids: linux.gid_mappings.clone(),
        })
    }

    /// Reads them as the kernel shows them, `uid_map` and `gid_map`; `None` if one is no map.
    pub fn parse(uids: &str, gids: &str) -> Option<Self> {
        Some(Self {
            uids: lines(uids)?,
            gids: lines(gids)?,
        })
    }

    /// Whether every id is the same on both sides.
    pub fn is_identity(&self) -> bool {
        let same = |map: &IdMapping| map.container_id == map.host_id;
        self.uids.iter().chain(&self.gids).all(same)
    }

    /// A user and group of inside, as they are outside.
    ///
    /// # Errors
    /// The one that the maps do not name.
    pub fn outside(&self, uid: u32, gid: u32) -> Result<(u32, u32), u32> {
        let shift = |maps: &[IdMapping], id| {
            let found = shift(maps, id, |map| (map.container_id, map.host_id, map.size));
            found.ok_or(id)
        };
        Ok((shift(&self.uids, uid)?, shift(&self.gids, gid)?))
    }

    /// A user and group of outside as they are seen inside.
    pub fn inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        let seen = |maps: &[IdMapping], id| {
            let found = shift(maps, id, |map| (map.host_id, map.container_id, map.size));
            found.unwrap_or(NOBODY)
        };
        (seen(&self.uids, uid), seen(&self.gids, gid))
    }
}

/// `ends` gives a range's first id on the side of `id`, the one on the other side and its size.
fn shift(maps: &[IdMapping], id: u32, ends: impl Fn(&IdMapping) -> (u32, u32, u32)) -> Option<u32> {
    maps.iter().map(ends).find_map(|(from, to, size)| {
        let offset = id.checked_sub(from).filter(|offset| *offset < size)?;
        to.checked_add(offset)
    })
}

fn lines(text: &str) -> Option<Vec<IdMapping>> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace().map(str::parse);
        let mut next = || words.next()?.ok();
        Some(IdMapping {
            container_id: next()?,
            host_id: next()?,
            size: next()?,
        })
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shifted_by_the_range_they_are_in() {
        let maps = IdMaps::parse(
            "0 100000 10\n10 500 5\n",
            "         0     200000      65536\n",
        );
        let maps = maps.unwrap();
        assert_eq!(maps.outside(0, 0), Ok((100_000, 200_000)));
        assert_eq!(maps.outside(12, 65_535), Ok((502, 265_535)));
        assert_eq!(maps.outside(15, 0), Err(15));
        assert_eq!(maps.outside(0, 65_536), Err(65_536));
        assert_eq!(maps.inside(502, 200_007), (12, 7));
        assert_eq!(maps.inside(0, 100), (NOBODY, NOBODY));
        assert!(!maps.is_identity());
        assert_eq!(IdMaps::parse("0 x 1", ""), None);
    }

    #[test]
    fn the_hosts_own_maps_change_nothing() {
        let all = "         0          0 4294967295\n";
        assert!(IdMaps::parse(all, all).unwrap().is_identity());
    }
}
