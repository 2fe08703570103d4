//! `--security-opt`: profiles in files are sent with their content.

/// Reads the options; docker's old form with `:` is understood too.
pub(super) fn options(list: &[String]) -> Result<Vec<String>, String> {
    list.iter().map(|text| option(text)).collect()
}

fn option(text: &str) -> Result<String, String> {
    let pair = text.split_once('=').or_else(|| text.split_once(':'));
    let Some((key, value)) = pair else {
        return match text {
            "no-new-privileges" | "disable" | "writable-cgroups" => Ok(text.to_owned()),
            "systempaths" => Err(format!("Invalid --security-opt: {text:?}")),
            _ => Err(format!("Invalid --security-opt: {text:?}")),
        };
    };
    if key != "seccomp" || matches!(value, "unconfined" | "builtin") {
        return Ok(format!("{key}={value}"));
    }
    let profile = std::fs::read(value)
        .map_err(|error| format!("opening seccomp profile ({value}) failed: {error}"))?;
    let profile: serde_json::Value = serde_json::from_slice(&profile).map_err(|error| {
        format!("compacting json for seccomp profile ({value}) failed: {error}")
    })?;
    Ok(format!("seccomp={profile}"))
}

/// `systempaths=unconfined` becomes two empty lists in the request; the rest is for the daemon.
pub(super) fn system_paths(options: Vec<String>) -> (Vec<String>, bool) {
    let before = options.len();
    let rest: Vec<_> = options
        .into_iter()
        .filter(|option| option != "systempaths=unconfined")
        .collect();
    let unconfined = rest.len() < before;
    (rest, unconfined)
}
