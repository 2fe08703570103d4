//! Looks up whom the program is to be, and its home, in the container's own files.

use super::Setup;
use crate::accounts::{Account, FURTHER, GROUPS, Groups, Key, Lines, Refusal, group_line};
use crate::fault::{Class, During, Fault};
use crate::guard::Guard;
use crate::target::{Links, open};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, read};
use rustix::process::{Gid, Uid};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use sys::memory::Pages;

/// The most that is read of a file.
const LARGEST: u64 = 10 << 20;
/// The longest line.
const LINE: usize = 64 << 10;
/// A file that is smaller than this is read without mapping memory for it, which takes longer than
/// the rest.
const SMALL: usize = 4 << 10;

/// Who the program is.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    groups: [Gid; GROUPS],
    count: usize,
    looked_up: bool,
    /// `HOME=` and its value, null-terminated; empty if the environment has it.
    home: [u8; crate::accounts::HOME + 8],
}

impl Identity {
    pub(super) fn new() -> Self {
        Self {
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            groups: [Gid::ROOT; GROUPS],
            count: 0,
            looked_up: false,
            home: [0; crate::accounts::HOME + 8],
        }
    }

    /// The supplementary groups, if they were looked up.
    pub(super) fn groups(&self) -> Option<&[Gid]> {
        self.looked_up
            .then(|| self.groups.get(..self.count).unwrap_or_default())
    }

    /// The variable `HOME`, if the environment lacks it.
    pub(super) fn home(&self) -> Option<&CStr> {
        CStr::from_bytes_until_nul(&self.home)
            .ok()
            .filter(|home| !home.is_empty())
    }

    fn set_home(&mut self, home: &[u8]) {
        let home = match home {
            b"" => b"/",
            home => home,
        };
        let bytes = b"HOME=".iter().chain(home).chain(&[0]);
        for (place, byte) in self.home.iter_mut().zip(bytes) {
            *place = *byte;
        }
    }
}

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let process = &setup.plan.process;
    let credentials = &process.credentials;
    (setup.identity.uid, setup.identity.gid) = (credentials.uid, credentials.gid);
    if credentials.wanted.is_none() && process.has_home {
        return Ok(());
    }
    let mut account = Account::new(credentials.uid.as_raw(), credentials.gid.as_raw());
    let by_number = Key::Number(account.uid);
    let key = credentials
        .wanted
        .as_ref()
        .map_or(&by_number, |wanted| &wanted.user);
    each_line(c"etc/passwd", |line| {
        account.passwd_line(line, key);
        Ok(())
    })?;
    if !process.has_home {
        setup.identity.set_home(account.home());
    }
    let Some(wanted) = &credentials.wanted else {
        return Ok(());
    };
    if !account.known && !wanted.user.name().is_empty() {
        return Err(absent("/etc/passwd", &wanted.user));
    }
    if let (false, Some(uid)) = (account.known, numeric(&wanted.user)) {
        (account.uid, account.gid) = (uid, 0);
    }
    groups(setup, &mut account)
}

/// COMPAT: as Docker, the first of the supplementary groups is the group itself, so that a
/// program which gives it up cannot get round a mode that denies it (CVE-2022-36109).
fn groups<'a>(setup: &mut Setup<'a>, account: &mut Account) -> Result<(), Fault<'a>> {
    let Some(wanted) = &setup.plan.process.credentials.wanted else {
        return Ok(());
    };
    let mut members = Groups::new();
    let mut group = wanted.group.as_ref().and_then(numeric);
    let mut found = Groups::new();
    let mut seen = [false; FURTHER];
    each_line(c"etc/group", |line| {
        if let Some(key) = wanted.group.as_ref().filter(|_| group.is_none()) {
            group = group_line(line, key);
        }
        if wanted.group.is_none() {
            members.member_line(line, account)?;
        }
        for (key, seen) in wanted.further.iter().zip(&mut seen) {
            if let Some(gid) = group_line(line, key).filter(|_| !*seen) {
                *seen = true;
                found.add(gid)?;
            }
        }
        Ok(())
    })?;
    match (&wanted.group, group) {
        (Some(_), Some(gid)) => account.gid = gid,
        (Some(key), None) => return Err(absent("/etc/group", key)),
        (None, _) => {}
    }
    let mut unseen = wanted.further.iter().zip(&seen).filter(|(_, seen)| !**seen);
    if let Some((key, _)) = unseen.find(|(key, _)| numeric(key).is_none()) {
        return Err(absent("/etc/group", key));
    }
    let numbers = wanted.further.iter().filter_map(numeric);
    for gid in numbers {
        found
            .add(gid)
            .map_err(|refusal| told(refusal, c"etc/group"))?;
    }
    // COMPAT: a group that comes from two of these is there twice.
    let own = Guard::OwnGroup.holds().then_some(account.gid);
    let all = own.into_iter().chain(members.list().iter().copied());
    let mut whole = Groups::new();
    for gid in all.chain(found.list().iter().copied()) {
        whole
            .push(gid)
            .map_err(|refusal| told(refusal, c"etc/group"))?;
    }
    let identity = &mut setup.identity;
    (identity.uid, identity.gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    for (place, gid) in identity.groups.iter_mut().zip(whole.list()) {
        *place = Gid::from_raw(*gid);
    }
    (identity.count, identity.looked_up) = (whole.list().len(), true);
    Ok(())
}

fn absent<'a>(file: &'static str, key: &'a Key) -> Fault<'a> {
    Fault::new(file, key.name(), Errno::NOENT).with(Class::NoAccount)
}

fn numeric(key: &Key) -> Option<u32> {
    match key {
        Key::Number(number) => Some(*number),
        Key::Name(_) => None,
    }
}

fn told<'a>(refusal: Refusal, path: &'static CStr) -> Fault<'a> {
    match refusal {
        Refusal::LongLine => Fault::new("read a line of", path.to_bytes(), Errno::MSGSIZE),
        Refusal::ManyGroups => {
            Fault::new("hold the user's groups of", path.to_bytes(), Errno::TOOBIG)
        }
    }
}

/// Reads a file inside the root; one that is not there has no lines.
fn each_line<'a>(
    path: &'static CStr,
    mut line: impl FnMut(&[u8]) -> Result<(), Refusal>,
) -> Result<(), Fault<'a>> {
    let Some((file, size)) = opened(path).on("open inside the root", path)? else {
        return Ok(());
    };
    let mut small = [0; SMALL];
    // Not on the stack, where every page of it would be touched.
    let mut large = None;
    // A file of the kernel's says that it is empty.
    let buffer = match usize::try_from(size).is_ok_and(|size| (1..SMALL).contains(&size)) {
        true => &mut small[..],
        false => {
            let pages = Pages::new(LINE).on("find room for lines of", path)?;
            large.insert(pages).bytes()
        }
    };
    let mut lines = Lines::new(buffer);
    loop {
        let length = match read(&file, lines.room()) {
            Err(Errno::INTR) => continue,
            length => length.on("read inside the root", path)?,
        };
        lines
            .feed(length, &mut line)
            .map_err(|refusal| told(refusal, path))?;
        if length == 0 {
            return Ok(());
        }
    }
}

/// A regular file of a bearable size, and that. Nothing that could block is waited for.
fn opened(path: &CStr) -> Result<Option<(OwnedFd, u64)>, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, c"/", flags, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match open(root.as_fd(), path, flags, Links::Follow) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        file => file?,
    };
    let status = fstat(&file)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    match u64::try_from(status.st_size) {
        Ok(size) if size <= LARGEST || !Guard::Accounts.holds() => Ok(Some((file, size))),
        _ => Err(Errno::FBIG),
    }
}
