//! What a filter says about a call, read plainly: no tree, no code.

use crate::bpf::{Call, I386, X86_64};
use crate::differential::value_of;
use crate::libseccomp::Libseccomp;
use oci::runtime::{Arch, Seccomp, SeccompArg, SeccompOperator};
use serde_json::json;
use std::collections::HashMap;

/// The rules of one call: a value and the conditions that must hold.
type Cases = Vec<(u32, Vec<SeccompArg>)>;

pub(crate) struct Model {
    default: u32,
    calls: HashMap<(Arch, u32), Cases>,
    filtered: Vec<Arch>,
}

impl Model {
    /// Of calls that are not multiplexed; the numbers are libseccomp's.
    pub(crate) fn new(libseccomp: &mut Libseccomp, filter: &Seccomp) -> Self {
        let names: Vec<&String> = filter
            .syscalls
            .iter()
            .flat_map(|rule| &rule.names)
            .collect();
        let numbers = libseccomp.ask(&json!({ "resolve": names }));
        let default = value_of(filter.default_action, filter.default_errno_ret);
        let mut filtered = vec![Arch::X86_64];
        filtered.extend(&filter.architectures);
        let mut calls: HashMap<(Arch, u32), Cases> = HashMap::new();
        for rule in &filter.syscalls {
            let value = value_of(rule.action, rule.errno_ret);
            if value == default {
                continue;
            }
            let pairs = rule
                .names
                .iter()
                .flat_map(|name| filtered.iter().map(move |arch| (name, arch)));
            for (name, arch) in pairs {
                let number = numbers[name.as_str()][arch.as_str()].as_i64();
                let Ok(number) = u32::try_from(number.unwrap()) else {
                    continue;
                };
                let cases = calls.entry((*arch, number)).or_default();
                cases.extend(alternatives(&rule.args).map(|args| (value, args)));
            }
        }
        Self {
            default,
            calls,
            filtered,
        }
    }

    fn cases(&self, call: &Call) -> Option<(Arch, &Cases)> {
        let arch = arch(call)?;
        self.calls
            .get(&(arch, call.number))
            .map(|cases| (arch, cases))
    }

    /// The value for a call; nothing for those that this model does not cover.
    pub(crate) fn decide(&self, call: &Call) -> Option<u32> {
        let arch = arch(call)?;
        // socketcall and ipc, and the calls that do the same one by one.
        let multiplexed = matches!(call.number, 102 | 117 | 337 | 345 | 359..=373 | 393..=402);
        if arch == Arch::X86 && multiplexed
            || !self.filtered.contains(&arch)
            || call.number & !0x4000_0000 > 0x1000
        {
            return None;
        }
        let Some((_, cases)) = self.cases(call) else {
            return Some(self.default);
        };
        let wide = arch == Arch::X86_64;
        let holds = |args: &Vec<SeccompArg>| args.iter().all(|arg| holds(arg, call, wide));
        // All conditional cases have one value; one without conditions comes before them.
        let always = cases.iter().find(|(_, args)| args.is_empty());
        let case = always.or_else(|| cases.iter().find(|(_, args)| holds(args)));
        Some(case.map_or(self.default, |(value, _)| *value))
    }

    /// Whether libseccomp is known to get it wrong: it merges conditions of several cases, or
    /// several conditions, into a tree.
    pub(crate) fn hard(&self, call: &Call) -> bool {
        self.cases(call).is_some_and(|(_, cases)| {
            cases.len() > 1 || cases.iter().any(|(_, args)| args.len() > 1)
        })
    }
}

fn arch(call: &Call) -> Option<Arch> {
    match (call.arch, call.number & 0x4000_0000 != 0) {
        (X86_64, false) => Some(Arch::X86_64),
        (X86_64, true) => Some(Arch::X32),
        (I386, _) => Some(Arch::X86),
        _ => None,
    }
}

/// runc takes several conditions on one argument as alternatives.
fn alternatives(args: &[SeccompArg]) -> std::vec::IntoIter<Vec<SeccompArg>> {
    let repeated = (0..6).any(|index| args.iter().filter(|arg| arg.index == index).count() > 1);
    match repeated {
        true => args
            .iter()
            .map(|arg| vec![*arg])
            .collect::<Vec<_>>()
            .into_iter(),
        false => vec![args.to_vec()].into_iter(),
    }
}

fn holds(arg: &SeccompArg, call: &Call, wide: bool) -> bool {
    let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let given = cut(call.args[arg.index as usize]);
    let value = cut(arg.value);
    match arg.op {
        SeccompOperator::Equal => given == value,
        SeccompOperator::NotEqual => given != value,
        SeccompOperator::LessThan => given < value,
        SeccompOperator::LessEqual => given <= value,
        SeccompOperator::GreaterThan => given > value,
        SeccompOperator::GreaterEqual => given >= value,
        SeccompOperator::MaskedEqual => given & value == cut(arg.value_two) & value,
    }
}
