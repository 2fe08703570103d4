//! What a class may use, and what its processes use. The document is runc's.

use super::{Class, Resctrl};
use crate::Error;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// What a class may use, and what its processes use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// What the caches can.
    #[serde(rename = "l3_cache_info", skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// The caches' line of the class that everything is in at first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub l3_cache_schema_root: String,
    /// The caches' line of this class.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub l3_cache_schema: String,
    /// What the ways to memory can.
    #[serde(rename = "mem_bw_info", skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// The bandwidth's line of the class that everything is in at first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mem_bw_schema_root: String,
    /// The bandwidth's line of this class.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mem_bw_schema: String,
    /// All lines of this class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemata: Vec<String>,
    /// Bytes moved, by node.
    #[serde(rename = "mbm_stats", skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Vec<Traffic>>,
    /// Bytes held, by node.
    #[serde(rename = "cmt_stats", skip_serializing_if = "Option::is_none")]
    pub occupancy: Option<Vec<Occupancy>>,
}

/// What the caches can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cache {
    /// The bits that stand for the whole cache.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cbm_mask: String,
    /// How many of them a class must have.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_cbm_bits: u64,
    /// How many classes there can be.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_closids: u64,
}

/// What the ways to memory can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bandwidth {
    /// The step of shares.
    #[serde(skip_serializing_if = "is_zero")]
    pub bandwidth_gran: u64,
    /// Whether the delay grows as the share shrinks.
    #[serde(skip_serializing_if = "is_zero")]
    pub delay_linear: u64,
    /// The least share.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_bandwidth: u64,
    /// How many classes there can be.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_closids: u64,
}

/// Bytes moved at one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// From and to all memory.
    pub mbm_total_bytes: u64,
    /// From and to the node's own.
    pub mbm_local_bytes: u64,
}

/// Bytes held in one node's cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Occupancy {
    /// Bytes.
    pub llc_occupancy: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Class {
    /// What it may use, and what is used.
    pub(crate) fn stats(&self) -> Result<Stats, Error> {
        let resctrl = &self.resctrl;
        let info = resctrl.root.join("info");
        let everything = text(&resctrl.root, "schemata")?;
        let own = text(&self.state.class, "schemata")?;
        let mut stats = Stats {
            schemata: own.split('\n').map(str::to_owned).collect(),
            ..Stats::default()
        };
        if resctrl.has("L3") {
            let info = info.join("L3");
            stats.cache = Some(Cache {
                cbm_mask: text(&info, "cbm_mask")?,
                min_cbm_bits: number(&info, "min_cbm_bits")?,
                num_closids: number(&info, "num_closids")?,
            });
            stats.l3_cache_schema_root = line(&everything, "L3");
            stats.l3_cache_schema = line(&own, "L3");
        }
        if resctrl.has("MB") {
            let info = info.join("MB");
            stats.bandwidth = Some(Bandwidth {
                bandwidth_gran: number(&info, "bandwidth_gran")?,
                delay_linear: number(&info, "delay_linear")?,
                min_bandwidth: number(&info, "min_bandwidth")?,
                num_closids: number(&info, "num_closids")?,
            });
            stats.mem_bw_schema_root = line(&everything, "MB");
            stats.mem_bw_schema = line(&own, "MB");
        }
        self.count(resctrl, &mut stats)?;
        Ok(stats)
    }

    /// What is counted: of the container, or of its whole class if it has no group of its own.
    fn count(&self, resctrl: &Resctrl, stats: &mut Stats) -> Result<(), Error> {
        if !resctrl.has("L3_MON") {
            return Ok(());
        }
        let counted = text(&resctrl.root.join("info/L3_MON"), "mon_features")?;
        let counts = |name: &str| counted.lines().any(|line| line == name);
        let group = self.state.monitoring.as_ref().unwrap_or(&self.state.class);
        let data = group.join("mon_data");
        let read = fs::read_dir(&data).map_err(Error::io("read", &data))?;
        let mut nodes: Vec<_> = read.flatten().map(|entry| entry.path()).collect();
        nodes.sort();
        let value = |node: &Path, name: &str| match counts(name) {
            true => number(node, name),
            false => Ok(0),
        };
        if counts("mbm_total_bytes") || counts("mbm_local_bytes") {
            let of = |node: &_| {
                Ok(Traffic {
                    mbm_total_bytes: value(node, "mbm_total_bytes")?,
                    mbm_local_bytes: value(node, "mbm_local_bytes")?,
                })
            };
            let each = nodes.iter().map(|node| of(node.as_path()));
            stats.traffic = Some(each.collect::<Result<_, Error>>()?);
        }
        if counts("llc_occupancy") {
            let of = |node: &_| {
                Ok(Occupancy {
                    llc_occupancy: value(node, "llc_occupancy")?,
                })
            };
            let each = nodes.iter().map(|node| of(node.as_path()));
            stats.occupancy = Some(each.collect::<Result<_, Error>>()?);
        }
        Ok(())
    }
}

fn text(directory: &Path, file: &str) -> Result<String, Error> {
    let path = directory.join(file);
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    Ok(text.trim().to_owned())
}

fn number(directory: &Path, file: &str) -> Result<u64, Error> {
    let path = directory.join(file);
    let text = text(directory, file)?;
    text.parse().map_err(|_| {
        let words = format!("{text:?} is no number");
        Error::io("read", &path)(std::io::Error::other(words))
    })
}

/// The last line that is about a resource.
fn line(schemata: &str, resource: &str) -> String {
    let of = |line: &&str| line.contains(resource);
    let found = schemata.lines().rfind(of);
    found.unwrap_or_default().trim().to_owned()
}
