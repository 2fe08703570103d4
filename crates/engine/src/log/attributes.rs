//! Labels and environment that go along with records.

use crate::ContainerRecord;
use regex::Regex;
use std::collections::BTreeMap;

/// What `labels`, `labels-regex`, `env` and `env-regex` choose.
pub(super) fn of(
    record: &ContainerRecord,
    options: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let env = record.spec.process.env.iter();
    let env: BTreeMap<String, String> = env
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut chosen = BTreeMap::new();
    for (names, pattern, from) in [
        ("labels", "labels-regex", &record.spec.labels),
        ("env", "env-regex", &env),
    ] {
        let names = options.get(names).map_or("", String::as_str);
        for name in names.split(',').filter(|name| !name.is_empty()) {
            if let Some(value) = from.get(name) {
                chosen.insert(name.to_owned(), value.clone());
            }
        }
        let Some(pattern) = options.get(pattern).filter(|pattern| !pattern.is_empty()) else {
            continue;
        };
        let pattern = Regex::new(pattern).map_err(|error| refused(pattern, &error))?;
        let matching = from.iter().filter(|(name, _)| pattern.is_match(name));
        chosen.extend(matching.map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(chosen)
}

/// COMPAT: an unclosed group is what people leave; in Go's words.
fn refused(pattern: &str, error: &regex::Error) -> String {
    let words = error.to_string();
    let reason = match words.contains("unclosed group") {
        true => format!("missing closing ): `{pattern}`"),
        false => words.lines().last().unwrap_or_default().trim().to_owned(),
    };
    format!("error parsing regexp: {reason}")
}
