//! Random filters and calls: our program and libseccomp's, with runc's stub, must agree.

use crate::bpf::{Call, ENOSYS, I386, X86_64, of, run};
use crate::libseccomp::{Libseccomp, program};
use crate::model::Model;
use oci::runtime::{Arch, Seccomp, SeccompAction, SeccompArg, SeccompOperator, Syscall};
use seccomp::{Host, compile, docker_default};
use serde_json::{Value, json};
use std::collections::HashMap;

/// A small generator of numbers, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % limit
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
}

const NAMES: [&str; 44] = [
    "read",
    "write",
    "open",
    "close",
    "stat",
    "mmap",
    "rt_sigaction",
    "ioctl",
    "pread64",
    "socket",
    "connect",
    "accept",
    "sendto",
    "recvmsg",
    "clone",
    "fork",
    "execve",
    "exit",
    "kill",
    "semget",
    "shmat",
    "msgctl",
    "personality",
    "mount",
    "umount2",
    "reboot",
    "gettid",
    "futex",
    "openat",
    "unshare",
    "getrandom",
    "execveat",
    "statx",
    "clone3",
    "openat2",
    "time",
    "waitpid",
    "stime",
    "readdir",
    "preadv",
    "arch_prctl",
    "socketcall",
    "ipc",
    "set_thread_area",
];
const ACTIONS: [SeccompAction; 8] = [
    SeccompAction::Kill,
    SeccompAction::KillProcess,
    SeccompAction::Trap,
    SeccompAction::Errno,
    SeccompAction::Trace,
    SeccompAction::Allow,
    SeccompAction::Log,
    SeccompAction::KillThread,
];
const VALUES: [u64; 12] = [
    0,
    1,
    2,
    5,
    0x7fff_ffff,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0005,
    0x7e02_0000,
    u64::MAX - 1,
    u64::MAX,
];

pub(crate) fn value_of(action: SeccompAction, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(1);
    match action {
        SeccompAction::Kill | SeccompAction::KillThread => 0,
        SeccompAction::KillProcess => 0x8000_0000,
        SeccompAction::Trap => 0x0003_0000,
        SeccompAction::Errno => 0x0005_0000 | data,
        SeccompAction::Trace => 0x7ff0_0000 | data,
        SeccompAction::Allow => 0x7fff_0000,
        SeccompAction::Log => 0x7ffc_0000,
        SeccompAction::Notify => 0x7fc0_0000,
    }
}

/// A filter whose conditions on one call all lead to one action: what overlapping conditions
/// with different actions mean in libseccomp follows from its tree, and it refuses many.
fn filter(random: &mut Random) -> Seccomp {
    let errno = |random: &mut Random| random.chance(2).then(|| *random.of(&[1, 13, 38, 95]));
    let default_action = *random.of(&ACTIONS);
    let mut architectures = Vec::new();
    for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
        if random.chance(2) {
            architectures.push(arch);
        }
    }
    let mut actions: HashMap<&str, (SeccompAction, Option<u32>)> = HashMap::new();
    let count = random.below(60);
    let rule = |_| {
        let mut rule = Syscall {
            action: SeccompAction::Allow,
            names: Vec::new(),
            errno_ret: None,
            args: Vec::new(),
        };
        let action = (*random.of(&ACTIONS), errno(random));
        let name = *random.of(&NAMES);
        let action = *actions.entry(name).or_insert(action);
        (rule.action, rule.errno_ret) = action;
        rule.names.push(name.to_owned());
        if random.chance(2) {
            rule.args = conditions(random);
        }
        rule
    };
    let syscalls = (0..count).map(rule).collect();
    Seccomp {
        default_action,
        default_errno_ret: errno(random),
        architectures,
        flags: Some(Vec::new()),
        listener_path: String::new(),
        listener_metadata: String::new(),
        syscalls,
    }
}

fn conditions(random: &mut Random) -> Vec<SeccompArg> {
    let count = 1 + random.below(3);
    let condition = |_| SeccompArg {
        op: *random.of(SeccompOperator::ALL),
        index: u32::try_from(random.below(6)).unwrap(),
        value: *random.of(&VALUES),
        value_two: *random.of(&VALUES),
    };
    (0..count).map(condition).collect()
}

/// The filter as the script takes it, with runc's way of making rules.
fn question(filter: &Seccomp) -> Value {
    let default = value_of(filter.default_action, filter.default_errno_ret);
    let mut rules = Vec::new();
    for rule in &filter.syscalls {
        let action = value_of(rule.action, rule.errno_ret);
        if action == default {
            continue;
        }
        let mut indices: Vec<u32> = rule.args.iter().map(|arg| arg.index).collect();
        indices.sort_unstable();
        let repeated = indices.windows(2).any(|pair| pair[0] == pair[1]);
        for name in &rule.names {
            if repeated {
                for arg in &rule.args {
                    rules.push(json!({"name": name, "action": action, "args": [arg]}));
                }
            } else {
                rules.push(json!({"name": name, "action": action, "args": rule.args}));
            }
        }
    }
    json!({
        "default": default,
        "architectures": filter.architectures,
        "optimize": filter.syscalls.len() > 32,
        "rules": rules,
    })
}

/// The highest call named, by architecture, as libseccomp numbers them.
type Newest = HashMap<Arch, u32>;

fn newest(libseccomp: &mut Libseccomp, filter: &Seccomp) -> Newest {
    let names: Vec<&String> = filter
        .syscalls
        .iter()
        .flat_map(|rule| &rule.names)
        .collect();
    let numbers = libseccomp.ask(&json!({ "resolve": names }));
    let mut newest = Newest::new();
    for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
        if arch != Arch::X86_64 && !filter.architectures.contains(&arch) {
            continue;
        }
        let number = |name: &&String| numbers[name.as_str()][arch.as_str()].as_i64();
        let greatest = names
            .iter()
            .filter_map(number)
            .filter(|number| *number > 0)
            .max();
        if let Some(greatest) = greatest {
            newest.insert(arch, u32::try_from(greatest).unwrap());
        }
    }
    newest
}

/// What runc puts before libseccomp's program.
fn stub(filter: &Seccomp, newest: &Newest, call: &Call) -> Option<u32> {
    let permissive = [
        SeccompAction::Allow,
        SeccompAction::Log,
        SeccompAction::Trace,
    ];
    if permissive.contains(&filter.default_action) {
        return None;
    }
    let arch = match (call.arch, call.number & 0x4000_0000 != 0) {
        (X86_64, false) => Arch::X86_64,
        (X86_64, true) => Arch::X32,
        (I386, _) => Arch::X86,
        _ => return None,
    };
    (call.number > *newest.get(&arch)?).then_some(ENOSYS)
}

fn calls(random: &mut Random) -> Vec<Call> {
    let mut numbers: Vec<u32> = (0..600)
        .flat_map(|number| [number, number | 0x4000_0000])
        .collect();
    for edge in [
        0x3fff_ffff,
        0x7fff_ffff,
        0x8000_0000,
        0xbfff_ffff,
        0xc000_0000,
        0xffff_fffe,
    ] {
        numbers.extend([edge, edge + 1]);
    }
    let mut calls: Vec<Call> = numbers
        .into_iter()
        .map(|number| call(random, number))
        .collect();
    // The calls within calls of i386.
    for number in [102, 117] {
        for first in 0..30 {
            let mut call = call(random, number);
            (call.arch, call.args[0]) = (I386, first);
            calls.push(call);
        }
    }
    calls
}

fn call(random: &mut Random, number: u32) -> Call {
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = match random.below(4) {
            0 => random.next(),
            1 => random.of(&VALUES).wrapping_add(1),
            _ => *random.of(&VALUES),
        };
    }
    let arch = *random.of(&[X86_64, X86_64, I386, 0xc000_00b7]);
    Call { number, arch, args }
}

/// What a comparison of one filter gave.
#[derive(Default)]
struct Outcome {
    calls: usize,
    /// Calls for which libseccomp's program does not do what the filter says.
    deviations: usize,
}

/// Compares our program over many calls with what the filter says, and with libseccomp's
/// program; nothing if libseccomp refuses the filter.
fn compare(libseccomp: &mut Libseccomp, filter: &Seccomp, random: &mut Random) -> Option<Outcome> {
    let answer = libseccomp.ask(&question(filter));
    let Some(hex) = answer["program"].as_str() else {
        eprintln!("{answer}");
        return None;
    };
    let reference = program(hex);
    let ours = of(&compile(filter).unwrap());
    let newest = newest(libseccomp, filter);
    let model = Model::new(libseccomp, filter);
    let mut outcome = Outcome::default();
    for call in calls(random) {
        let got = run(&ours, &call);
        let theirs = stub(filter, &newest, &call).unwrap_or_else(|| run(&reference, &call));
        let said = stub(filter, &newest, &call).or_else(|| model.decide(&call));
        let said = said.unwrap_or(theirs);
        let words = || serde_json::to_string(filter).unwrap();
        assert_eq!(
            got,
            said,
            "{got:#x} for {said:#x}: {call:x?} with {}",
            words()
        );
        outcome.calls += 1;
        if theirs != said {
            outcome.deviations += 1;
            assert!(
                model.hard(&call),
                "libseccomp {theirs:#x} for {said:#x}: {call:x?} with {}",
                words()
            );
        }
    }
    Some(outcome)
}

#[cfg(target_arch = "x86_64")]
#[test]
fn random_filters_agree_with_libseccomp() {
    let Some(mut libseccomp) = Libseccomp::start() else {
        return;
    };
    let mut random = Random(0x5eed_cafe_f00d_0001);
    let (mut taken, mut total) = (0, Outcome::default());
    for _ in 0..400 {
        let filter = filter(&mut random);
        if let Some(outcome) = compare(&mut libseccomp, &filter, &mut random) {
            taken += 1;
            total.calls += outcome.calls;
            total.deviations += outcome.deviations;
        }
    }
    eprintln!(
        "{taken} of 400 filters, {} calls; libseccomp deviates from the filter in {}",
        total.calls, total.deviations
    );
    assert!(taken > 200, "{taken}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn docker_s_profile_agrees_with_libseccomp() {
    let Some(mut libseccomp) = Libseccomp::start() else {
        return;
    };
    let host = Host {
        arch: Arch::X86_64,
        kernel: (6, 1),
    };
    let mut random = Random(0x5eed_cafe_f00d_0002);
    for capabilities in [
        &[][..],
        &["CAP_SYS_ADMIN"],
        &["CAP_SYS_CHROOT", "CAP_SYS_TIME"],
    ] {
        let mut filter = docker_default(capabilities, host);
        let known = same_numbers(&mut libseccomp, &filter);
        for rule in &mut filter.syscalls {
            rule.names.retain(|name| known.contains(name));
        }
        for _ in 0..20 {
            let outcome = compare(&mut libseccomp, &filter, &mut random).unwrap();
            assert_eq!(outcome.deviations, 0);
        }
    }
}

/// The calls that the library, which can be older than our tables, numbers as we do.
fn same_numbers(libseccomp: &mut Libseccomp, filter: &Seccomp) -> Vec<String> {
    let table = include_str!("../../data/syscalls.tsv");
    let names: Vec<&String> = filter
        .syscalls
        .iter()
        .flat_map(|rule| &rule.names)
        .collect();
    let numbers = libseccomp.ask(&json!({ "resolve": names }));
    let same = |name: &&&String| {
        let row = table
            .lines()
            .find(|line| line.split('\t').next() == Some(name.as_str()));
        let fields: Vec<&str> = row.unwrap_or_default().split('\t').collect();
        let columns = [
            (Arch::X86_64, 1, 0),
            (Arch::X86, 2, 0),
            (Arch::X32, 3, 0x4000_0000),
        ];
        columns.iter().all(|(arch, column, base)| {
            let ours = fields
                .get(*column)
                .and_then(|field| field.parse::<i64>().ok());
            let theirs = numbers[name.as_str()][arch.as_str()].as_i64();
            // Below -1 stands for a call within socketcall or ipc, whose number is not told.
            theirs.is_some_and(|number| number < -1 && *arch == Arch::X86 && number >= -224)
                || ours.map(|number| number + base) == theirs.filter(|number| *number >= 0)
        })
    };
    names
        .iter()
        .filter(same)
        .map(|name| (*name).clone())
        .collect()
}
