//! The name servers of the host's `resolv.conf`, read again when it has changed.

use rustix::fs::{Stat, stat};
use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

const FILE: &str = "/etc/resolv.conf";
/// The most that is read of it.
const CAP: u64 = 64 * 1024;
const PORT: u16 = 53;
/// COMPAT: whom dockerd asks if the host names nobody.
pub(crate) const DEFAULTS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
    IpAddr::V4(Ipv4Addr::new(8, 8, 4, 4)),
];

/// The name servers of the host's `resolv.conf`.
#[derive(Debug, Default)]
pub(crate) struct HostServers {
    servers: Vec<SocketAddr>,
    /// What tells one state of the file from another.
    seen: Option<Seen>,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    place: (u64, u64),
    size: i64,
    changed: (i64, i64),
}

impl HostServers {
    /// As the file says now.
    pub(crate) fn now(&mut self) -> &[SocketAddr] {
        let seen = stat(FILE).ok().map(|stat| Seen::new(&stat));
        if seen.is_none() || seen != self.seen {
            self.servers = read();
            self.seen = seen;
        }
        &self.servers
    }
}

impl Seen {
    fn new(stat: &Stat) -> Self {
        Self {
            place: (stat.st_dev, stat.st_ino),
            size: stat.st_size,
            changed: (stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
        }
    }
}

fn read() -> Vec<SocketAddr> {
    let mut text = Vec::new();
    let read = fs::File::open(FILE).and_then(|file| file.take(CAP).read_to_end(&mut text));
    match read {
        Ok(_) => parse(&String::from_utf8_lossy(&text)),
        Err(_) => Vec::new(),
    }
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let server = words.next().filter(|word| *word == "nameserver");
        server.and_then(|_| address(words.next()?))
    });
    servers.collect()
}

/// An address, with the link that it is on if it is good on one alone.
fn address(text: &str) -> Option<SocketAddr> {
    if let Some((address, link)) = text.split_once('%') {
        let scope = link.parse().ok().or_else(|| index(link))?;
        return Some(SocketAddrV6::new(address.parse().ok()?, PORT, 0, scope).into());
    }
    Some(SocketAddr::new(text.parse().ok()?, PORT))
}

fn index(link: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/sys/class/net/{link}/ifindex")).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_and_the_rest_is_not() {
        let text = "# nameserver 9.9.9.9\nsearch a.b\nnameserver 10.0.0.1\n\
                    nameserver\nnameserver x\nnameserver fe80::1%7 # by dhcp\n";
        let expected = ["10.0.0.1:53".parse(), "[fe80::1%7]:53".parse()];
        assert_eq!(parse(text), expected.map(Result::unwrap));
    }
}
