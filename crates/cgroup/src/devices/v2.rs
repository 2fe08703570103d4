//! Version 2: a BPF program that the kernel asks at each access.

use super::rules::{Exception, Rules};
use crate::Error;
use crate::group::Group;
use oci::runtime::DeviceRuleKind;
use rustix::io::Errno;
use sys::bpf::{self, Instruction};

/// Offsets in `struct bpf_cgroup_dev_ctx`.
const CTX_ACCESS_TYPE: i16 = 0;
const CTX_MAJOR: i16 = 4;
const CTX_MINOR: i16 = 8;

// Registers: the context, the access's parts and two scratch ones.
const R0: u8 = 0;
const CTX: u8 = 1;
/// The kind of device in the low half, the access in the high one.
const TYPE: u8 = 2;
const MAJOR: u8 = 3;
const MINOR: u8 = 4;
const DIFFERENCE: u8 = 5;
const PART: u8 = 6;

/// The low half of the access's type.
const KIND: u32 = 0xffff;

pub(super) fn apply(group: &Group, rules: &Rules) -> Result<(), Error> {
    // All is allowed; nor does the kernel take a program whose end is never reached.
    if rules.allow && rules.exceptions.is_empty() {
        return Ok(());
    }
    let program = program(rules);
    let failed = |action| move |errno| Error::io(action, &group.path)(std::io::Error::from(errno));
    let program = match bpf::load_cgroup_device(&program) {
        // COMPAT: as with runc. Who has no rights on the host opens no device that its user could
        // not open anyway.
        Err(Errno::PERM) if !is_hosts_root() => return Ok(()),
        loaded => loaded.map_err(failed("load the device filter of"))?,
    };
    bpf::attach_cgroup_device(&program, group.directory())
        .map_err(failed("attach the device filter to"))
}

/// Whether we are root, and not of a user namespace's making.
fn is_hosts_root() -> bool {
    let everybody = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
    rustix::process::geteuid().is_root()
        && std::fs::read_to_string("/proc/self/uid_map").is_ok_and(everybody)
}

/// The exceptions one after the other; each that matches jumps to the verdict at the end.
fn program(rules: &Rules) -> Vec<Instruction> {
    let mut code = vec![
        Instruction::load(TYPE, CTX, CTX_ACCESS_TYPE),
        Instruction::load(MAJOR, CTX, CTX_MAJOR),
        Instruction::load(MINOR, CTX, CTX_MINOR),
    ];
    let mut verdicts = Vec::new();
    for exception in &rules.exceptions {
        code.extend(block(exception, rules.allow));
        verdicts.push(code.len() - 1);
    }
    code.push(Instruction::set(R0, i32::from(rules.allow)));
    code.push(Instruction::exit());
    let verdict = code.len();
    code.push(Instruction::set(R0, i32::from(!rules.allow)));
    code.push(Instruction::exit());
    for at in verdicts {
        code[at].aim(distance(at, verdict));
    }
    code
}

/// What differs between an access and the exception, as bits, and a jump whose aim is filled in
/// later. The kernel follows each branch of a program before it takes it, with all that is then
/// known of each register: one jump for an exception, on a register that nobody reads
/// afterwards, is a fraction of the work that one for each of its parts is.
fn block(exception: &Exception, allow: bool) -> Vec<Instruction> {
    let access = exception.access << 16;
    let mut code = Vec::new();
    // Allowing takes every access asked for, denying any of them.
    let asked = match allow {
        true => 0,
        false => !access & !KIND,
    };
    if allow {
        code.push(Instruction::copy(PART, TYPE));
        code.push(Instruction::and(PART, access.cast_signed()));
        code.push(Instruction::if_equal(PART, 0));
    }
    let kind = match exception.kind {
        DeviceRuleKind::Block => Some(1),
        DeviceRuleKind::Character => Some(2),
        DeviceRuleKind::All => None,
    };
    code.push(Instruction::copy(DIFFERENCE, TYPE));
    if let Some(kind) = kind {
        code.push(Instruction::xor(DIFFERENCE, kind));
    }
    let seen = asked | kind.map_or(0, |_| KIND);
    code.push(Instruction::and(DIFFERENCE, seen.cast_signed()));
    for (register, number) in [(MAJOR, exception.major), (MINOR, exception.minor)] {
        if let Some(number) = number {
            code.push(Instruction::copy(PART, register));
            code.push(Instruction::xor(PART, number.cast_signed()));
            code.push(Instruction::or(DIFFERENCE, PART));
        }
    }
    code.push(Instruction::if_equal(DIFFERENCE, 0));
    if allow {
        let (skip, end) = (2, code.len());
        code[skip].aim(distance(skip, end));
    }
    code
}

/// A jump's offset counts from the instruction after it.
fn distance(from: usize, to: usize) -> i16 {
    i16::try_from(to - from - 1).unwrap_or(i16::MAX)
}
