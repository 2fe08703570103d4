//! The local driver's options: which file system is mounted on a volume's directory.

use crate::Error;
use std::collections::BTreeMap;

/// What the local driver mounts on a volume's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The file system's type; `none` for a bind mount.
    pub(crate) kind: String,
    /// What is mounted: a device, a directory, `host:/path`.
    pub(crate) device: String,
    /// Mount options, separated by commas.
    pub(crate) options: String,
}

/// Each option, and those that it needs.
const OPTIONS: [(&str, &[&str]); 4] = [
    ("device", &["type"]),
    ("o", &["device", "type"]),
    ("size", &[]),
    ("type", &["device"]),
];

impl Local {
    /// Reads the driver's options; `None` if nothing is mounted.
    ///
    /// # Errors
    /// If an option is unknown, or needs another that is not there; the words are dockerd's.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Option<Self>, Error> {
        for name in options.keys() {
            if !OPTIONS.iter().any(|(known, _)| known == name) {
                return Err(Error::UnknownOption(name.clone()));
            }
        }
        for (name, needs) in OPTIONS {
            if !options.contains_key(name) {
                continue;
            }
            if let Some(missing) = needs.iter().find(|need| !options.contains_key(**need)) {
                return Err(Error::MissingOption(missing));
            }
        }
        if options.contains_key("size") {
            return Err(Error::NoQuota);
        }
        let text = |name: &str| options.get(name).cloned().unwrap_or_default();
        let local = Self {
            kind: text("type"),
            device: text("device"),
            options: text("o"),
        };
        local.check()?;
        Ok((!local.kind.is_empty() || !local.device.is_empty()).then_some(local))
    }

    fn check(&self) -> Result<(), Error> {
        let values = [
            ("type", &self.kind),
            ("device", &self.device),
            ("o", &self.options),
        ];
        for (option, value) in values {
            if value.contains('\0') {
                let reason = "it has a NUL byte".to_owned();
                return Err(Error::Value { option, reason });
            }
            if value.len() > 4095 {
                let reason = "it is longer than 4095 bytes".to_owned();
                return Err(Error::Value { option, reason });
            }
        }
        Ok(())
    }

    /// The options without what nobody should read.
    pub(crate) fn shown(&self) -> String {
        let shown = self
            .options
            .split(',')
            .map(|option| match option.split_once('=') {
                Some((name @ ("password" | "pass" | "passwd"), _)) => format!("{name}=********"),
                _ => option.to_owned(),
            });
        shown.collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Option<Local>, String> {
        let options = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Local::parse(&options.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_checked_in_dockerds_words() {
        assert_eq!(parse(&[]), Ok(None));
        let tmpfs = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")];
        assert!(parse(&tmpfs).unwrap().is_some());
        for (options, words) in [
            (&[("foo", "bar")][..], "invalid option: \"foo\""),
            (&[("type", "tmpfs")], "missing required option: \"device\""),
            (&[("device", "x")], "missing required option: \"type\""),
            (&[("o", "size=1m")], "missing required option: \"device\""),
            (
                &[("size", "1m")],
                "quota size requested but no quota support",
            ),
        ] {
            assert_eq!(parse(options), Err(words.to_owned()));
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let local = Local {
            kind: "cifs".to_owned(),
            device: "//h/s".to_owned(),
            options: "username=a,password=secret,ro".to_owned(),
        };
        assert_eq!(local.shown(), "username=a,password=********,ro");
    }
}
