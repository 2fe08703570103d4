//! Who may do what with which repositories: lines of `ACCOUNT PATTERN ACTIONS`.

use super::accounts::AccountsError;
use super::{Anonymous, Want};
use std::collections::BTreeSet;
use std::path::Path;

/// What can be done with a repository.
const ACTIONS: [&str; 3] = ["pull", "push", "delete"];
/// In an account's place: each of them, or those without one.
const EVERYBODY: &str = "*";
const NOBODY: &str = "-";

/// Rules; whatever one of them allows may be done.
#[derive(Clone, Debug)]
pub(super) struct Rights(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    holder: String,
    pattern: String,
    actions: BTreeSet<&'static str>,
}

impl Rights {
    /// Every account may do everything, and those without one what `anonymous` says.
    pub(super) fn whole(anonymous: Anonymous) -> Self {
        let rule = |holder: &str, actions: &[&'static str]| Rule {
            holder: holder.to_owned(),
            pattern: "**".to_owned(),
            actions: actions.iter().copied().collect(),
        };
        let mut rules = vec![rule(EVERYBODY, &ACTIONS)];
        if anonymous == Anonymous::Pull {
            rules.push(rule(NOBODY, &["pull"]));
        }
        Self(rules)
    }

    /// The rules of a file; an account must be one that `knows` does.
    pub(super) fn read(path: &Path, knows: impl Fn(&str) -> bool) -> Result<Self, AccountsError> {
        let text = std::fs::read_to_string(path).map_err(|source| AccountsError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let rule = Rule::parse(line, &knows).map_err(|reason| AccountsError::Line {
                path: path.to_owned(),
                line: index + 1,
                reason,
            })?;
            rules.push(rule);
        }
        Ok(Self(rules))
    }

    /// Whether somebody without an account may do anything at all.
    pub(super) fn is_open(&self) -> bool {
        self.0.iter().any(|rule| rule.holder == NOBODY)
    }

    /// What of `actions` the holder may do with an object; `*` are all of them.
    pub(super) fn of(
        &self,
        account: Option<&str>,
        kind: &str,
        name: &str,
        actions: &[String],
    ) -> Vec<String> {
        let wants = |action: &str| actions.iter().any(|own| own == action || own == "*");
        let allows = |action: &str| self.allow(account, name, action);
        match kind {
            "repository" => {
                let own = ACTIONS.into_iter();
                let own = own.filter(|action| wants(action) && allows(action));
                own.map(str::to_owned).collect()
            }
            // The catalogue names every repository.
            "registry" if wants("*") && self.reads_all(account) => vec!["*".to_owned()],
            _ => Vec::new(),
        }
    }

    /// Whether the holder may do all that is wanted.
    pub(super) fn cover(&self, account: Option<&str>, want: &Want) -> bool {
        match want.kind {
            "repository" => {
                let mut actions = want.actions.iter();
                actions.all(|action| self.allow(account, &want.name, action))
            }
            _ => self.reads_all(account),
        }
    }

    fn reads_all(&self, account: Option<&str>) -> bool {
        let mut own = self.0.iter().filter(|rule| rule.is_of(account));
        account.is_some() && own.any(|rule| rule.pattern == "**" && rule.actions.contains("pull"))
    }

    fn allow(&self, account: Option<&str>, name: &str, action: &str) -> bool {
        let mut own = self.0.iter().filter(|rule| rule.is_of(account));
        own.any(|rule| rule.actions.contains(action) && matches(&rule.pattern, name))
    }
}

impl Rule {
    fn parse(line: &str, knows: impl Fn(&str) -> bool) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [holder, pattern, actions] = words[..] else {
            return Err("not ACCOUNT PATTERN ACTIONS".to_owned());
        };
        if ![EVERYBODY, NOBODY].contains(&holder) && !knows(holder) {
            return Err(format!("there is no account {holder:?}"));
        }
        let known = |action: &str| ACTIONS.into_iter().find(|known| *known == action);
        let mut allowed = BTreeSet::new();
        for action in actions.split(',') {
            match (action, known(action)) {
                ("*", _) => allowed.extend(ACTIONS),
                (_, Some(action)) => drop(allowed.insert(action)),
                _ => return Err(format!("{action:?} is none of pull, push, delete, *")),
            }
        }
        Ok(Self {
            holder: holder.to_owned(),
            pattern: pattern.to_owned(),
            actions: allowed,
        })
    }

    fn is_of(&self, account: Option<&str>) -> bool {
        match account {
            // What needs no account is for accounts, too.
            Some(name) => [name, EVERYBODY, NOBODY].contains(&self.holder.as_str()),
            None => self.holder == NOBODY,
        }
    }
}

/// Whether a name fits: `*` is any part of one component, `**` of several.
fn matches(pattern: &str, name: &str) -> bool {
    let mut fits = vec![false; name.len() + 1];
    fits[0] = true;
    let (mut rest, name) = (pattern.as_bytes(), name.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'*' {
            // Each place moves on by this byte, or is lost.
            for at in (0..name.len()).rev() {
                fits[at + 1] = fits[at] && name[at] == *first;
            }
            fits[0] = false;
            rest = tail;
            continue;
        }
        let deeper = tail.strip_prefix(b"*");
        for at in 0..name.len() {
            fits[at + 1] |= fits[at] && (deeper.is_some() || name[at] != b'/');
        }
        rest = deeper.unwrap_or(tail);
    }
    fits[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_ends_at_a_slash_and_two_do_not() {
        for (pattern, name, fits) in [
            ("**", "a/b/c", true),
            ("*", "a", true),
            ("*", "a/b", false),
            ("team/*", "team/a", true),
            ("team/*", "team", false),
            ("team/*", "team/a/b", false),
            ("team/*", "teams/a", false),
            ("team/**", "team/a/b", true),
            ("team/**", "team", false),
            ("**/cache", "a/b/cache", true),
            ("**/cache", "a/b/caches", false),
            ("*/x-*/b", "a/x-1/b", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("ab", "a", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
        let (stars, name) = ("*a".repeat(60), "a".repeat(200));
        assert!(matches(&stars, &name));
        assert!(!matches(&stars, &format!("{name}b")));
        assert!(!matches("ä*", "a"));
    }
}
