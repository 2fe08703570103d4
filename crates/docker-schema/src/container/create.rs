//! Create, and the small answers of the verbs.
#![expect(missing_docs, reason = "fields bear the Engine API's own names")]

use super::{Config, HostConfig, RestartPolicy, ThrottleDevice, WeightDevice};
use crate::decode::{DecodeError, decode_value};
use crate::network::NetworkingConfig;
use crate::{List, is_empty};
use serde::{Deserialize, Serialize};

/// The body of `POST /containers/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CreateRequest {
    #[serde(flatten)]
    pub config: Config,
    #[serde(rename = "HostConfig")]
    pub host_config: HostConfig,
    #[serde(rename = "NetworkingConfig", skip_serializing_if = "Option::is_none")]
    pub networking_config: Option<NetworkingConfig>,
}

#[derive(Default, Deserialize)]
#[serde(rename = "container.CreateRequest", default, rename_all = "PascalCase")]
struct HostPart {
    host_config: Option<HostConfig>,
    networking_config: Option<NetworkingConfig>,
}

impl CreateRequest {
    /// Reads the body; `Config`'s fields stand beside `HostConfig`.
    ///
    /// # Errors
    /// The bytes are no such document.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let value: serde_json::Value = crate::decode(body)?;
        let host: HostPart = decode_value(&value)?;
        Ok(Self {
            config: decode_value(&value)?,
            host_config: host.host_config.unwrap_or_default(),
            networking_config: host.networking_config,
        })
    }
}

/// The answer to `POST /containers/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateResponse {
    pub id: String,
    pub warnings: Vec<String>,
}

/// The answer to `POST /containers/{id}/wait`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitError>,
    pub status_code: i64,
}

/// Why waiting failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitError {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The answer to `GET /containers/{id}/top`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Top {
    pub processes: Vec<Vec<String>>,
    pub titles: Vec<String>,
}

/// The body of `POST /containers/{id}/update`: the resources of `HostConfig`, and its policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "container.UpdateConfig", default, rename_all = "PascalCase")]
pub struct UpdateRequest {
    pub cpu_shares: i64,
    pub memory: i64,
    pub nano_cpus: i64,
    pub cgroup_parent: String,
    pub blkio_weight: u16,
    pub cpu_period: i64,
    pub cpu_quota: i64,
    pub cpu_realtime_period: i64,
    pub cpu_realtime_runtime: i64,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    pub memory_reservation: i64,
    pub memory_swap: i64,
    #[serde(skip_serializing_if = "is_empty")]
    pub kernel_memory: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
    /// Of block devices since API 1.55: null leaves them, an empty list lifts their limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blkio_weight_device: List<WeightDevice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blkio_device_read_bps: List<ThrottleDevice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blkio_device_write_bps: List<ThrottleDevice>,
    #[serde(
        rename = "BlkioDeviceReadIOps",
        skip_serializing_if = "Option::is_none"
    )]
    pub blkio_device_read_iops: List<ThrottleDevice>,
    #[serde(
        rename = "BlkioDeviceWriteIOps",
        skip_serializing_if = "Option::is_none"
    )]
    pub blkio_device_write_iops: List<ThrottleDevice>,
    pub restart_policy: RestartPolicy,
}

/// The answer to `POST /containers/{id}/update`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateResponse {
    pub warnings: List<String>,
}

/// The answer to `POST /containers/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PruneReport {
    pub containers_deleted: List<String>,
    pub space_reclaimed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_create_request_is_read_from_one_flat_document() {
        let body = br#"{"image":"a","cmd":"sh","HostConfig":{"memory":7,"Binds":["/a:/b"]},
            "NetworkingConfig":{"EndpointsConfig":{"n":null}},"Hostname":null,"Unknown":1}"#;
        let read = CreateRequest::decode(body).unwrap();
        assert_eq!(read.config.image, "a");
        assert_eq!(read.config.cmd, Some(vec!["sh".to_owned()]));
        assert_eq!(read.host_config.memory, 7);
        let networks = read.networking_config.clone().unwrap().endpoints_config;
        assert!(networks.unwrap().contains_key("n"));
        let written = serde_json::to_vec(&read).unwrap();
        assert_eq!(CreateRequest::decode(&written).unwrap(), read);
    }
}
