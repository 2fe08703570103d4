//! Log drivers and their options.

use crate::{Error, LogSpec};
use logs::JsonFile;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

/// The field of errors that are told in docker's words.
const LOG: &str = "LogConfig";
/// The mode of logging that is not done.
const NON_BLOCKING: &str = "non-blocking";
/// Docker's drivers that are not done.
const OTHERS: [&str; 9] = [
    "local", "journald", "syslog", "fluentd", "gelf", "awslogs", "splunk", "gcplogs", "etwlogs",
];
/// Options of json-file that are not done.
const NOT_DONE: [&str; 5] = ["labels", "labels-regex", "env", "env-regex", "tag"];

/// The log's file in the container's directory, if the driver keeps one.
pub(crate) fn path(spec: &LogSpec, dir: &Path) -> Option<PathBuf> {
    matches!(spec.driver.as_str(), "json-file").then(|| file(dir))
}

/// COMPAT: tools that collect logs look for files that are named so.
fn file(dir: &Path) -> PathBuf {
    let id = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.join(format!("{id}-json.log"))
}

/// The log as the supervisor keeps it.
pub(crate) fn config(spec: &LogSpec, dir: &Path) -> Result<logs::Config, Error> {
    match spec.driver.as_str() {
        "none" => Ok(logs::Config::None),
        "json-file" => json_file(spec, dir).map(logs::Config::JsonFile),
        driver if OTHERS.contains(&driver) => Err(Error::Unsupported {
            option: format!("LogConfig.Type {driver:?}"),
            reason: "use json-file or none",
        }),
        other => Err(Error::invalid(
            LOG,
            format!("error looking up logging plugin {other}: plugin {other:?} not found"),
        )),
    }
}

fn json_file(spec: &LogSpec, dir: &Path) -> Result<JsonFile, Error> {
    let mut log = JsonFile {
        path: file(dir),
        max_size: None,
        max_file: None,
        attributes: std::collections::BTreeMap::new(),
    };
    for (name, value) in &spec.options {
        let invalid = || Error::invalid("LogConfig.Config", format!("{name}={value:?}"));
        match name.as_str() {
            "max-size" => log.max_size = size(value).ok_or_else(invalid)?,
            "max-file" => {
                let files = value.parse::<NonZeroU32>().map_err(|_| invalid())?;
                log.max_file = Some(files);
            }
            // COMPAT: rotated segments are not compressed; what is not compressed reads the same.
            "compress" if matches!(value.as_str(), "true" | "false") => {}
            "mode" if matches!(value.as_str(), "" | "blocking") => {}
            "mode" if value != "non-blocking" => {
                let words = format!("logger: logging mode not supported: {value}");
                return Err(Error::invalid(LOG, words));
            }
            "max-buffer-size"
                if spec.options.get("mode").map(String::as_str) != Some(NON_BLOCKING) =>
            {
                let words =
                    "logger: max-buffer-size option is only supported with 'mode=non-blocking'";
                return Err(Error::invalid(LOG, words));
            }
            known
                if NOT_DONE.contains(&known)
                    || matches!(known, "mode" | "max-buffer-size" | "compress") =>
            {
                return Err(Error::Unsupported {
                    option: format!("LogConfig.Config {name}={value}"),
                    reason: "json-file takes max-size, max-file and compress",
                });
            }
            _ => {
                let words = format!("unknown log opt '{name}' for json-file log driver");
                return Err(Error::invalid(LOG, words));
            }
        }
    }
    Ok(log)
}

/// Bytes with a unit, `10m`; `-1` is no bound.
fn size(text: &str) -> Option<Option<NonZeroU64>> {
    if text == "-1" {
        return Some(None);
    }
    let lower = text.to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match lower.get(number.len()..)? {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(factor)?;
    NonZeroU64::new(bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(options: &[(&str, &str)]) -> LogSpec {
        LogSpec {
            driver: "json-file".to_owned(),
            options: options
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn json_files_options_are_read() {
        let spec = spec(&[("max-size", "10m"), ("max-file", "3")]);
        let logs::Config::JsonFile(log) = config(&spec, Path::new("/c")).unwrap() else {
            panic!("no file")
        };
        assert_eq!(log.max_size.map(NonZeroU64::get), Some(10 << 20));
        assert_eq!(log.max_file.map(NonZeroU32::get), Some(3));
    }

    #[test]
    fn an_option_that_cannot_be_honoured_is_refused_by_name() {
        for options in [
            &[("max-size", "ten")][..],
            &[("max-size", "0")],
            &[("max-file", "0")],
            &[("labels", "a")],
            &[("max-size", "99999999999g")],
        ] {
            assert!(
                config(&spec(options), Path::new("/c")).is_err(),
                "{options:?}"
            );
        }
    }
}
