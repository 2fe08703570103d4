//! A compiled filter.

use sys::seccomp::{Instruction as Loadable, NEW_LISTENER};

/// A filter, ready for `seccomp(2)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) flags: u32,
}

/// One instruction, as [`Loadable`], which cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

impl Program {
    /// The filter of these flags and of instructions as [`Self::to_bytes`] gives them; `None`
    /// if there are no whole instructions.
    pub fn from_bytes(flags: u32, bytes: &[u8]) -> Option<Self> {
        let (instructions, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let read = |&[a, b, jt, jf, c, d, e, f]: &[u8; 8]| Instruction {
            code: u16::from_ne_bytes([a, b]),
            jt,
            jf,
            k: u32::from_ne_bytes([c, d, e, f]),
        };
        let instructions: Vec<_> = instructions.iter().map(read).collect();
        (!instructions.is_empty()).then_some(Self {
            instructions,
            flags,
        })
    }

    /// The instructions, as [`sys::seccomp::load`] takes them.
    pub fn filter(&self) -> Vec<Loadable> {
        let filter = |instruction: &Instruction| Loadable {
            code: instruction.code,
            jt: instruction.jt,
            jf: instruction.jf,
            k: instruction.k,
        };
        self.instructions.iter().map(filter).collect()
    }

    /// The instructions as the kernel's `struct sock_filter`s in memory, in native byte order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.instructions.len() * 8);
        for instruction in &self.instructions {
            bytes.extend_from_slice(&instruction.code.to_ne_bytes());
            bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
            bytes.extend_from_slice(&instruction.k.to_ne_bytes());
        }
        bytes
    }

    /// The flags for `seccomp(2)`.
    pub const fn flags(&self) -> u32 {
        self.flags
    }

    /// Whether loading gives a descriptor for a supervisor, who decides on some calls.
    pub const fn listener(&self) -> bool {
        self.flags & NEW_LISTENER != 0
    }

    /// Number of instructions.
    pub const fn len(&self) -> usize {
        self.instructions.len()
    }

    /// Whether there are no instructions; never so for a compiled filter.
    pub const fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }
}
