//! `WWW-Authenticate`: how a registry wants to be convinced.

use std::collections::HashMap;

/// One way to convince a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token of this server.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
    /// A name and a password.
    Basic,
}

/// The challenges of one header, the stronger first.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut rest = header.trim();
    while !rest.is_empty() {
        let (scheme, after) = rest.split_once(' ').unwrap_or((rest, ""));
        let (mut parameters, left) = parameters(after);
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => {
                if let Some(realm) = parameters.remove("realm") {
                    found.push(Challenge::Bearer {
                        realm,
                        service: parameters.remove("service"),
                        scope: parameters.remove("scope"),
                    });
                }
            }
            "basic" => found.push(Challenge::Basic),
            _ => {}
        }
        rest = left;
    }
    found.sort_by_key(|challenge| *challenge == Challenge::Basic);
    found
}

/// `name="value", ...` up to the next scheme.
fn parameters(text: &str) -> (HashMap<String, String>, &str) {
    let mut found = HashMap::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    loop {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        let Some(end) = end.filter(|end| *end > 0 && rest[*end..].starts_with('=')) else {
            return (found, rest);
        };
        let name = rest[..end].to_ascii_lowercase();
        let (value, after) = value(&rest[end + 1..]);
        found.insert(name, value);
        rest = after.trim_start_matches([' ', ',']);
    }
}

/// A quoted or plain value.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_told_apart() {
        let both = r#"Basic realm="r", Bearer realm="https://a/token?x=1,2",service="s \"q\"", scope="repository:a/b:pull,push""#;
        assert_eq!(
            parse(both),
            [
                Challenge::Bearer {
                    realm: "https://a/token?x=1,2".to_owned(),
                    service: Some("s \"q\"".to_owned()),
                    scope: Some("repository:a/b:pull,push".to_owned()),
                },
                Challenge::Basic,
            ]
        );
        assert_eq!(parse("basic"), [Challenge::Basic]);
        for nothing in [
            "",
            "Bearer",
            "Bearer realm",
            "Negotiate abc=",
            "Bearer service=\"",
            "=,=,\"",
        ] {
            assert_eq!(parse(nothing), [], "{nothing}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn any_header_is_read_to_its_end(
            header in "\\PC{0,80}|((Bearer|Basic|Negotiate|,| |=|\"|\\\\|realm|service|scope|x=y|ä){0,12})"
        ) {
            parse(&header);
        }

        #[test]
        fn what_is_quoted_is_found_again(
            realm in "[a-z:/.?=, \"\\\\]{1,30}",
            scope in "[a-z:/, ]{1,30}",
        ) {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer scope=\"{scope}\", realm=\"{quoted}\"");
            let challenge = Challenge::Bearer {
                realm,
                service: None,
                scope: Some(scope),
            };
            proptest::prop_assert_eq!(parse(&header), [challenge]);
        }
    }
}
