//! Kernel parameters of one link among a container's: since 1.48 they belong to its place in a
//! network; what older clients ask for is moved there.

use crate::error::{Error, Result};
use crate::version::ApiVersion;
use docker_schema::container::CreateRequest;
use http::StatusCode;

/// The option of a place that has them.
const OPTION: &str = "com.docker.network.endpoint.sysctls";
/// The first version that has it.
const SINCE: ApiVersion = ApiVersion::new(1, 48);

/// Moves the parameters of `eth0` to the place in the first network. Gives a warning if there
/// are some.
///
/// # Errors
/// In dockerd's words, if they are another link's, or the client knows better.
pub(crate) fn migrate(request: &mut CreateRequest, version: ApiVersion) -> Result<Option<String>> {
    let mode = request.host_config.network_mode.clone();
    if mode == "host" || mode.starts_with("container:") {
        return Ok(None);
    }
    let Some(sysctls) = &mut request.host_config.sysctls else {
        return Ok(None);
    };
    let (mut moved, mut names) = (Vec::new(), Vec::new());
    for (name, value) in &*sysctls {
        let parts: Vec<&str> = name.splitn(5, '.').collect();
        let ["net", family, kind, link, last] = *parts else {
            continue;
        };
        if !link.starts_with("eth") {
            continue;
        }
        let wrong = match (version >= SINCE, link) {
            (true, _) => format!(
                "interface specific sysctl setting {name:?} must be supplied using driver option '{OPTION}'"
            ),
            (false, "eth0") => {
                moved.push(format!("net.{family}.{kind}.IFNAME.{last}={value}"));
                names.push(name.clone());
                continue;
            }
            (false, _) => format!(
                "unable to determine network endpoint for sysctl {name}, use driver option \
                 '{OPTION}' to set per-interface sysctls"
            ),
        };
        return Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR, wrong));
    }
    if names.is_empty() {
        return Ok(None);
    }
    sysctls.retain(|name, _| !names.contains(name));
    if sysctls.is_empty() {
        request.host_config.sysctls = None;
    }
    let mode = if mode.is_empty() {
        "default".to_owned()
    } else {
        mode
    };
    let networking = request.networking_config.get_or_insert_default();
    let places = networking.endpoints_config.get_or_insert_default();
    let options = places.entry(mode).or_default();
    let options = options.driver_opts.get_or_insert_default();
    let own = options.entry(OPTION.to_owned()).or_default();
    let moved = moved.join(",");
    *own = match own.as_str() {
        "" => moved.clone(),
        own => format!("{moved},{own}"),
    };
    let names = names.join(",");
    Ok(Some(format!(
        "Migrated sysctl {names:?} to DriverOpts{{{OPTION:?}:{moved:?}}}."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str) -> CreateRequest {
        let body = format!(
            r#"{{"Image":"a","HostConfig":{{"Sysctls":{{"{name}":"1","net.ipv4.ip_forward":"0"}}}}}}"#
        );
        CreateRequest::decode(body.as_bytes()).unwrap()
    }

    #[test]
    fn what_older_clients_ask_for_is_moved_to_the_place() {
        let mut request = asked("net.ipv4.conf.eth0.rp_filter");
        let old = ApiVersion::new(1, 47);
        let warning = migrate(&mut request, old).unwrap().unwrap();
        assert_eq!(
            warning,
            "Migrated sysctl \"net.ipv4.conf.eth0.rp_filter\" to \
             DriverOpts{\"com.docker.network.endpoint.sysctls\":\"net.ipv4.conf.IFNAME.rp_filter=1\"}."
        );
        let left = request.host_config.sysctls.unwrap();
        assert_eq!(
            left.into_keys().collect::<Vec<_>>(),
            ["net.ipv4.ip_forward"]
        );
        let error = migrate(&mut asked("net.ipv4.conf.eth1.rp_filter"), old).unwrap_err();
        assert!(
            error
                .message()
                .starts_with("unable to determine network endpoint")
        );
        let new = ApiVersion::new(1, 48);
        let error = migrate(&mut asked("net.ipv4.conf.eth0.rp_filter"), new).unwrap_err();
        assert!(
            error
                .message()
                .starts_with("interface specific sysctl setting")
        );
        assert_eq!(
            migrate(&mut asked("net.ipv4.conf.all.rp_filter"), new).unwrap(),
            None
        );
    }
}
