//! The guards that attacks meet, by name, so that a test can drop one and see what it is good for.
//!
//! A test that tries an attack shows something only if the attack succeeds without its guard.
//! Builds without debug assertions have nothing of it: there every guard holds, and the compiler
//! leaves the question out.

use std::cell::Cell;

/// One thing that stops an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Guard {
    /// Links and `..` in a path of the container end at its root.
    Root,
    /// Where procfs and sysfs are mounted, and where devices are made, nothing is a link.
    Links,
    /// No magic link of procfs is followed on the way to a place.
    MagicLinks,
    /// Files are masked by the host's null device, and it is one.
    NullDevice,
    /// A device that is there already is the one that is wanted.
    Devices,
    /// The multiplexer of terminals is one, of a devpts.
    Multiplexer,
    /// At `/dev/console` is the terminal that was opened, and not what has its name.
    Console,
    /// What is written to procfs goes to one of our own, over which nothing is mounted.
    Procfs,
    /// A kernel parameter belongs to a namespace of the container.
    Sysctl,
    /// Descriptors that the container shall not have are closed.
    Descriptors,
    /// The working directory is inside the root.
    WorkingDirectory,
    /// The inheritable capabilities are those of the configuration.
    Inheritable,
    /// Lists of users and groups have a bearable size.
    Accounts,
    /// The user's group is among the supplementary groups too.
    OwnGroup,
}

thread_local! {
    static DROPPED: Cell<u32> = const { Cell::new(0) };
}

impl Guard {
    /// Whether guards can be dropped in this build.
    pub const DROPPABLE: bool = cfg!(debug_assertions);

    /// Whether it is there; the child has its parent's answer.
    #[inline]
    pub(crate) fn holds(self) -> bool {
        !Self::DROPPABLE || DROPPED.get() & self.bit() == 0
    }

    /// Calls `attack`, while containers that this thread makes are without these guards.
    pub fn without<T>(guards: &[Self], attack: impl FnOnce() -> T) -> T {
        let bits = guards.iter().fold(0, |bits, guard| bits | guard.bit());
        let before = DROPPED.replace(bits);
        let ended = attack();
        DROPPED.set(before);
        ended
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}
