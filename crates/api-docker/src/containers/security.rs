//! What a container may do, from the request's options.

use crate::call::Call;
use crate::error::{Error, Result};
use docker_schema::container::HostConfig;
use engine::{SeccompMode, SecuritySpec};

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
    let invalid = || Error::bad_request(format!("invalid --security-opt {check}: {option:?}"));
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
            let profile = serde_json::from_str(profile).map_err(|error| {
                Error::bad_request(format!("Decoding seccomp profile failed: {error}"))
            })?;
            spec.seccomp = SeccompMode::Profile(profile);
        }
        ("apparmor", Some(profile)) => spec.apparmor = Some(profile.to_owned()),
        ("label", Some(label)) => spec.selinux.push(label.to_owned()),
        ("writable-cgroups", Some(_)) => {
            return Err(Call::refuse(
                "SecurityOpt writable-cgroups",
                "cgroups are read-only",
            ));
        }
        _ => return Err(invalid()),
    }
    Ok(())
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
        for refused in ["seccomp={", "nope", "apparmor", "writable-cgroups=true"] {
            assert!(of(refused).is_err(), "{refused}");
        }
    }
}
