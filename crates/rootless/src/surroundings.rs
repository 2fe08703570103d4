//! What new namespaces need: mounts that do not go back to the host, and who knows names.

use crate::Error;
use crate::message::Way;
use crate::program::NAMES;
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use std::fs;
use std::path::Path;

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Makes a new mount namespace the user's own.
pub(crate) fn arrange(folder: &Path, way: &Way) -> Result<(), Error> {
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", slave).map_err(Error::io("keep mounts to ourselves"))?;
    if way.program.is_none() {
        return Ok(());
    }
    let Ok(host) = fs::read_to_string(RESOLV_CONF) else {
        return Ok(());
    };
    let own = folder.join("resolv.conf");
    fs::write(&own, resolv_conf(&host)).map_err(Error::io("write resolv.conf"))?;
    mount_bind(&own, RESOLV_CONF).map_err(Error::io("mount resolv.conf"))
}

/// The host's, with the name server that leads to the host's.
fn resolv_conf(host: &str) -> String {
    let other = |line: &&str| !line.trim_start().starts_with("nameserver");
    let mut text = format!("nameserver {NAMES}\n");
    for line in host.lines().filter(other) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_options_are_the_hosts() {
        let host = "# by dhcp\nnameserver 127.0.0.53\n nameserver ::1\nsearch a b\noptions ndots:2";
        assert_eq!(
            resolv_conf(host),
            "nameserver 10.0.2.3\n# by dhcp\nsearch a b\noptions ndots:2\n"
        );
    }
}
