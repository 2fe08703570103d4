//! Code for the calls whose arguments count.

use crate::assembler::{Assembler, Goal, Segment, Test, joined};
use crate::rules::{Case, precedence};
use oci::runtime::{SeccompArg, SeccompOperator};
use std::cmp::Reverse;

/// The offset of the arguments in `seccomp_data`.
const ARGUMENTS: u32 = 16;

/// How arguments lie in memory and are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) wide: bool,
    pub(crate) big_endian: bool,
}

impl Shape {
    fn low(self, index: u32) -> u32 {
        ARGUMENTS + 8 * index + if self.big_endian { 4 } else { 0 }
    }

    fn high(self, index: u32) -> u32 {
        ARGUMENTS + 8 * index + if self.big_endian { 0 } else { 4 }
    }

    /// The greatest value of an argument.
    fn limit(self) -> u64 {
        if self.wide {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        }
    }
}

/// The low half.
#[expect(clippy::cast_possible_truncation, reason = "that is what it does")]
pub(crate) const fn low(value: u64) -> u32 {
    value as u32
}

/// The high half.
const fn high(value: u64) -> u32 {
    low(value >> 32)
}

/// Code that tries the cases, and goes to `default` if none holds.
pub(crate) fn assemble(code: &mut Assembler, cases: &[Case], shape: Shape, default: Goal) -> Goal {
    let mut cases: Vec<&Case> = cases.iter().collect();
    cases.sort_by_cached_key(|case| {
        let keys: Vec<_> = case
            .conditions
            .iter()
            .map(precedence)
            .map(Reverse)
            .collect();
        keys
    });
    if let Some(index) = one_argument(&cases) {
        return by_ranges(code, &cases, index, shape, default);
    }
    let mut otherwise = default;
    for case in cases.iter().rev() {
        let mut goal = Goal::Return(case.value);
        for condition in case.conditions.iter().rev() {
            goal = compare(code, condition, shape, goal, otherwise);
        }
        otherwise = goal;
    }
    otherwise
}

/// The argument that all cases are about, if each is one range of it.
fn one_argument(cases: &[&Case]) -> Option<u32> {
    let index = cases.first()?.conditions.first()?.index;
    let simple = |case: &&Case| {
        matches!(case.conditions.as_slice(), [one]
            if one.index == index && one.op != SeccompOperator::MaskedEqual)
    };
    (cases.len() > 1 && cases.iter().all(simple)).then_some(index)
}

/// A binary search for the argument's value.
fn by_ranges(
    code: &mut Assembler,
    cases: &[&Case],
    index: u32,
    shape: Shape,
    default: Goal,
) -> Goal {
    let segments = partition(cases, shape, default);
    if !shape.wide {
        let segments: Vec<Segment> = segments
            .iter()
            .map(|(start, goal)| Segment {
                start: low(*start),
                goal: *goal,
            })
            .collect();
        let goal = code.search(&joined(&segments));
        return code.load(shape.low(index), u32::MAX, goal);
    }
    // By the high half; a high half within which the low one counts has a search of its own.
    let mut by_high: Vec<Segment> = Vec::new();
    let mut at = 0;
    while at < segments.len() {
        let upper = high(segments[at].0);
        let group = segments[at..]
            .iter()
            .take_while(|(start, _)| high(*start) == upper)
            .count();
        let whole = low(segments[at].0) == 0;
        let before = at
            .checked_sub(1)
            .map_or(default, |before| segments[before].1);
        let last = segments[at + group - 1].1;
        if group == 1 && whole {
            by_high.push(Segment {
                start: upper,
                goal: last,
            });
        } else {
            let mut inner = Vec::with_capacity(group + 1);
            if !whole {
                inner.push(Segment {
                    start: 0,
                    goal: before,
                });
            }
            inner.extend(
                segments[at..at + group]
                    .iter()
                    .map(|(start, goal)| Segment {
                        start: low(*start),
                        goal: *goal,
                    }),
            );
            let goal = code.search(&joined(&inner));
            let goal = code.load(shape.low(index), u32::MAX, goal);
            by_high.push(Segment { start: upper, goal });
            if let Some(next) = upper.checked_add(1) {
                by_high.push(Segment {
                    start: next,
                    goal: last,
                });
            }
        }
        at += group;
    }
    let goal = code.search(&joined(&by_high));
    code.load(shape.high(index), u32::MAX, goal)
}

/// Every value's goal: ranges by their start. The first case that holds counts.
fn partition(cases: &[&Case], shape: Shape, default: Goal) -> Vec<(u64, Goal)> {
    let mut starts = vec![0];
    for case in cases {
        for (first, last) in ranges(&case.conditions[0], shape) {
            starts.push(first);
            if last < shape.limit() {
                starts.push(last + 1);
            }
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let goal = |start: u64| {
        let holds = |case: &&&Case| {
            ranges(&case.conditions[0], shape)
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&start))
        };
        let case = cases.iter().find(holds);
        case.map_or(default, |case| Goal::Return(case.value))
    };
    let mut segments: Vec<(u64, Goal)> = Vec::with_capacity(starts.len());
    for start in starts {
        let goal = goal(start);
        if segments.last().is_none_or(|(_, last)| *last != goal) {
            segments.push((start, goal));
        }
    }
    segments
}

/// The values for which a condition holds, as up to two ranges.
fn ranges(condition: &SeccompArg, shape: Shape) -> Vec<(u64, u64)> {
    let most = shape.limit();
    let value = condition.value & most;
    let below = value.checked_sub(1).map(|last| (0, last));
    let above = (value < most).then(|| (value + 1, most));
    match condition.op {
        SeccompOperator::Equal => vec![(value, value)],
        SeccompOperator::NotEqual => below.into_iter().chain(above).collect(),
        SeccompOperator::LessThan => below.into_iter().collect(),
        SeccompOperator::LessEqual => vec![(0, value)],
        SeccompOperator::GreaterThan => above.into_iter().collect(),
        SeccompOperator::GreaterEqual => vec![(value, most)],
        SeccompOperator::MaskedEqual => Vec::new(),
    }
}

/// Code for one condition.
fn compare(
    code: &mut Assembler,
    condition: &SeccompArg,
    shape: Shape,
    yes: Goal,
    no: Goal,
) -> Goal {
    let value = condition.value;
    match condition.op {
        SeccompOperator::Equal => {
            masked(code, condition.index, (u64::MAX, value), shape, (yes, no))
        }
        SeccompOperator::NotEqual => {
            masked(code, condition.index, (u64::MAX, value), shape, (no, yes))
        }
        SeccompOperator::MaskedEqual => {
            let masks = (value, condition.value_two & value);
            masked(code, condition.index, masks, shape, (yes, no))
        }
        SeccompOperator::GreaterThan => above(code, condition, Test::Greater, shape, (yes, no)),
        SeccompOperator::GreaterEqual => {
            above(code, condition, Test::GreaterOrEqual, shape, (yes, no))
        }
        SeccompOperator::LessThan => above(code, condition, Test::GreaterOrEqual, shape, (no, yes)),
        SeccompOperator::LessEqual => above(code, condition, Test::Greater, shape, (no, yes)),
    }
}

fn masked(
    code: &mut Assembler,
    index: u32,
    (mask, value): (u64, u64),
    shape: Shape,
    (yes, no): (Goal, Goal),
) -> Goal {
    let mut goal = yes;
    if low(mask) != 0 {
        goal = code.branch(Test::Equal, low(value), yes, no);
        goal = code.load(shape.low(index), low(mask), goal);
    }
    if shape.wide && high(mask) != 0 {
        goal = code.branch(Test::Equal, high(value), goal, no);
        goal = code.load(shape.high(index), high(mask), goal);
    }
    goal
}

fn above(
    code: &mut Assembler,
    condition: &SeccompArg,
    test: Test,
    shape: Shape,
    (yes, no): (Goal, Goal),
) -> Goal {
    let goal = code.branch(test, low(condition.value), yes, no);
    let goal = code.load(shape.low(condition.index), u32::MAX, goal);
    if !shape.wide {
        return goal;
    }
    let goal = code.branch(Test::Equal, high(condition.value), goal, no);
    let goal = code.branch(Test::Greater, high(condition.value), yes, goal);
    code.load(shape.high(condition.index), u32::MAX, goal)
}
