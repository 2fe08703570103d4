//! What a container may do, from the request's options.

use crate::error::{Error, Result};
use docker_schema::container::HostConfig;
use engine::{SeccompMode, SecuritySpec};
use http::StatusCode;

/// The security part of a create request.
pub(crate) fn of(host: &HostConfig) -> Result<SecuritySpec> {
    let mut spec = SecuritySpec {
        privileged: host.privileged,
        cap_add: host.cap_add.clone().unwrap_or_default(),
        cap_drop: host.cap_drop.clone().unwrap_or_default(),
        group_add: host.group_add.clone().unwrap_or_default(),
        options: host.security_opt.clone().unwrap_or_default(),
        masked_paths: host.masked_paths.clone(),
        read_only_paths: host.readonly_paths.clone(),
        sysctls: host.sysctls.clone().unwrap_or_default(),
        ..SecuritySpec::default()
    };
    for option in host.security_opt.iter().flatten() {
        apply(&mut spec, option)?;
    }
    Ok(spec)
}

fn apply(spec: &mut SecuritySpec, option: &str) -> Result<()> {
    // COMPAT: the number is dockerd's, which says which of its checks it was.
    let check = match option.contains(['=', ':']) {
        true => 2,
        false => 1,
    };
    let invalid = || {
        let words = format!("invalid --security-opt {check}: {option:?}");
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, words)
    };
    // COMPAT: a colon is the old separator.
    let (name, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
        Some((name, value)) => (name, Some(value)),
        None => (option, None),
    };
    match (name, value) {
        ("no-new-privileges", None) => spec.no_new_privileges = true,
        ("no-new-privileges", Some(value)) => {
            spec.no_new_privileges = value.parse().map_err(|_| invalid())?;
        }
        ("seccomp", Some("unconfined")) => spec.seccomp = SeccompMode::Unconfined,
        ("seccomp", Some("builtin")) => spec.seccomp = SeccompMode::Default,
        ("seccomp", Some(profile)) => {
            // What is none is told at the start.
            if let Ok(profile) = serde_json::from_str(profile) {
                spec.seccomp = SeccompMode::Profile(profile);
            }
        }
        ("apparmor", Some(profile)) => spec.apparmor = Some(profile.to_owned()),
        ("label", Some(label)) => spec.selinux.push(label.to_owned()),
        ("writable-cgroups", Some(value)) => {
            spec.writable_cgroups = value.parse().map_err(|_| invalid())?;
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

/// Why an option's filter of system calls is none, if it is one.
pub(super) fn wrong_profile(option: &str) -> Option<String> {
    let (name, profile) = option.split_once(['=', ':'])?;
    if name != "seccomp" || matches!(profile, "unconfined" | "builtin") {
        return None;
    }
    let read = docker_schema::decode::<serde_json::Value>(profile.as_bytes());
    let error = read.err()?;
    let words = match error.is_missing() {
        true => "unexpected end of JSON input".to_owned(),
        false => error.to_string(),
    };
    Some(format!("Decoding seccomp profile failed: {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_both_spellings() {
        let of = |option: &str| {
            of(&HostConfig {
                security_opt: Some(vec![option.to_owned()]),
                ..HostConfig::default()
            })
        };
        assert!(of("no-new-privileges").unwrap().no_new_privileges);
        assert!(of("no-new-privileges:true").unwrap().no_new_privileges);
        assert!(!of("no-new-privileges=false").unwrap().no_new_privileges);
        assert_eq!(
            of("seccomp=unconfined").unwrap().seccomp,
            SeccompMode::Unconfined
        );
        assert_eq!(of("label=type:a").unwrap().selinux, ["type:a"]);
        for refused in ["nope", "apparmor", "writable-cgroups=x"] {
            assert!(of(refused).is_err(), "{refused}");
        }
    }
}
