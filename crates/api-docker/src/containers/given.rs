//! What inspect shows as the caller gave it, where that is not what was made of it.

use docker_schema::container::{Config, CreateRequest, HostConfig};
use engine::ContainerSpec;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

macro_rules! fields {
    ($document:ident, $is_usual:ident, $note:ident, $show:ident: $($field:ident),* $(,)?) => {
        fn $is_usual(given: &$document) -> bool {
            $(is_default(&given.$field))&&*
        }

        fn $note(given: &$document, shown: &$document, into: &mut BTreeMap<String, Value>) {
            $(note(stringify!($field), &given.$field, &shown.$field, into);)*
        }

        /// Puts the fields of the document in as they were given.
        pub(crate) fn $show(document: &mut $document, given: &BTreeMap<String, Value>) {
            $(
                let field = given.get(stringify!($field));
                if let Some(Ok(field)) = field.map(docker_schema::decode_value) {
                    document.$field = field;
                }
            )*
        }
    };
}

fields!(
    HostConfig, is_usual_host, note_host, show_host:
    cgroup,
    console_size,
    container_id_file,
    cpu_count,
    device_cgroup_rules,
    device_requests,
    init,
    memory_reservation,
    memory_swap,
    mounts,
    port_bindings,
);
fields!(
    Config, is_usual_config, note_config, show_config:
    args_escaped,
    mac_address,
    network_disabled,
    stop_signal,
);

fn is_default<T: Default + PartialEq>(given: &T) -> bool {
    *given == T::default()
}

fn note<T: Default + PartialEq + Serialize>(
    name: &str,
    given: &T,
    shown: &T,
    into: &mut BTreeMap<String, Value>,
) {
    if given != shown
        && !is_default(given)
        && let Ok(value) = serde_json::to_value(given)
    {
        into.insert(name.to_owned(), value);
    }
}

/// Notes what would be shown in another way.
pub(super) fn keep(spec: &mut ContainerSpec, request: &CreateRequest) {
    let mut given = BTreeMap::new();
    let (host, config) = (&request.host_config, &request.config);
    // Most requests have none of these: what is shown is not made for them.
    if !is_usual_host(host) {
        note_host(host, &super::host_config::show(spec), &mut given);
    }
    if !is_usual_config(config) {
        note_config(config, &super::inspect::own_config(spec), &mut given);
    }
    // COMPAT: docker's own command always sends them; who does not is shown that.
    if host.port_bindings.is_none() {
        given.insert("port_bindings".to_owned(), Value::Null);
    }
    spec.given = given;
}
