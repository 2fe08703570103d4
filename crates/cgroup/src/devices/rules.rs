//! A list of rules reduced to a default and its exceptions, as the kernel's own list works.

use super::Allowed;
use crate::Error;
use oci::runtime::{DeviceRule, DeviceRuleKind};

pub(super) const MKNOD: u32 = 1;
pub(super) const READ: u32 = 2;
pub(super) const WRITE: u32 = 4;
pub(super) const ALL: u32 = MKNOD | READ | WRITE;

/// Devices and the accesses that differ from the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    pub(super) kind: DeviceRuleKind,
    /// All majors if missing.
    pub(super) major: Option<u32>,
    /// All minors if missing.
    pub(super) minor: Option<u32>,
    pub(super) access: u32,
}

impl Exception {
    /// As a list of what is allowed has it.
    pub(super) fn allowed(&self) -> Allowed {
        let letters = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
        let letters = letters.iter().filter(|(bit, _)| self.access & bit != 0);
        Allowed {
            word: match self.kind {
                DeviceRuleKind::Block => "block",
                // A rule for all types is the list's default, and no exception.
                DeviceRuleKind::Character | DeviceRuleKind::All => "char",
            },
            major: self.major,
            minor: self.minor,
            letters: letters.map(|(_, letter)| letter).collect(),
        }
    }
}

/// What is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) allow: bool,
    pub(super) exceptions: Vec<Exception>,
}

/// What every container may: make any node, and use the usual devices and terminals.
const ALWAYS: [(Option<u32>, Option<u32>, u32); 10] = [
    (None, None, MKNOD),
    (Some(1), Some(3), ALL),
    (Some(1), Some(5), ALL),
    (Some(1), Some(7), ALL),
    (Some(1), Some(8), ALL),
    (Some(1), Some(9), ALL),
    (Some(5), Some(0), ALL),
    (Some(5), Some(1), ALL),
    (Some(5), Some(2), ALL),
    (Some(136), None, ALL),
];

impl Rules {
    /// The document's rules, then those of every container. Without any rule nothing else is
    /// allowed.
    pub(super) fn of(rules: &[DeviceRule]) -> Result<Self, Error> {
        let mut reduced = Self::default();
        for rule in rules {
            reduced.add(rule.allow, exception(rule)?);
        }
        let mut always = |kind, (major, minor, access)| {
            let exception = Exception {
                kind,
                major,
                minor,
                access,
            };
            reduced.add(true, exception);
        };
        always(DeviceRuleKind::Block, ALWAYS[0]);
        for device in ALWAYS {
            always(DeviceRuleKind::Character, device);
        }
        Ok(reduced)
    }

    fn add(&mut self, allow: bool, rule: Exception) {
        if rule.kind == DeviceRuleKind::All {
            self.allow = allow;
            self.exceptions.clear();
            return;
        }
        let same = |known: &&mut Exception| {
            (known.kind, known.major, known.minor) == (rule.kind, rule.major, rule.minor)
        };
        let known = self.exceptions.iter_mut().find(same);
        match (allow == self.allow, known) {
            (true, Some(known)) => {
                known.access &= !rule.access;
                self.exceptions.retain(|one| one.access != 0);
            }
            (true, None) => {}
            (false, Some(known)) => known.access |= rule.access,
            (false, None) => self.exceptions.push(rule),
        }
    }
}

fn exception(rule: &DeviceRule) -> Result<Exception, Error> {
    let invalid = |reason: String| Error::Invalid {
        field: "linux.resources.devices",
        reason,
    };
    // A negative number is Go's callers' word for all.
    let number = |number: Option<i64>| match number {
        None | Some(..0) => Ok(None),
        Some(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| invalid(format!("device number {number} is too large"))),
    };
    let mut access = 0;
    for letter in rule.access.chars() {
        access |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MKNOD,
            // COMPAT: as runc, for which it adds nothing.
            'a' => 0,
            other => return Err(invalid(format!("access {other:?} is none of r, w and m"))),
        };
    }
    let kind = rule.kind.unwrap_or(DeviceRuleKind::All);
    let exception = Exception {
        kind,
        major: number(rule.major)?,
        minor: number(rule.minor)?,
        access: if rule.access.is_empty() { ALL } else { access },
    };
    if kind == DeviceRuleKind::All && (exception.major.is_some() || exception.minor.is_some()) {
        return Err(invalid(
            "a rule for all types cannot name device numbers".to_owned(),
        ));
    }
    Ok(exception)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(
        allow: bool,
        kind: DeviceRuleKind,
        number: Option<(i64, i64)>,
        access: &str,
    ) -> DeviceRule {
        DeviceRule {
            allow,
            kind: Some(kind),
            major: number.map(|(major, _)| major),
            minor: number.map(|(_, minor)| minor),
            access: access.to_owned(),
        }
    }

    #[test]
    fn the_last_rule_counts_and_all_clears_the_list() {
        use DeviceRuleKind::{All, Character};
        let rules = Rules::of(&[
            rule(true, Character, Some((10, 200)), "rw"),
            rule(false, All, None, "rwm"),
            rule(true, Character, Some((10, 229)), "rwm"),
            rule(false, Character, Some((10, 229)), "m"),
        ])
        .unwrap();
        assert!(!rules.allow);
        assert_eq!(
            rules.exceptions[0],
            Exception {
                kind: Character,
                major: Some(10),
                minor: Some(229),
                access: READ | WRITE
            }
        );
        assert_eq!(rules.exceptions.len(), 12);
        let privileged = Rules::of(&[rule(true, All, None, "rwm")]).unwrap();
        assert_eq!(
            privileged,
            Rules {
                allow: true,
                exceptions: Vec::new()
            }
        );
    }

    #[test]
    fn letters_other_than_rwm_are_refused_and_an_a_adds_nothing() {
        let all = rule(true, DeviceRuleKind::Character, Some((10, 1)), "ra");
        assert_eq!(Rules::of(&[all]).unwrap().exceptions[0].access, READ);
        let bad = rule(true, DeviceRuleKind::Character, None, "rx");
        assert!(Rules::of(&[bad]).unwrap_err().to_string().contains("'x'"));
    }
}
