//! Whose ids containers have: `userns-remap`.

use anyhow::{Context, bail};
use oci::runtime::IdMaps;
use std::fs;
use std::process::{Command, Stdio};

/// Who is made, and taken, if the daemon is to choose.
const CHOSEN: &str = "dockremap";
/// The ids of one range, and where the first range begins if nobody has one.
const COUNT: u32 = 65_536;
const FIRST: u32 = 100_000;

/// The maps of the user that `remap` names: `default`, or a user and a group by name or number.
/// `None` where it says that nobody's are to be changed.
pub(crate) fn maps(remap: &str) -> anyhow::Result<Option<IdMaps>> {
    if remap.is_empty() {
        return Ok(None);
    }
    if !rustix::process::geteuid().is_root() || sys::namespace::maps_users() {
        bail!("userns-remap: a daemon without root has the ids of its user alone");
    }
    let (user, group) = match remap.split_once(':') {
        None => (remap, None),
        Some((_, group)) if group.contains(':') => {
            bail!("Invalid user/group specification in --userns-remap: {remap:?}")
        }
        Some((user, group)) => (user, Some(group)),
    };
    let account = match (user, account(user)) {
        ("default", _) => chosen()?,
        (_, account) => account?,
    };
    match group {
        Some(group) => check_group(group)?,
        // COMPAT: without a group there is one of the user's number, or of its name.
        None if user.parse::<u32>().is_ok() => check_group(user)?,
        None => check_group(&account.name)?,
    }
    if account.name == "root" {
        tracing::warn!("userns-remap: root is root already: ids are the host's");
        return Ok(None);
    }
    let maps = rootless::subordinate(&account.name, account.uid);
    maps.context("userns-remap").map(Some)
}

/// A line of `/etc/passwd`.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    name: String,
    uid: u32,
}

/// COMPAT: dockerd's words.
fn account(user: &str) -> anyhow::Result<Account> {
    let number = user.parse::<u32>().ok();
    let file = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let found = entries(&file).find(|(name, id)| match number {
        Some(number) => *id == number,
        None => *name == user,
    });
    match (found, number) {
        (Some((name, uid)), _) => Ok(Account {
            name: name.to_owned(),
            uid,
        }),
        (None, Some(number)) => bail!("Uid {number} has no entry in /etc/passwd"),
        (None, None) => {
            bail!("Error during uid lookup for {user:?}: unable to find entry in /etc/passwd")
        }
    }
}

fn check_group(group: &str) -> anyhow::Result<()> {
    let number = group.parse::<u32>().ok();
    let file = fs::read_to_string("/etc/group").context("cannot read /etc/group")?;
    let found = entries(&file).any(|(name, id)| match number {
        Some(number) => id == number,
        None => name == group,
    });
    match (found, number) {
        (true, _) => Ok(()),
        (false, Some(number)) => bail!("Gid {number} has no entry in /etc/group"),
        (false, None) => {
            bail!("Error during groupname lookup for {group:?}: unable to find entry in /etc/group")
        }
    }
}

/// Names and numbers of a file like `/etc/passwd`.
fn entries(file: &str) -> impl Iterator<Item = (&str, u32)> {
    file.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, fields.nth(1)?.parse().ok()?))
    })
}

/// The user that is made where there is none, with ids of its own to give.
fn chosen() -> anyhow::Result<Account> {
    if account(CHOSEN).is_err() {
        let made = run("useradd", &["--system", "--user-group", "--no-create-home"])
            .and_then(|()| account(CHOSEN));
        made.with_context(|| format!("Error during {CHOSEN:?} user creation"))?;
    }
    let account = account(CHOSEN)?;
    if rootless::subordinate(CHOSEN, account.uid).is_err() {
        for (file, option) in [("/etc/subuid", "-v"), ("/etc/subgid", "-w")] {
            let text = fs::read_to_string(file).unwrap_or_default();
            if entries_of(&text, CHOSEN) {
                continue;
            }
            let first = free(&text).with_context(|| format!("no ids are left in {file}"))?;
            run(
                "usermod",
                &[option, &format!("{first}-{}", first + COUNT - 1)],
            )?;
        }
    }
    Ok(account)
}

fn entries_of(text: &str, name: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.split(':').next() == Some(name))
}

/// The first id behind all ranges of a file like `/etc/subuid`.
fn free(text: &str) -> Option<u32> {
    let end = |line: &str| {
        let mut fields = line.split(':').skip(1).map(str::parse::<u32>);
        fields.next()?.ok()?.checked_add(fields.next()?.ok()?)
    };
    let last = text.lines().filter_map(end).max().unwrap_or(FIRST);
    let first = last.max(FIRST);
    first.checked_add(COUNT).map(|_| first)
}

/// Runs a program of the host's about the user that is made.
fn run(program: &str, words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(words)
        .arg(CHOSEN)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{program}: {said}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_nobody_has_are_found_behind_all_ranges() {
        assert_eq!(free(""), Some(100_000));
        assert_eq!(free("a:100000:65536\nb:500000:5\nbad\n"), Some(500_005));
        assert_eq!(free("a:1:5\n"), Some(100_000));
        assert_eq!(free("a:4294900000:65536\n"), None);
    }

    #[test]
    fn who_cannot_be_is_refused_in_dockerds_words() {
        for (remap, words) in [
            (
                "no-such-user",
                "Error during uid lookup for \"no-such-user\"",
            ),
            ("4123456789", "Uid 4123456789 has no entry in /etc/passwd"),
            (
                "root:no-such-group",
                "Error during groupname lookup for \"no-such-group\"",
            ),
            (
                "root:4123456789",
                "Gid 4123456789 has no entry in /etc/group",
            ),
            (
                "a:b:c",
                "Invalid user/group specification in --userns-remap: \"a:b:c\"",
            ),
        ] {
            let error = maps(remap).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
        assert_eq!(maps("").unwrap(), None);
        assert_eq!(maps("root").unwrap(), None);
    }
}
