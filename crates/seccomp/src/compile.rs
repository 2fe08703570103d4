//! A filter in the document's words to a program.
//!
//! Each architecture's calls become segments of the 32-bit number space, which one binary
//! search goes by. COMPAT: calls above the highest one that the filter names get `ENOSYS` as
//! with runc, so that programs probing for a new call fall back as they do on an old kernel.

use crate::Error;
use crate::abi::{Abi, Multiplexer, X32_BIT, multiplexed};
use crate::assembler::{Assembler, Goal, Segment, Test, joined};
use crate::chain::{Shape, assemble};
use crate::program::{Instruction, Program};
use crate::rules::{Case, RET_ENOSYS, RET_KILL_THREAD, cases, check_notify, is_permissive, value};
use crate::syscalls::{self, Row};
use oci::runtime::{Arch, Seccomp, SeccompAction, SeccompArg, SeccompFlag, SeccompOperator};
use sys::seccomp::NEW_LISTENER;

/// The most that the kernel takes.
const MOST_INSTRUCTIONS: usize = 4096;
/// Offsets in `seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// What a tracer makes of a call that shall be skipped; no architecture has it.
const SKIPPED: u32 = u32::MAX;

/// Compiles a filter.
pub fn compile(filter: &Seccomp) -> Result<Program, Error> {
    check_notify(filter)?;
    let compiler = Compiler::new(filter)?;
    let mut code = Assembler::default();
    let mut groups: Vec<(u32, Goal)> = Vec::new();
    for abi in &compiler.abis {
        if groups.iter().all(|(audit, _)| *audit != abi.audit) {
            let segments = compiler.architecture(&mut code, abi.audit);
            let goal = code.search(&joined(&segments));
            groups.push((abi.audit, code.load(NUMBER, u32::MAX, goal)));
        }
    }
    // An architecture that is not named may call nothing at all.
    let mut goal = Goal::Return(RET_KILL_THREAD);
    for (audit, calls) in groups.iter().rev() {
        goal = code.branch(Test::Equal, *audit, *calls, goal);
    }
    let goal = code.load(ARCHITECTURE, u32::MAX, goal);
    code.begin(goal);
    finished(code.finish(), filter)
}

fn finished(instructions: Vec<Instruction>, filter: &Seccomp) -> Result<Program, Error> {
    if instructions.len() > MOST_INSTRUCTIONS {
        return Err(Error::TooLong(instructions.len()));
    }
    let mut flags = 0;
    // COMPAT: who says nothing about flags does not want to pay for a mitigation either.
    let default = &[SeccompFlag::SpecAllow][..];
    for flag in filter.flags.as_deref().unwrap_or(default) {
        flags |= match flag {
            // The filter is loaded by the only thread there is.
            SeccompFlag::Tsync => 0,
            SeccompFlag::Log => 1 << 1,
            SeccompFlag::SpecAllow => 1 << 2,
            SeccompFlag::WaitKillableRecv => 1 << 5,
        };
    }
    let notifies = filter
        .syscalls
        .iter()
        .any(|rule| rule.action == SeccompAction::Notify);
    if notifies {
        flags |= NEW_LISTENER;
    }
    Ok(Program {
        instructions,
        flags,
    })
}

/// A rule that does something: its calls on any architecture, and its cases.
struct Resolved {
    rows: Vec<Row>,
    cases: Vec<Case>,
}

/// A call of one architecture with one of a rule's cases.
struct Entry<'a> {
    number: u32,
    /// The number in `socketcall` or `ipc`, if the call goes through one of them.
    multiplexed: Option<u32>,
    cases: &'a [Case],
}

struct Compiler {
    abis: Vec<Abi>,
    rules: Vec<Resolved>,
    /// Every call named, also by rules that only repeat the default.
    named: Vec<Row>,
    default: u32,
    permissive: bool,
}

impl Compiler {
    fn new(filter: &Seccomp) -> Result<Self, Error> {
        let default = value(filter.default_action, filter.default_errno_ret);
        let mut rules = Vec::with_capacity(filter.syscalls.len());
        let mut named = Vec::new();
        for rule in &filter.syscalls {
            // COMPAT: a call unknown to us is one that this kernel most probably lacks too.
            let find = |name: &String| syscalls::find(name);
            let rows: Vec<Row> = rule.names.iter().filter_map(find).collect();
            named.extend_from_slice(&rows);
            let cases = cases(rule, default)?;
            if !cases.is_empty() {
                rules.push(Resolved { rows, cases });
            }
        }
        Ok(Self {
            abis: abis(&filter.architectures)?,
            rules,
            named,
            default,
            permissive: is_permissive(filter.default_action),
        })
    }

    /// The segments of all ABIs that the kernel shows as one architecture.
    fn architecture(&self, code: &mut Assembler, audit: u32) -> Vec<Segment> {
        let default = Goal::Return(self.default);
        let mut segments = Vec::new();
        let has = |arch| self.abis.iter().any(|abi| abi.arch == arch);
        let Some(abi) = self.abis.iter().find(|abi| abi.audit == audit) else {
            return segments;
        };
        if abi.column != syscalls::Column::X86_64 && abi.arch != Arch::X32 {
            self.calls(code, abi, &mut segments);
            return segments;
        }
        // x86-64 and x32 differ by one bit of the number, so each has its quarters of the
        // number space. The upper half has no calls, but is told apart by the same bit.
        let above = |after: bool| match after {
            true => Goal::Return(RET_ENOSYS),
            false => default,
        };
        let native = self.abis.iter().find(|abi| abi.arch == Arch::X86_64);
        let mut native_after = false;
        if let Some(native) = native {
            native_after = self.calls(code, native, &mut segments);
        }
        let x32 = self.abis.iter().find(|abi| abi.arch == Arch::X32);
        let upper_x32 = match x32 {
            Some(x32) => {
                segments.push(Segment {
                    start: X32_BIT,
                    goal: default,
                });
                above(self.calls(code, x32, &mut segments))
            }
            None => {
                let refused = Goal::Return(RET_KILL_THREAD);
                segments.push(Segment {
                    start: X32_BIT,
                    goal: refused,
                });
                refused
            }
        };
        // Without x32, libseccomp refuses everything above the bit, but a skipped call.
        let upper_native = match (native_after, has(Arch::X32)) {
            (true, _) => Goal::Return(RET_ENOSYS),
            (false, true) => default,
            (false, false) => Goal::Return(RET_KILL_THREAD),
        };
        segments.push(Segment {
            start: 2 * X32_BIT,
            goal: upper_native,
        });
        segments.push(Segment {
            start: 3 * X32_BIT,
            goal: upper_x32,
        });
        if !has(Arch::X32) {
            segments.push(Segment {
                start: SKIPPED,
                goal: default,
            });
        }
        segments
    }

    /// Adds an ABI's segments; says whether calls above the last one get `ENOSYS`.
    fn calls(&self, code: &mut Assembler, abi: &Abi, segments: &mut Vec<Segment>) -> bool {
        let default = Goal::Return(self.default);
        let mut entries = self.entries(abi);
        // Stable: rules for the same call stay in their order.
        entries.sort_by_key(|entry| entry.number);
        let shape = Shape {
            wide: abi.wide,
            big_endian: abi.big_endian,
        };
        if segments.is_empty() {
            segments.push(Segment {
                start: 0,
                goal: default,
            });
        }
        for call in entries.chunk_by(|one, next| one.number == next.number) {
            let number = call[0].number;
            let goal = match decide(call) {
                Decision::Always(value) => Goal::Return(value),
                Decision::Cases(cases) => assemble(code, &cases, shape, default),
            };
            segments.push(Segment {
                start: number,
                goal,
            });
            segments.push(Segment {
                start: number + 1,
                goal: default,
            });
        }
        let newest = self.newest(abi);
        let Some(newest) = newest.filter(|_| !self.permissive) else {
            return false;
        };
        if matches!(abi.arch, Arch::S390 | Arch::S390x) {
            // Number 0 stands for large numbers that the kernel does not know.
            segments[0].goal = Goal::Return(RET_ENOSYS);
        }
        // Call numbers behind it have no rule: the newest is the greatest of all named.
        segments.retain(|segment| segment.start <= newest);
        segments.push(Segment {
            start: newest + 1,
            goal: Goal::Return(RET_ENOSYS),
        });
        true
    }

    fn entries(&self, abi: &Abi) -> Vec<Entry<'_>> {
        let mut entries = Vec::with_capacity(self.named.len());
        for rule in &self.rules {
            for row in &rule.rows {
                if let Some(number) = syscalls::number(*row, abi.column) {
                    entries.push(Entry {
                        number: abi.base + number,
                        multiplexed: None,
                        cases: &rule.cases,
                    });
                }
                if let Some((socketcall, ipc)) = abi.multiplexers
                    && let Some((multiplexer, number)) = multiplexed(syscalls::name(*row))
                {
                    entries.push(Entry {
                        number: match multiplexer {
                            Multiplexer::Socket => socketcall,
                            Multiplexer::Ipc => ipc,
                        },
                        multiplexed: Some(number),
                        cases: &rule.cases,
                    });
                }
            }
        }
        entries
    }

    /// The greatest number of the calls named.
    ///
    /// COMPAT: runc does not see the numbers of calls that are multiplexed as well.
    fn newest(&self, abi: &Abi) -> Option<u32> {
        let number = |row: &Row| {
            let hidden = abi.multiplexers.is_some() && multiplexed(syscalls::name(*row)).is_some();
            syscalls::number(*row, abi.column).filter(|_| !hidden)
        };
        let newest = self.named.iter().filter_map(number).max()? + abi.base;
        (newest != 0).then_some(newest)
    }
}

/// What happens to one call.
enum Decision {
    Always(u32),
    Cases(Vec<Case>),
}

/// A rule without conditions wins over those with; of several without, the first.
fn decide(entries: &[Entry<'_>]) -> Decision {
    let mut all = Vec::new();
    for entry in entries {
        for case in entry.cases {
            let mut case = case.clone();
            if let Some(number) = entry.multiplexed {
                // The other arguments lie in memory, where no filter can look.
                case.conditions.retain(|condition| condition.index != 0);
                case.conditions.insert(0, equal(number));
            }
            if case.conditions.is_empty() {
                return Decision::Always(case.value);
            }
            all.push(case);
        }
    }
    Decision::Cases(all)
}

/// The first argument is this number.
fn equal(number: u32) -> SeccompArg {
    SeccompArg {
        op: SeccompOperator::Equal,
        index: 0,
        value: number.into(),
        value_two: 0,
    }
}

/// The native architecture and the others named, each once.
fn abis(architectures: &[Arch]) -> Result<Vec<Abi>, Error> {
    let mut abis: Vec<Abi> = Vec::new();
    for arch in std::iter::once(&Abi::NATIVE).chain(architectures) {
        let abi = Abi::of(*arch).ok_or(Error::Architecture(*arch))?;
        if abi.big_endian != cfg!(target_endian = "big") {
            return Err(Error::Architecture(*arch));
        }
        if abis.iter().all(|known| known.arch != abi.arch) {
            abis.push(abi);
        }
    }
    Ok(abis)
}
