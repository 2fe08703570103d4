//! containerd's `hosts.toml`. A key that is not known is an error: silence would hide a typo.

use super::{Abilities, Host, Way, read};
use crate::Error;
use crate::tls::Identity;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml_edit::{Document, Item, TableLike};

/// A table's key, for errors, and what it is.
struct Entry<'a> {
    path: &'a Path,
    key: &'a str,
    item: &'a Item,
}

/// The mirrors in their order, then the server itself.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Host>, Error> {
    let document: Document<String> = text
        .parse()
        .map_err(|error: toml_edit::TomlError| Error::configuration(path, &error.message()))?;
    let mut hosts = Vec::new();
    let mut own = Host {
        is_server: true,
        ..Host::default()
    };
    for (key, item) in document.iter() {
        let entry = Entry { path, key, item };
        match key {
            "server" => own.url = Some(with_scheme(entry.text()?)),
            "host" => {
                for (url, item) in entry.table()?.iter() {
                    let entry = Entry {
                        path,
                        key: url,
                        item,
                    };
                    hosts.push(mirror(&entry)?);
                }
            }
            _ => entry.add_to(&mut own)?,
        }
    }
    hosts.push(own);
    Ok(hosts)
}

fn mirror(entry: &Entry<'_>) -> Result<Host, Error> {
    let mut host = Host {
        url: Some(with_scheme(entry.key)),
        ..Host::default()
    };
    for (key, item) in entry.table()?.iter() {
        let entry = Entry {
            path: entry.path,
            key,
            item,
        };
        entry.add_to(&mut host)?;
    }
    Ok(host)
}

/// COMPAT: containerd takes what has no scheme for https.
fn with_scheme(url: &str) -> String {
    match url.contains("://") {
        true => url.to_owned(),
        false => format!("https://{url}"),
    }
}

impl<'a> Entry<'a> {
    fn add_to(&self, host: &mut Host) -> Result<(), Error> {
        let Host {
            way: Way { trust, connect },
            ..
        } = host;
        match self.key {
            "capabilities" => host.abilities = self.abilities()?,
            "ca" => {
                for name in self.texts()? {
                    trust.roots.push(read(&self.beside(name))?);
                }
            }
            "client" => trust.identities = self.identities()?,
            "skip_verify" => trust.anybody = self.switch()?,
            "override_path" => host.whole_path = self.switch()?,
            "dial_timeout" => *connect = Some(self.duration()?),
            "header" => host.headers = self.headers()?,
            _ => return Err(self.wrong("no key of hosts.toml that is known")),
        }
        Ok(())
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::configuration(self.path, &format!("{}: {reason}", self.key))
    }

    fn text(&self) -> Result<&'a str, Error> {
        self.item.as_str().ok_or_else(|| self.wrong("not a string"))
    }

    fn switch(&self) -> Result<bool, Error> {
        self.item
            .as_bool()
            .ok_or_else(|| self.wrong("not a boolean"))
    }

    fn table(&self) -> Result<&'a dyn TableLike, Error> {
        self.item
            .as_table_like()
            .ok_or_else(|| self.wrong("not a table"))
    }

    /// A string, or an array of strings.
    fn texts(&self) -> Result<Vec<&'a str>, Error> {
        if let Some(text) = self.item.as_str() {
            return Ok(vec![text]);
        }
        let array = self.item.as_array();
        let texts = array.and_then(|array| array.iter().map(toml_edit::Value::as_str).collect());
        texts.ok_or_else(|| self.wrong("neither a string nor an array of strings"))
    }

    fn abilities(&self) -> Result<Abilities, Error> {
        let mut abilities = Abilities {
            pull: false,
            resolve: false,
            push: false,
        };
        for name in self.texts()? {
            match name {
                "pull" => abilities.pull = true,
                "resolve" => abilities.resolve = true,
                "push" => abilities.push = true,
                other => return Err(self.wrong(&format!("unknown capability {other:?}"))),
            }
        }
        Ok(abilities)
    }

    /// Files with certificate and key in one, or pairs of both.
    fn identities(&self) -> Result<Vec<Identity>, Error> {
        let both = |name: &str| {
            let pem = read(&self.beside(name))?;
            Ok(Identity {
                certificate: pem.clone(),
                key: pem,
            })
        };
        if let Ok(names) = self.texts() {
            return names.into_iter().map(both).collect();
        }
        let pairs = self.item.as_array();
        let pairs = pairs.ok_or_else(|| self.wrong("neither a file nor an array of them"))?;
        let pair = |value: &'a toml_edit::Value| {
            let parts = value.as_array().into_iter().flatten();
            let parts: Option<Vec<&str>> = parts.map(toml_edit::Value::as_str).collect();
            match parts.as_deref() {
                Some([both_in_one] | [both_in_one, ""]) => both(both_in_one),
                Some([certificate, key]) => Ok(Identity {
                    certificate: read(&self.beside(certificate))?,
                    key: read(&self.beside(key))?,
                }),
                _ => Err(self.wrong("not a pair of certificate and key")),
            }
        };
        pairs.iter().map(pair).collect()
    }

    fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        for (key, item) in self.table()?.iter() {
            let entry = Entry {
                path: self.path,
                key,
                item,
            };
            let name: HeaderName = key
                .parse()
                .map_err(|_| entry.wrong("no name of a header"))?;
            for text in entry.texts()? {
                let value = HeaderValue::from_str(text);
                let value = value.map_err(|_| entry.wrong("no value of a header"))?;
                headers.append(name.clone(), value);
            }
        }
        Ok(headers)
    }

    /// `1m30s`, as Go writes it.
    fn duration(&self) -> Result<Duration, Error> {
        let text = self.text()?;
        let wrong = || self.wrong("not a duration as 10s or 500ms");
        let mut rest = text;
        let mut total = 0.0;
        while !rest.is_empty() {
            let end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(wrong)?;
            let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
            let after = &rest[end..];
            let unit = after
                .find(|c: char| !c.is_alphabetic())
                .unwrap_or(after.len());
            total += number
                * match &after[..unit] {
                    "ms" => 1e-3,
                    "s" => 1.0,
                    "m" => 60.0,
                    "h" => 3600.0,
                    _ => return Err(wrong()),
                };
            rest = &after[unit..];
        }
        let duration = Duration::try_from_secs_f64(total).map_err(|_| wrong())?;
        (!duration.is_zero()).then_some(duration).ok_or_else(wrong)
    }

    /// A file named relative to this one.
    fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name("").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Host>, Error> {
        parse(text, Path::new("/etc/x/hosts.toml"))
    }

    #[test]
    fn hosts_keep_their_order_and_the_server_is_last() {
        let hosts = read(
            r#"
            server = "registry.example"
            dial_timeout = "1m500ms"
            [host."https://b.example/proxy"]
              capabilities = ["pull", "resolve"]
              override_path = true
              [host."https://b.example/proxy".header]
                x-a = "1"
                x-b = ["2", "3"]
            [host."http://a.example:5000"]
              skip_verify = true
            "#,
        )
        .unwrap();
        let urls: Vec<_> = hosts
            .iter()
            .map(|host| host.url.as_deref().unwrap())
            .collect();
        let expected = [
            "https://b.example/proxy",
            "http://a.example:5000",
            "https://registry.example",
        ];
        assert_eq!(urls, expected);
        assert!(hosts[0].whole_path && !hosts[0].abilities.push && hosts[0].abilities.pull);
        assert_eq!(hosts[0].headers.get_all("x-b").iter().count(), 2);
        assert!(hosts[1].way.trust.anybody && hosts[1].abilities.push);
        assert_eq!(hosts[2].way.connect, Some(Duration::from_millis(60_500)));
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (text, words) in [
            ("serve = 'x'", "serve: no key of hosts.toml"),
            (
                "[host.'https://a']\ncapabilities = ['fly']",
                "unknown capability \"fly\"",
            ),
            ("dial_timeout = '5'", "not a duration"),
            ("dial_timeout = '0s'", "not a duration"),
            ("skip_verify = 'yes'", "skip_verify: not a boolean"),
            ("ca = 'none.pem'", "/etc/x/none.pem"),
            ("client = [['a', 'b', 'c']]", "not a pair"),
            ("[header]\n'x y' = '1'", "no name of a header"),
            ("server = ", "/etc/x/hosts.toml"),
            ("host = 'x'", "host: not a table"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
