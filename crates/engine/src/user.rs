//! Users and groups as callers write them: `name|uid[:group|gid]`.
//!
//! Names are looked up in the container's own `/etc/passwd` and `/etc/group`, which are
//! foreign bytes: the container's child reads them after it has entered its root.

use crate::Error;

/// The greatest number of a user or group that Docker accepts.
const GREATEST: u32 = 0x7fff_ffff;

/// Why a greater one is refused.
pub(crate) const RANGE: &str = "uids and gids must be in range 0-2147483647";

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Number(u32),
    Name(String),
}

/// Whom a program runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) user: Id,
    pub(crate) group: Option<Id>,
}

impl Id {
    /// A text of digits is a number or an error, and never a name.
    fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| {
            let shown: String = text.chars().take(80).collect();
            Error::invalid("User", format!("{shown:?}: {reason}"))
        };
        if text.is_empty() {
            return Err(invalid("the name is empty"));
        }
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            let number = text
                .parse::<u32>()
                .ok()
                .filter(|number| *number <= GREATEST);
            return number.map(Self::Number).ok_or_else(|| invalid(RANGE));
        }
        let forbidden = |c: char| c.is_control() || c == ':' || c == ',' || c == '/';
        match text.contains(forbidden) || text.len() > 255 {
            true => Err(invalid(
                "a name has no control character, slash, comma or colon",
            )),
            false => Ok(Self::Name(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Reads `user[:group]`; empty is root.
pub(crate) fn parse(text: &str) -> Result<User, Error> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let user = match user {
        "" => Id::Number(0),
        user => Id::parse(user)?,
    };
    let group = group
        .filter(|group| !group.is_empty())
        .map(Id::parse)
        .transpose()?;
    Ok(User { user, group })
}

/// Whether `text` names a user.
pub(crate) fn check(text: &str) -> Result<(), Error> {
    parse(text).map(drop)
}

/// Whether `text` has a name that is to be looked up.
pub(crate) fn is_named(text: &str) -> bool {
    let named = |id: &Id| matches!(id, Id::Name(_));
    parse(text).is_ok_and(|user| named(&user.user) || user.group.as_ref().is_some_and(named))
}

/// The user of an OCI process.
///
/// `username` is what is looked up inside, `user[:group[:further group]...]`; none of the names
/// can have a colon. It is empty if nothing has to be looked up.
pub(crate) fn process_user(text: &str, groups: &[String]) -> Result<oci::runtime::User, Error> {
    let parsed = parse(text)?;
    let further = groups
        .iter()
        .map(|g| Id::parse(g))
        .collect::<Result<Vec<_>, _>>()?;
    let number = |id: &Id| match id {
        Id::Number(number) => Some(*number),
        Id::Name(_) => None,
    };
    let mut user = oci::runtime::User {
        uid: number(&parsed.user).unwrap_or(0),
        gid: parsed.group.as_ref().and_then(number).unwrap_or(0),
        additional_gids: further.iter().filter_map(number).collect(),
        ..oci::runtime::User::default()
    };
    let is_known = |id: &Id| matches!(id, Id::Number(_));
    let known = is_known(&parsed.user)
        && parsed.group.as_ref().is_some_and(is_known)
        && further.iter().all(is_known);
    if !known {
        let group = parsed.group.as_ref().map(Id::to_string).unwrap_or_default();
        let mut words = vec![parsed.user.to_string(), group];
        words.extend(further.iter().map(Id::to_string));
        while words.last().is_some_and(String::is_empty) {
            words.pop();
        }
        user.username = words.join(":");
    } else if !user.additional_gids.contains(&user.gid) {
        // COMPAT: the group itself is the first of the supplementary ones (CVE-2022-36109).
        user.additional_gids.insert(0, user.gid);
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_number_or_a_name_and_never_both() {
        let name = |name: &str| Id::Name(name.to_owned());
        for (text, user, group) in [
            ("", Id::Number(0), None),
            ("0", Id::Number(0), None),
            ("1000:50", Id::Number(1000), Some(Id::Number(50))),
            ("daemon", name("daemon"), None),
            ("daemon:adm", name("daemon"), Some(name("adm"))),
            (":7", Id::Number(0), Some(Id::Number(7))),
            ("1000:", Id::Number(1000), None),
            ("2147483647", Id::Number(2_147_483_647), None),
            ("1a", name("1a"), None),
            ("0x0", name("0x0"), None),
        ] {
            assert_eq!(parse(text).unwrap(), User { user, group }, "{text:?}");
        }
    }

    #[test]
    fn a_number_out_of_range_is_refused_and_not_taken_for_root() {
        for text in [
            "2147483648",
            "4294967296",
            "99999999999999999999",
            "-1",
            "0:4294967296",
            "a\nb",
            "a:b:c",
            "a/b",
            "x\0",
            "a,b",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_what_must_be_looked_up_is_looked_up() {
        let user = process_user("1000:50", &["7".to_owned()]).unwrap();
        assert_eq!(
            (user.uid, user.gid, user.additional_gids),
            (1000, 50, vec![50, 7])
        );
        assert_eq!(user.username, "");
        for (text, groups, username) in [
            ("", vec![], "0"),
            ("app", vec![], "app"),
            ("1000", vec!["video"], "1000::video"),
            ("app:adm", vec!["7"], "app:adm:7"),
        ] {
            let groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
            assert_eq!(
                process_user(text, &groups).unwrap().username,
                username,
                "{text:?}"
            );
        }
    }
}
