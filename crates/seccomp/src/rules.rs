//! A filter's rules, resolved to numbers.

use crate::Error;
use oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, Syscall};

// linux/seccomp.h
const RET_KILL_PROCESS: u32 = 0x8000_0000;
pub(crate) const RET_KILL_THREAD: u32 = 0;
const RET_TRAP: u32 = 0x0003_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_NOTIFY: u32 = 0x7fc0_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_LOG: u32 = 0x7ffc_0000;
const RET_ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 1;
/// The answer to calls that are newer than the filter.
pub(crate) const RET_ENOSYS: u32 = RET_ERRNO | 38;

/// The value that a filter ends with.
pub(crate) fn value(action: SeccompAction, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(EPERM) & 0xffff;
    match action {
        SeccompAction::Kill | SeccompAction::KillThread => RET_KILL_THREAD,
        SeccompAction::KillProcess => RET_KILL_PROCESS,
        SeccompAction::Trap => RET_TRAP,
        SeccompAction::Errno => RET_ERRNO | data,
        SeccompAction::Trace => RET_TRACE | data,
        SeccompAction::Allow => RET_ALLOW,
        SeccompAction::Log => RET_LOG,
        SeccompAction::Notify => RET_NOTIFY,
    }
}

/// Whether calls that the filter's author did not know of go ahead, or to one who knows.
pub(crate) const fn is_permissive(action: SeccompAction) -> bool {
    matches!(
        action,
        SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace
    )
}

/// What a call must look like for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// All of them must hold; ordered by argument.
    pub(crate) conditions: Vec<SeccompArg>,
    pub(crate) value: u32,
}

/// The rule's cases; none if it only repeats the default.
///
/// COMPAT: runc takes several conditions on one argument as alternatives.
pub(crate) fn cases(rule: &Syscall, default: u32) -> Result<Vec<Case>, Error> {
    let value = value(rule.action, rule.errno_ret);
    if value == default {
        return Ok(Vec::new());
    }
    let mut seen = [false; 6];
    let mut repeated = false;
    for condition in &rule.args {
        let Some(seen) = seen.get_mut(condition.index as usize) else {
            return Err(Error::Argument {
                name: rule.names.first().cloned().unwrap_or_default(),
                index: condition.index,
            });
        };
        repeated |= *seen;
        *seen = true;
    }
    if repeated {
        let case = |condition: &SeccompArg| Case {
            conditions: vec![*condition],
            value,
        };
        return Ok(rule.args.iter().map(case).collect());
    }
    let mut conditions = rule.args.clone();
    conditions.sort_by_key(|condition| condition.index);
    Ok(vec![Case { conditions, value }])
}

/// Refuses what would wait for a supervisor that cannot be reached yet.
pub(crate) fn check_notify(filter: &Seccomp) -> Result<(), Error> {
    if filter.default_action == SeccompAction::Notify {
        return Err(Error::Notify("as default action"));
    }
    let writes = |rule: &Syscall| {
        rule.action == SeccompAction::Notify && rule.names.iter().any(|name| name == "write")
    };
    if filter.syscalls.iter().any(writes) {
        return Err(Error::Notify("for the write syscall"));
    }
    Ok(())
}

/// The order in which overlapping conditions are tried.
///
/// COMPAT: libseccomp's: higher arguments first, equalities before the rest, upper
/// bounds before lower ones, and the tighter bound first.
pub(crate) fn precedence(condition: &SeccompArg) -> impl Ord + use<> {
    let kind = match condition.op {
        SeccompOperator::MaskedEqual | SeccompOperator::Equal | SeccompOperator::NotEqual => 3,
        SeccompOperator::LessEqual | SeccompOperator::LessThan => 2,
        SeccompOperator::GreaterEqual | SeccompOperator::GreaterThan => 1,
    };
    let datum = match condition.op {
        SeccompOperator::LessEqual | SeccompOperator::LessThan => u64::MAX - condition.value,
        SeccompOperator::MaskedEqual => condition.value_two,
        _ => condition.value,
    };
    (condition.index, kind, datum)
}
