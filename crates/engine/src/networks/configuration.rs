//! Configuration networks: what others are made from, and nothing that can be joined.

use super::create::{PoolSpec, pools, random_id};
use super::registry::{Held, Inner, Registry};
use super::{NetworkError, NetworkSpec};
use crate::{AddressPool, Error, NetworkDriver, NetworkRecord};
use std::sync::Arc;
use types::Timestamp;

impl Registry {
    /// What is asked for, with all that a configuration network says instead.
    pub(super) fn configured(&self, mut spec: NetworkSpec) -> Result<NetworkSpec, Error> {
        check(&spec)?;
        let Some(name) = &spec.config_from else {
            return Ok(spec);
        };
        let source = self.inner().configuration(name)?;
        spec.ipv4 = Some(source.ipv4);
        spec.ipv6 = Some(source.ipv6);
        spec.options.clone_from(&source.options);
        spec.labels.clone_from(&source.labels);
        spec.ipam_options.clone_from(&source.ipam_options);
        spec.pools = source.pools.iter().map(asked_for).collect();
        Ok(spec)
    }

    /// Takes a configuration network's name. Its addresses are checked and not taken.
    pub(super) fn admit_configuration(
        &self,
        spec: NetworkSpec,
    ) -> Result<Arc<NetworkRecord>, Error> {
        let mut pools = pools(&spec)?;
        for pool in pools.iter_mut().filter(|pool| pool.implied_gateway) {
            pool.gateway = None;
        }
        let record = Arc::new(NetworkRecord {
            id: random_id()?,
            name: spec.name,
            created: Timestamp::now(),
            // COMPAT: whichever is asked for.
            driver: NetworkDriver::Null,
            ipv4: spec.ipv4 != Some(false),
            ipv6: spec.ipv6 == Some(true),
            internal: false,
            attachable: false,
            options: spec.options,
            labels: spec.labels,
            ipam_options: spec.ipam_options,
            pools,
            link: String::new(),
            predefined: false,
            config_only: true,
            config_from: None,
        });
        let mut inner = self.inner();
        inner.expect_unnamed(&record.name)?;
        let held = Held::new(Arc::clone(&record));
        inner.networks.insert(record.id.clone(), held);
        Ok(record)
    }
}

impl Inner {
    /// The configuration network of this name.
    pub(super) fn configuration(&self, name: &str) -> Result<Arc<NetworkRecord>, Error> {
        let mut open = self.networks.values().filter(|held| !held.closing);
        open.find(|held| held.record.config_only && held.record.name == name)
            .map(|held| Arc::clone(&held.record))
            .ok_or_else(|| {
                NetworkError::Configuration {
                    name: name.to_owned(),
                }
                .into()
            })
    }

    /// Refuses to remove a configuration that networks were made from.
    pub(super) fn expect_unused(&self, record: &NetworkRecord) -> Result<(), Error> {
        let from = |held: &Held| held.record.config_from.as_ref() == Some(&record.name);
        if !record.config_only || !self.networks.values().any(from) {
            return Ok(());
        }
        let name = &record.name;
        let words =
            format!("error while removing network: configuration network {name:?} is in use");
        Err(NetworkError::forbidden(words).into())
    }
}

/// Refuses what a configuration network cannot have, and what a network from one cannot add, in
/// dockerd's words.
fn check(spec: &NetworkSpec) -> Result<(), Error> {
    let refuse = |words: &str| Err(NetworkError::forbidden(words).into());
    if spec.config_only && (spec.internal || spec.attachable) {
        return refuse(
            "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
        );
    }
    if spec.config_from.is_none() {
        return Ok(());
    }
    if spec.config_only {
        return refuse("a configuration network cannot depend on another configuration network");
    }
    let ipam_options = spec.ipam_options.as_ref();
    if spec.ipv6 == Some(true)
        || !spec.labels.is_empty()
        || !spec.pools.is_empty()
        || ipam_options.is_some_and(|options| !options.is_empty())
    {
        return refuse(
            "user specified configurations are not supported if the network depends on a configuration network",
        );
    }
    if !spec.options.is_empty() {
        return refuse(
            "network driver options are not supported if the network depends on a configuration network",
        );
    }
    Ok(())
}

/// A pool as whoever made the configuration asked for it.
fn asked_for(pool: &AddressPool) -> PoolSpec {
    let text = |value: Option<String>| value.unwrap_or_default();
    let auxiliary = pool.auxiliary.iter();
    PoolSpec {
        subnet: pool.subnet.to_string(),
        range: text(pool.range.map(|range| range.to_string())),
        gateway: text(pool.gateway.map(|gateway| gateway.to_string())),
        auxiliary: auxiliary
            .map(|(name, address)| (name.clone(), address.to_string()))
            .collect(),
    }
}
