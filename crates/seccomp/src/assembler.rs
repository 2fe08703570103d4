//! Laying code out from its end to its beginning, so that what is jumped to is always there.

use crate::program::Instruction;

// linux/bpf_common.h
const LD_W_ABS: u16 = 0x20;
const ALU_AND_K: u16 = 0x54;
const JMP_JA: u16 = 0x05;
const JMP_JEQ_K: u16 = 0x15;
const JMP_JGT_K: u16 = 0x25;
const JMP_JGE_K: u16 = 0x35;
const RET_K: u16 = 0x06;

/// Conditional jumps reach 255 instructions; this leaves room for what two goals may need.
const NEAR: usize = 250;
/// Exceptions that a leaf of a tree compares one by one.
const LEAF_EXCEPTIONS: usize = 4;

/// Where to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Ends with this value.
    Return(u32),
    /// Goes on at this label.
    At(Label),
}

/// An instruction, counted from the program's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// A comparison of the accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Equal,
    Greater,
    GreaterOrEqual,
}

/// Values from `start` on, up to the next segment's start, have this goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: u32,
    pub(crate) goal: Goal,
}

/// The program so far, backwards.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    code: Vec<Instruction>,
    /// The nearest instruction for each goal that has one.
    nearest: Vec<(Goal, usize)>,
}

impl Assembler {
    pub(crate) fn finish(mut self) -> Vec<Instruction> {
        self.code.reverse();
        self.code
    }

    fn push(&mut self, code: u16, jt: usize, jf: usize, k: u32) -> Label {
        let short = |distance: usize| u8::try_from(distance).unwrap_or(u8::MAX);
        self.code.push(Instruction {
            code,
            jt: short(jt),
            jf: short(jf),
            k,
        });
        Label(self.code.len() - 1)
    }

    /// The distance of a label from the instruction that is pushed next.
    fn distance(&self, to: usize) -> usize {
        self.code.len() - to - 1
    }

    /// An instruction within a conditional jump's reach that leads to the goal.
    fn near(&mut self, goal: Goal) -> usize {
        if let Goal::At(Label(at)) = goal
            && self.distance(at) < NEAR
        {
            return at;
        }
        let known = self.nearest.iter().position(|(one, _)| *one == goal);
        if let Some(known) = known
            && self.distance(self.nearest[known].1) < NEAR
        {
            return self.nearest[known].1;
        }
        let Label(at) = match goal {
            Goal::Return(value) => self.push(RET_K, 0, 0, value),
            Goal::At(Label(far)) => {
                let skip = u32::try_from(self.distance(far)).unwrap_or(u32::MAX);
                self.push(JMP_JA, 0, 0, skip)
            }
        };
        match known {
            Some(known) => self.nearest[known].1 = at,
            None => self.nearest.push((goal, at)),
        }
        at
    }

    /// Compares the accumulator and goes one way or the other.
    pub(crate) fn branch(&mut self, test: Test, k: u32, yes: Goal, no: Goal) -> Goal {
        if yes == no {
            return yes;
        }
        let yes = self.near(yes);
        let no = self.near(no);
        let code = match test {
            Test::Equal => JMP_JEQ_K,
            Test::Greater => JMP_JGT_K,
            Test::GreaterOrEqual => JMP_JGE_K,
        };
        let (yes, no) = (self.distance(yes), self.distance(no));
        Goal::At(self.push(code, yes, no, k))
    }

    /// Loads a word of `seccomp_data`, masks it unless the mask is all ones, and goes on.
    pub(crate) fn load(&mut self, offset: u32, mask: u32, then: Goal) -> Goal {
        let at = match then {
            Goal::At(Label(at)) => at,
            // What ends anyway needs nothing loaded.
            Goal::Return(_) => return then,
        };
        if at + 1 != self.code.len() {
            let skip = u32::try_from(self.distance(at)).unwrap_or(u32::MAX);
            self.push(JMP_JA, 0, 0, skip);
        }
        if mask != u32::MAX {
            self.push(ALU_AND_K, 0, 0, mask);
        }
        Goal::At(self.push(LD_W_ABS, 0, 0, offset))
    }

    /// Makes the goal the program's first instruction.
    pub(crate) fn begin(&mut self, goal: Goal) {
        match goal {
            Goal::Return(value) => {
                self.push(RET_K, 0, 0, value);
            }
            Goal::At(Label(at)) if at + 1 == self.code.len() => {}
            Goal::At(Label(at)) => {
                let skip = u32::try_from(self.distance(at)).unwrap_or(u32::MAX);
                self.push(JMP_JA, 0, 0, skip);
            }
        }
    }

    /// Goes by the accumulator: a binary search over segments, which begin with 0.
    pub(crate) fn search(&mut self, segments: &[Segment]) -> Goal {
        let leaves = leaves(segments);
        self.subtree(&leaves)
    }

    fn subtree(&mut self, leaves: &[Leaf]) -> Goal {
        match leaves {
            [] => Goal::Return(0),
            [leaf] => {
                let mut goal = leaf.goal;
                for (value, exception) in leaf.exceptions.iter().rev() {
                    goal = self.branch(Test::Equal, *value, *exception, goal);
                }
                goal
            }
            leaves => {
                let (low, high) = leaves.split_at(leaves.len() / 2);
                let from = high[0].start;
                let high = self.subtree(high);
                let low = self.subtree(low);
                self.branch(Test::GreaterOrEqual, from, high, low)
            }
        }
    }
}

/// A segment with single values in it that go elsewhere.
struct Leaf {
    start: u32,
    goal: Goal,
    exceptions: Vec<(u32, Goal)>,
}

/// A single value amid a segment costs one comparison as an exception, two as a segment.
fn leaves(segments: &[Segment]) -> Vec<Leaf> {
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut rest = segments;
    while let [first, after @ ..] = rest {
        let mut leaf = Leaf {
            start: first.start,
            goal: first.goal,
            exceptions: Vec::new(),
        };
        rest = after;
        while let Some(count) = singles(rest, leaf.goal) {
            if leaf.exceptions.len() + count > LEAF_EXCEPTIONS {
                break;
            }
            let exceptions = rest[..count].iter();
            leaf.exceptions
                .extend(exceptions.map(|segment| (segment.start, segment.goal)));
            rest = &rest[count + 1..];
        }
        leaves.push(leaf);
    }
    leaves
}

/// How many single values, one or two, stand before a segment with this goal.
fn singles(segments: &[Segment], goal: Goal) -> Option<usize> {
    let single = |at: usize| {
        let next = segments.get(at + 1)?;
        (next.start == segments[at].start + 1).then_some(next.goal)
    };
    let next = single(0)?;
    if next == goal {
        return Some(1);
    }
    (single(1)? == goal).then_some(2)
}

/// Joins neighbours with the same goal, and drops segments that are empty.
pub(crate) fn joined(segments: &[Segment]) -> Vec<Segment> {
    let mut joined: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        if let Some(last) = joined.last_mut()
            && last.start == segment.start
        {
            last.goal = segment.goal;
            let before = joined.len().checked_sub(2).map(|at| joined[at].goal);
            if before == Some(segment.goal) {
                joined.pop();
            }
            continue;
        }
        if joined.last().is_none_or(|last| last.goal != segment.goal) {
            joined.push(*segment);
        }
    }
    joined
}
