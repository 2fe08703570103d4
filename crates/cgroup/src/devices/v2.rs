//! Version 2: a BPF program that the kernel asks at each access.

use super::rules::{ALL, Exception, Rules};
use crate::Error;
use crate::group::Group;
use oci::runtime::DeviceRuleKind;
use rustix::io::Errno;
use sys::bpf::{self, Instruction};

/// Offsets in `struct bpf_cgroup_dev_ctx`.
const CTX_ACCESS_TYPE: i16 = 0;
const CTX_MAJOR: i16 = 4;
const CTX_MINOR: i16 = 8;

// Registers: the context, then the access's parts and a scratch one.
const R0: u8 = 0;
const CTX: u8 = 1;
const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

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
        Instruction::copy(ACCESS, TYPE),
        Instruction::and(TYPE, 0xffff),
        Instruction::shift_right(ACCESS, 16),
        Instruction::load(MAJOR, CTX, CTX_MAJOR),
        Instruction::load(MINOR, CTX, CTX_MINOR),
    ];
    let mut verdicts = Vec::new();
    for exception in &rules.exceptions {
        let block = block(exception, rules.allow);
        code.extend(block);
        verdicts.push(code.len() - 1);
    }
    code.push(Instruction::set(R0, i32::from(rules.allow)));
    code.push(Instruction::exit());
    let verdict = code.len();
    code.push(Instruction::set(R0, i32::from(!rules.allow)));
    code.push(Instruction::exit());
    for at in verdicts {
        code[at] = Instruction::jump(distance(at, verdict));
    }
    code
}

/// Conditions, each of which skips the rest, and a jump whose aim is filled in later.
fn block(exception: &Exception, allow: bool) -> Vec<Instruction> {
    let mut conditions: Vec<Vec<Instruction>> = Vec::new();
    match exception.kind {
        DeviceRuleKind::Block => conditions.push(vec![Instruction::unless_equal(TYPE, 1)]),
        DeviceRuleKind::Character => conditions.push(vec![Instruction::unless_equal(TYPE, 2)]),
        DeviceRuleKind::All => {}
    }
    // Allowing takes every access asked for, denying any of them.
    let access = exception.access.cast_signed();
    if exception.access != ALL {
        let (mask, skip) = match allow {
            false => (!access, Instruction::unless_equal(SCRATCH, 0)),
            true => (access, Instruction::if_equal(SCRATCH, 0)),
        };
        conditions.push(vec![
            Instruction::copy(SCRATCH, ACCESS),
            Instruction::and(SCRATCH, mask),
            skip,
        ]);
    }
    for (register, number) in [(MAJOR, exception.major), (MINOR, exception.minor)] {
        if let Some(number) = number {
            conditions.push(vec![Instruction::unless_equal(
                register,
                number.cast_signed(),
            )]);
        }
    }
    let mut block: Vec<Instruction> = conditions.concat();
    block.push(Instruction::jump(0));
    let end = block.len();
    for (at, instruction) in block.iter_mut().enumerate() {
        instruction.aim(distance(at, end));
    }
    block
}

/// A jump's offset counts from the instruction after it.
fn distance(from: usize, to: usize) -> i16 {
    i16::try_from(to - from - 1).unwrap_or(i16::MAX)
}
