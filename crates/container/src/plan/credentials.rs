//! Ids and capabilities of the program.

use crate::Error;
use crate::accounts::Wanted;
use oci::runtime::{Capabilities, User};
use rustix::fs::Mode;
use rustix::process::{Gid, Uid};
use types::CAPABILITIES;

/// The highest capability known; dropping one that the kernel does not know is EINVAL.
pub(crate) const LAST_CAPABILITY: u32 = 40;

/// Who the program is and what it may.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// Whom to look up inside, in place of the numbers.
    pub(crate) wanted: Option<Wanted>,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    pub(crate) groups: Vec<Gid>,
    pub(crate) umask: Option<Mode>,
    pub(crate) bounding: u64,
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
    pub(crate) ambient: u64,
    pub(crate) no_new_privileges: bool,
}

impl Credentials {
    pub(crate) fn plan(
        field: &str,
        user: &User,
        capabilities: Option<&Capabilities>,
        no_new_privileges: bool,
    ) -> Result<Self, Error> {
        let none = Capabilities::default();
        let sets = capabilities.unwrap_or(&none);
        let set = |name: &str, names: &[String]| set(field, name, names);
        let permitted = set("permitted", &sets.permitted)?;
        let inheritable = set("inheritable", &sets.inheritable)?;
        let id = |name: &str, id: u32| match id {
            // (uid_t)-1 means "do not change" to the kernel: it would stay root.
            u32::MAX => Err(Error::invalid(
                format!("{field}.user.{name}"),
                "4294967295 is no id",
            )),
            id => Ok(id),
        };
        let mut groups = Vec::with_capacity(user.additional_gids.len());
        for gid in &user.additional_gids {
            groups.push(Gid::from_raw(id("additionalGids", *gid)?));
        }
        Ok(Self {
            wanted: Wanted::plan(&format!("{field}.user.username"), &user.username)?,
            uid: Uid::from_raw(id("uid", user.uid)?),
            gid: Gid::from_raw(id("gid", user.gid)?),
            groups,
            umask: user.umask.map(|mask| Mode::from_raw_mode(mask & 0o777)),
            bounding: set("bounding", &sets.bounding)?,
            effective: set("effective", &sets.effective)?,
            permitted,
            inheritable,
            // The kernel refuses others; as runc, they are left out.
            ambient: set("ambient", &sets.ambient)? & permitted & inheritable,
            no_new_privileges,
        })
    }
}

fn set(field: &str, which: &str, names: &[String]) -> Result<u64, Error> {
    names.iter().try_fold(0, |bits, name| {
        let number = CAPABILITIES.iter().position(|known| known == name);
        match number {
            Some(number) => Ok(bits | 1 << number),
            None => Err(Error::invalid(
                format!("{field}.capabilities.{which}"),
                format!("{name:?} is no capability"),
            )),
        }
    })
}
