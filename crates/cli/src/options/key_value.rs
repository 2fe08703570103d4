//! `KEY=value` in its many uses: environment, labels, maps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Error = String;

fn lines(path: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("open {}: {error}", path.display()))?;
    let text = text.trim_start_matches('\u{feff}');
    let lines = text.lines().map(str::trim_start);
    Ok(lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

/// Variables of files, then of flags: `NAME` alone takes our own value, and is left out if we
/// have none.
pub(crate) fn environment(files: &[PathBuf], flags: &[String]) -> Result<Vec<String>, Error> {
    let mut variables = Vec::new();
    for path in files {
        for line in lines(path)? {
            let name = line.split('=').next().unwrap_or_default();
            if name.is_empty() {
                return Err(format!("no variable name on line '{line}'"));
            }
            if name.contains([' ', '\t']) {
                return Err(format!("variable '{name}' contains whitespaces"));
            }
            variables.extend(variable(&line));
        }
    }
    for flag in flags {
        if flag.starts_with('=') || flag.is_empty() {
            return Err(format!("invalid environment variable: {flag}"));
        }
        variables.extend(variable(flag));
    }
    Ok(variables)
}

fn variable(text: &str) -> Option<String> {
    if text.contains('=') {
        return Some(text.to_owned());
    }
    let value = std::env::var(text).ok()?;
    Some(format!("{text}={value}"))
}

/// Labels of files, then of flags; without a value they are empty.
pub(super) fn labels(
    files: &[PathBuf],
    flags: &[String],
) -> Result<BTreeMap<String, String>, Error> {
    let mut all = Vec::new();
    for path in files {
        all.extend(lines(path)?);
    }
    all.extend_from_slice(flags);
    if let Some(bad) = all.iter().find(|label| label.starts_with('=')) {
        return Err(format!("invalid label format: {bad:?}"));
    }
    Ok(map(&all))
}

/// Pairs, the last of a name wins; without `=` the value is empty.
pub(crate) fn map(pairs: &[String]) -> BTreeMap<String, String> {
    let pairs = pairs
        .iter()
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Pairs which must have a value.
pub(super) fn strict_map(what: &str, pairs: &[String]) -> Result<BTreeMap<String, String>, Error> {
    match pairs.iter().find(|pair| !pair.contains('=')) {
        Some(bad) => Err(format!("invalid {what} {bad:?}: expected KEY=VALUE")),
        None => Ok(map(pairs)),
    }
}

/// Fields of one line of comma-separated values, of which a quoted one may hold commas.
pub(super) fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => {
                if let Some(field) = fields.last_mut() {
                    field.push(c);
                }
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_is_read_from_files_and_flags() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "# comment\n\nA=1\n  B=2=3\nNOT_SET_ANYWHERE\n").unwrap();
        let read = environment(&[file.path().into()], &["C=".into(), "D=x y".into()]);
        assert_eq!(read.unwrap(), ["A=1", "B=2=3", "C=", "D=x y"]);
        assert!(environment(&[], &["=x".into()]).is_err());
        std::fs::write(&file, "A B=1").unwrap();
        assert!(environment(&[file.path().into()], &[]).is_err());
    }

    #[test]
    fn a_quoted_field_may_hold_commas() {
        assert_eq!(
            fields(r#"type=tmpfs,"a=b,c",d"#),
            ["type=tmpfs", "a=b,c", "d"]
        );
    }
}
