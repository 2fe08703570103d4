//! Users and groups by the container's own `/etc/passwd` and `/etc/group`.
//!
//! The files are foreign bytes, read by the child after it has entered its root: nothing here
//! allocates, and every size has a bound. A text of digits is a number and never a name; a line
//! whose numbers are none does not count.

use crate::Error;

/// The greatest id that Docker's clients may name.
const GREATEST: u32 = 0x7fff_ffff;
/// How many further groups may be named.
pub(crate) const FURTHER: usize = 64;
/// How many supplementary groups a user may be looked up to have.
pub(crate) const GROUPS: usize = 512;
/// The longest home directory that is taken over.
pub(crate) const HOME: usize = 1024;

/// A user or a group that somebody named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Number(u32),
    Name(Vec<u8>),
}

impl Key {
    fn parse(field: &str, text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if text.is_empty() || text.contains(['\0', '\n', ',', '/']) {
            return Err(Error::invalid(field, format!("{text:?} is no name")));
        }
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self::Name(text.as_bytes().to_vec()));
        }
        match text.parse::<u32>() {
            Ok(number) if number <= GREATEST => Ok(Self::Number(number)),
            _ => Err(Error::invalid(
                field,
                format!("{text}: uids and gids must be in range 0-2147483647"),
            )),
        }
    }

    fn is(&self, name: &[u8], number: u32) -> bool {
        match self {
            Self::Number(wanted) => *wanted == number,
            Self::Name(wanted) => wanted == name,
        }
    }

    /// The name, for an error.
    pub(crate) fn name(&self) -> &[u8] {
        match self {
            Self::Number(_) => b"",
            Self::Name(name) => name,
        }
    }
}

/// Whom a program is to be: `user[:group[:further group]...]`, numbers or names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) user: Key,
    /// The group; without one it is the user's, with all those that list the user.
    pub(crate) group: Option<Key>,
    /// Groups beyond these.
    pub(crate) further: Vec<Key>,
}

impl Wanted {
    /// Reads `process.user.username`; empty is nobody to look up.
    pub(crate) fn plan(field: &str, text: &str) -> Result<Option<Self>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        let mut parts = text.split(':');
        let user = Key::parse(field, parts.next().unwrap_or_default())?;
        let group = parts.next().filter(|group| !group.is_empty());
        let group = group.map(|group| Key::parse(field, group)).transpose()?;
        let further = parts.map(|group| Key::parse(field, group));
        let further: Vec<Key> = further.collect::<Result<_, _>>()?;
        if further.len() > FURTHER {
            return Err(Error::invalid(
                field,
                format!("names more than {FURTHER} groups"),
            ));
        }
        Ok(Some(Self {
            user,
            group,
            further,
        }))
    }
}

/// Why a file's content cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A line is longer than what is read at once.
    LongLine,
    /// The user is in more groups than are looked up.
    ManyGroups,
}

/// What was found of a user.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    name: [u8; 256],
    name_length: usize,
    home: [u8; HOME],
    home_length: usize,
    /// Its entry was there.
    pub(crate) known: bool,
}

impl Account {
    pub(crate) const fn new(uid: u32, gid: u32) -> Self {
        Self {
            uid,
            gid,
            name: [0; 256],
            name_length: 0,
            home: [0; HOME],
            home_length: 0,
            known: false,
        }
    }

    fn name(&self) -> &[u8] {
        self.name.get(..self.name_length).unwrap_or_default()
    }

    /// The home directory; empty if there is none that can be taken over.
    pub(crate) fn home(&self) -> &[u8] {
        self.home.get(..self.home_length).unwrap_or_default()
    }

    /// Takes over a line of `/etc/passwd`, if it is the first for `wanted`.
    pub(crate) fn passwd_line(&mut self, line: &[u8], wanted: &Key) {
        if self.known {
            return;
        }
        let mut fields = line.split(|b| *b == b':');
        let (Some(name), Some(_), Some(uid), Some(gid)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return;
        };
        let (Some(uid), Some(gid)) = (number(uid), number(gid)) else {
            return;
        };
        if name.is_empty() || !wanted.is(name, uid) {
            return;
        }
        (self.uid, self.gid, self.known) = (uid, gid, true);
        self.name_length = keep(&mut self.name, name);
        let home = fields.nth(1).unwrap_or_default();
        if home.starts_with(b"/") && !home.contains(&0) {
            self.home_length = keep(&mut self.home, home);
        }
    }
}

/// The groups of a program, collected from `/etc/group`.
#[derive(Debug)]
pub(crate) struct Groups {
    list: [u32; GROUPS],
    count: usize,
}

impl Groups {
    pub(crate) const fn new() -> Self {
        Self {
            list: [0; GROUPS],
            count: 0,
        }
    }

    pub(crate) fn list(&self) -> &[u32] {
        self.list.get(..self.count).unwrap_or_default()
    }

    /// Adds a group once.
    pub(crate) fn add(&mut self, gid: u32) -> Result<(), Refusal> {
        match self.list().contains(&gid) {
            true => Ok(()),
            false => self.push(gid),
        }
    }

    /// Adds a group, there already or not.
    pub(crate) fn push(&mut self, gid: u32) -> Result<(), Refusal> {
        let place = self.list.get_mut(self.count).ok_or(Refusal::ManyGroups)?;
        *place = gid;
        self.count += 1;
        Ok(())
    }

    /// Adds the group of a line of `/etc/group` if it lists the account.
    pub(crate) fn member_line(&mut self, line: &[u8], account: &Account) -> Result<(), Refusal> {
        let Some((_, gid, mut members)) = group(line) else {
            return Ok(());
        };
        match account.known && members.any(|member| member == account.name()) {
            true => self.add(gid),
            false => Ok(()),
        }
    }
}

/// The number of a line of `/etc/group`, if the line is of `wanted`.
pub(crate) fn group_line(line: &[u8], wanted: &Key) -> Option<u32> {
    let (name, gid, _) = group(line)?;
    wanted.is(name, gid).then_some(gid)
}

fn group(line: &[u8]) -> Option<(&[u8], u32, impl Iterator<Item = &[u8]>)> {
    let mut fields = line.split(|b| *b == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let gid = number(fields.nth(1)?)?;
    let members = fields.next().unwrap_or_default();
    Some((name, gid, members.split(|b| *b == b',')))
}

/// Digits alone, within the kernel's range without -1.
fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 10 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = text.iter().map(|b| u64::from(*b - b'0'));
    let value = digits.fold(0, |value, digit| value * 10 + digit);
    u32::try_from(value)
        .ok()
        .filter(|number| *number != u32::MAX)
}

/// Copies what fits whole; what does not is not there.
fn keep(place: &mut [u8], bytes: &[u8]) -> usize {
    match place.get_mut(..bytes.len()) {
        Some(place) => {
            place.copy_from_slice(bytes);
            bytes.len()
        }
        None => 0,
    }
}

/// Lines out of pieces of a file, in a buffer that is given.
#[derive(Debug)]
pub(crate) struct Lines<'b> {
    buffer: &'b mut [u8],
    filled: usize,
}

impl<'b> Lines<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, filled: 0 }
    }

    /// Where the next piece is read to.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// Gives the whole lines after `read` bytes came; with none, what is left is the last line.
    pub(crate) fn feed(
        &mut self,
        read: usize,
        mut line: impl FnMut(&[u8]) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.filled += read;
        let filled = self.buffer.get(..self.filled).unwrap_or_default();
        if read == 0 {
            return line(filled);
        }
        let mut start = 0;
        while let Some(length) = filled
            .get(start..)
            .and_then(|rest| rest.iter().position(|b| *b == b'\n'))
        {
            line(filled.get(start..start + length).unwrap_or_default())?;
            start += length + 1;
        }
        if start == 0 && self.filled == self.buffer.len() {
            return Err(Refusal::LongLine);
        }
        self.buffer.copy_within(start..self.filled, 0);
        self.filled -= start;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Wanted {
        Wanted::plan("username", text).unwrap().unwrap()
    }

    fn lines(file: &str, piece: usize, each: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
        let mut buffer = [0; 64];
        let mut lines = Lines::new(&mut buffer);
        let mut rest = file.as_bytes();
        loop {
            let room = lines.room();
            let length = rest.len().min(piece).min(room.len());
            room[..length].copy_from_slice(&rest[..length]);
            rest = &rest[length..];
            lines.feed(length, |line| {
                each(line);
                Ok(())
            })?;
            if length == 0 {
                return Ok(());
            }
        }
    }

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
        bad:x:abc:0::/:\n\
        worse:x::0::/:\n\
        huge:x:4294967296:0::/:\n\
        app:x:1000:50:App:/home/app:/bin/sh\n\
        app:x:7:7::/:\n\
        1001:x:0:0::/:\n\
        last:x:9:9::/last:";

    fn account(user: &str) -> Account {
        let key = wanted(user).user;
        let mut account = Account::new(u32::MAX, u32::MAX);
        lines(PASSWD, 5, &mut |line| account.passwd_line(line, &key)).unwrap();
        account
    }

    #[test]
    fn a_user_is_found_by_name_or_number_and_the_first_entry_counts() {
        for (user, uid, gid, home) in [
            ("root", 0, 0, "/root"),
            ("0", 0, 0, "/root"),
            ("app", 1000, 50, "/home/app"),
            ("1000", 1000, 50, "/home/app"),
            ("last", 9, 9, "/last"),
        ] {
            let found = account(user);
            assert!(found.known, "{user}");
            assert_eq!(
                (found.uid, found.gid, found.home()),
                (uid, gid, home.as_bytes()),
                "{user}"
            );
        }
    }

    #[test]
    fn a_line_without_numbers_is_no_entry_and_no_root() {
        for user in ["bad", "worse", "huge", "nobody", "1001", "APP", "ro"] {
            assert!(!account(user).known, "{user}");
        }
    }

    #[test]
    fn groups_that_list_the_user_are_collected_once() {
        let app = account("app");
        let mut groups = Groups::new();
        let file = "root:x:0:root\nwheel:x:10:root,app\nx:x:10:app\nno:x:11:apple,ap\n\
            bad:x:z:app\nvideo:x:12:app,";
        lines(file, 7, &mut |line| groups.member_line(line, &app).unwrap()).unwrap();
        assert_eq!(groups.list(), [10, 12]);
    }

    #[test]
    fn more_groups_than_can_be_held_are_an_error() {
        let mut groups = Groups::new();
        for gid in 0..u32::try_from(GROUPS).unwrap() {
            groups.add(gid).unwrap();
        }
        assert_eq!(groups.add(7), Ok(()));
        assert_eq!(groups.add(70_000), Err(Refusal::ManyGroups));
    }

    #[test]
    fn a_group_is_found_by_name_or_number() {
        let key = |text: &str| Key::parse("username", text).unwrap();
        assert_eq!(group_line(b"video:x:12:app", &key("video")), Some(12));
        assert_eq!(group_line(b"video:x:12:app", &key("12")), Some(12));
        assert_eq!(group_line(b"12:x:13:", &key("12")), None);
        assert_eq!(group_line(b"video:x:4294967295:", &key("video")), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_an_error() {
        let long = "x".repeat(65);
        assert_eq!(lines(&long, 9, &mut |_| ()), Err(Refusal::LongLine));
    }

    #[test]
    fn names_are_read_once_and_numbers_are_numbers() {
        let whole = wanted("app:video:7:audio");
        assert_eq!(whole.group, Some(Key::Name(b"video".to_vec())));
        assert_eq!(
            whole.further,
            [Key::Number(7), Key::Name(b"audio".to_vec())]
        );
        assert_eq!(wanted("5::7").group, None);
        for text in [
            "4294967296",
            "-1",
            "2147483648",
            "a\nb",
            ":x",
            "a:b:",
            "a/b",
        ] {
            assert!(Wanted::plan("username", text).is_err(), "{text:?}");
        }
        assert_eq!(Wanted::plan("username", "").unwrap(), None);
    }
}
