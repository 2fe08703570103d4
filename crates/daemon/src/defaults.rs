//! What containers have that say nothing of it: flags and file together.

use crate::file::File;
use crate::flags::Flags;
use anyhow::{Context, bail};
use engine::{CgroupMode, Defaults, IpcMode, SeccompMode, Ulimit};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// One of `default-ulimits` in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct FileUlimit {
    #[serde(default)]
    name: String,
    soft: i64,
    hard: i64,
}

/// `default-shm-size` in the file: bytes, or a text as the flag's.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum FileSize {
    Bytes(u64),
    Text(String),
}

impl FileSize {
    fn text(&self) -> String {
        match self {
            Self::Bytes(bytes) => bytes.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// What holds. A flag's limit counts more than the file's of the same name.
pub(crate) fn settings(flags: &Flags, file: &File) -> anyhow::Result<Defaults> {
    let ipc = flags
        .default_ipc_mode
        .as_ref()
        .or(file.default_ipc_mode.as_ref());
    let cgroup = flags.default_cgroupns_mode.as_ref();
    let cgroup = cgroup.or(file.default_cgroupns_mode.as_ref());
    let profile = flags
        .seccomp_profile
        .as_ref()
        .or(file.seccomp_profile.as_ref());
    Ok(Defaults {
        shm_size: shm_size(flags, file)?,
        ulimits: ulimits(&flags.default_ulimits, &file.default_ulimits)?,
        no_new_privileges: flags.no_new_privileges || file.no_new_privileges.unwrap_or_default(),
        seccomp: seccomp(profile.map(String::as_str).unwrap_or_default())?,
        ipc: match ipc.map(String::as_str) {
            None | Some("" | "private") => IpcMode::Private,
            Some("shareable") => IpcMode::Shareable,
            Some(other) => bail!(
                "IPC mode {other:?} is not supported as default value, use `private` or `shareable`"
            ),
        },
        cgroup: match cgroup.map(String::as_str) {
            None | Some("") => CgroupMode::Default,
            Some("private") => CgroupMode::Private,
            Some("host") => CgroupMode::Host,
            Some(other) => {
                bail!("default cgroup namespace mode ({other}) is invalid: use private or host")
            }
        },
    })
}

/// What both say: by dockerd's rule nobody guesses which counts.
pub(crate) fn conflicts(
    flags: &Flags,
    file: &File,
) -> Vec<(&'static str, Option<String>, Option<String>)> {
    let of = |number: Option<usize>| number.map(|number| number.to_string());
    vec![
        (
            "no-new-privileges",
            flags.no_new_privileges.then(|| "true".to_owned()),
            file.no_new_privileges.map(|on| on.to_string()),
        ),
        (
            "seccomp-profile",
            flags.seccomp_profile.clone(),
            file.seccomp_profile.clone(),
        ),
        (
            "default-shm-size",
            flags.default_shm_size.clone(),
            file.default_shm_size.as_ref().map(FileSize::text),
        ),
        (
            "default-ipc-mode",
            flags.default_ipc_mode.clone(),
            file.default_ipc_mode.clone(),
        ),
        (
            "default-cgroupns-mode",
            flags.default_cgroupns_mode.clone(),
            file.default_cgroupns_mode.clone(),
        ),
        (
            "max-concurrent-downloads",
            of(flags.max_concurrent_downloads),
            of(file.max_concurrent_downloads),
        ),
        (
            "max-concurrent-uploads",
            of(flags.max_concurrent_uploads),
            of(file.max_concurrent_uploads),
        ),
        (
            "max-download-attempts",
            flags.max_download_attempts.map(|number| number.to_string()),
            file.max_download_attempts.map(|number| number.to_string()),
        ),
    ]
}

/// COMPAT: zero is docker's own size.
fn shm_size(flags: &Flags, file: &File) -> anyhow::Result<Option<u64>> {
    let said = flags.default_shm_size.clone();
    let said = said.or(file.default_shm_size.as_ref().map(FileSize::text));
    let Some(text) = said else {
        return Ok(None);
    };
    let size = logs::size(&text).map_err(|reason| anyhow::anyhow!("default-shm-size: {reason}"))?;
    Ok((size > 0).then_some(size))
}

fn ulimits(flags: &[String], file: &BTreeMap<String, FileUlimit>) -> anyhow::Result<Vec<Ulimit>> {
    let mut all: BTreeMap<String, Ulimit> = BTreeMap::new();
    for (key, given) in file {
        let name = if given.name.is_empty() {
            key
        } else {
            &given.name
        };
        let ulimit = Ulimit {
            name: name.clone(),
            soft: given.soft,
            hard: given.hard,
        };
        all.insert(name.clone(), ulimit);
    }
    for text in flags {
        let (name, values) = crate::settings::pair("--default-ulimit", text)?;
        let (soft, hard) = values.split_once(':').unwrap_or((&values, &values));
        let number = |text: &str| {
            let number: i64 = text
                .parse()
                .with_context(|| format!("--default-ulimit {text:?} is no number"))?;
            anyhow::Ok(number)
        };
        let ulimit = Ulimit {
            name: name.clone(),
            soft: number(soft)?,
            hard: number(hard)?,
        };
        all.insert(name, ulimit);
    }
    for ulimit in all.values() {
        if ulimit.soft > ulimit.hard && ulimit.hard >= 0 {
            bail!(
                "default-ulimit {}: ulimit soft limit must be less than or equal to hard limit: {} > {}",
                ulimit.name,
                ulimit.soft,
                ulimit.hard
            );
        }
    }
    Ok(all.into_values().collect())
}

/// A profile by its path, or `builtin` or `unconfined`.
fn seccomp(profile: &str) -> anyhow::Result<SeccompMode> {
    if profile.is_empty() || profile == "builtin" {
        return Ok(SeccompMode::Default);
    }
    if profile == "unconfined" {
        return Ok(SeccompMode::Unconfined);
    }
    let failed = || format!("opening seccomp profile ({profile}) failed");
    let bytes = std::fs::read(Path::new(profile)).with_context(failed)?;
    let document = serde_json::from_slice(&bytes).with_context(failed)?;
    Ok(SeccompMode::Profile(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, flags: &[&str]) -> anyhow::Result<Defaults> {
        use clap::Parser as _;
        let words = std::iter::once("corten daemon").chain(flags.iter().copied());
        settings(&Flags::try_parse_from(words)?, &serde_json::from_str(file)?)
    }

    #[test]
    fn limits_of_both_count_and_the_flags_count_more() {
        let file = r#"{"default-ulimits":{"nofile":{"Name":"nofile","Soft":1,"Hard":2},"core":{"Soft":0,"Hard":-1}}}"#;
        let defaults = read(
            file,
            &[
                "--default-ulimit",
                "nofile=5",
                "--default-ulimit",
                "nproc=6:7",
            ],
        );
        let shown = defaults.unwrap().ulimits;
        let shown: Vec<_> = shown
            .iter()
            .map(|u| (u.name.as_str(), u.soft, u.hard))
            .collect();
        assert_eq!(shown, [("core", 0, -1), ("nofile", 5, 5), ("nproc", 6, 7)]);
    }

    #[test]
    fn the_size_of_shared_memory_is_a_number_or_a_text() {
        let size = |file, flags: &[&str]| read(file, flags).unwrap().shm_size;
        assert_eq!(size(r#"{"default-shm-size":1024}"#, &[]), Some(1024));
        assert_eq!(size(r#"{"default-shm-size":"1m"}"#, &[]), Some(1 << 20));
        assert_eq!(size("{}", &["--default-shm-size", "2k"]), Some(2048));
        assert_eq!(size(r#"{"default-shm-size":0}"#, &[]), None);
        let refused = read("{}", &["--default-shm-size", "1x"]).unwrap_err();
        assert_eq!(refused.to_string(), "default-shm-size: invalid suffix: 'x'");
    }

    #[test]
    fn what_is_no_default_is_refused_in_dockerds_words() {
        for (file, words) in [
            (
                r#"{"default-ipc-mode":"host"}"#,
                "IPC mode \"host\" is not supported as default value",
            ),
            (
                r#"{"default-cgroupns-mode":"x"}"#,
                "default cgroup namespace mode (x) is invalid",
            ),
            (
                r#"{"seccomp-profile":"/no/file"}"#,
                "opening seccomp profile (/no/file) failed",
            ),
            (
                r#"{"default-ulimits":{"core":{"Soft":2,"Hard":1}}}"#,
                "soft limit must be less",
            ),
        ] {
            let refused = read(file, &[]).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
        let file = r#"{"default-ipc-mode":"shareable","no-new-privileges":true,"seccomp-profile":"unconfined"}"#;
        let defaults = read(file, &[]).unwrap();
        assert_eq!(
            (defaults.ipc, defaults.seccomp),
            (IpcMode::Shareable, SeccompMode::Unconfined)
        );
        assert!(defaults.no_new_privileges);
    }
}
