//! What went through a container's network interfaces.

use super::Containers;
use crate::context::blocking;
use crate::{Container, Error, NetworkMode};
use std::collections::BTreeMap;
use types::ContainerId;

/// What went through an interface since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// What came.
    pub received: Flow,
    /// What went.
    pub sent: Flow,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were damaged.
    pub errors: u64,
    /// Packets for which there was no room.
    pub dropped: u64,
}

impl Containers {
    /// What went through a container's interfaces, by their names in it; nothing for one that
    /// does not run or has the host's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn traffic(&self, id: &ContainerId) -> Result<BTreeMap<String, Traffic>, Error> {
        let container = self.find(id)?;
        blocking(move || of(&container).unwrap_or_default()).await
    }
}

fn of(container: &Container) -> Option<BTreeMap<String, Traffic>> {
    if container.record.spec.namespaces.network == NetworkMode::Host {
        return None;
    }
    let pid = container.state.pid?;
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?;
    // Numbers are used again: it was this container's process, if it still is.
    super::process(pid, container.id())?;
    Some(parse(&table))
}

/// The kernel's table, without the loopback interface.
fn parse(table: &str) -> BTreeMap<String, Traffic> {
    let rows = table.lines().skip(2).filter_map(|line| {
        let (name, numbers) = line.split_once(':')?;
        let numbers = numbers.split_whitespace().map(str::parse);
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
        let flow = |from: usize| {
            let [bytes, packets, errors, dropped] = *numbers.get(from..from + 4)?.first_chunk()?;
            Some(Flow {
                bytes,
                packets,
                errors,
                dropped,
            })
        };
        let traffic = Traffic {
            received: flow(0)?,
            sent: flow(8)?,
        };
        Some((name.trim().to_owned(), traffic))
    });
    rows.filter(|(name, _)| name != "lo").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let table = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n\
            eth0:  10 2 0 1 0 0 0 0 20 4 3 0 0 0 0 0\n";
        let found = parse(table);
        let flow = |[bytes, packets, errors, dropped]: [u64; 4]| Flow {
            bytes,
            packets,
            errors,
            dropped,
        };
        let eth0 = Traffic {
            received: flow([10, 2, 0, 1]),
            sent: flow([20, 4, 3, 0]),
        };
        assert_eq!(found, BTreeMap::from([("eth0".to_owned(), eth0)]));
    }
}
