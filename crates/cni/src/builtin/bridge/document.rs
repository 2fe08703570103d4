//! The words of a bridge's configuration.

use super::vlans::Trunk;
use crate::Dns;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default = "usual")]
    pub(super) bridge: String,
    #[serde(default)]
    pub(super) is_gateway: bool,
    #[serde(default)]
    pub(super) is_default_gateway: bool,
    #[serde(default)]
    pub(super) ip_masq: bool,
    /// Whose firewall masquerades: here it is always the same.
    #[expect(dead_code, reason = "that it is known is all")]
    ip_masq_backend: Option<Backend>,
    #[serde(default)]
    pub(super) mtu: u32,
    #[serde(default)]
    pub(super) hairpin_mode: bool,
    #[serde(default)]
    pub(super) ipam: Value,
    #[serde(default)]
    pub(super) dns: Dns,
    #[serde(default)]
    pub(super) force_address: bool,
    #[serde(default)]
    pub(super) promisc_mode: bool,
    #[serde(default)]
    pub(super) vlan: u16,
    pub(super) vlan_trunk: Option<Vec<Trunk>>,
    #[serde(default)]
    pub(super) preserve_default_vlan: bool,
    #[serde(default)]
    pub(super) macspoofchk: bool,
    #[serde(default)]
    pub(super) enabledad: bool,
    #[serde(default)]
    pub(super) disable_container_interface: bool,
    #[serde(default)]
    pub(super) port_isolation: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backend {
    Iptables,
    Nftables,
}

fn usual() -> String {
    "cni0".into()
}
