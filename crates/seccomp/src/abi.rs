//! Architectures: how the kernel names them to a filter, and how their calls are numbered.

use crate::syscalls::Column;
use oci::runtime::Arch;

/// The bit in x32's call numbers.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

// linux/audit.h: the ELF machine, bit 31 for 64 bit, bit 30 for little endian.
const LE: u32 = 0x4000_0000;
const WIDE: u32 = 0x8000_0000;
const N32: u32 = 0x2000_0000;

/// One way of calling the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abi {
    pub(crate) arch: Arch,
    /// `seccomp_data.arch`.
    pub(crate) audit: u32,
    pub(crate) column: Column,
    /// What is added to the table's numbers.
    pub(crate) base: u32,
    /// Whether arguments are compared with all of their 64 bits.
    pub(crate) wide: bool,
    /// The numbers of `socketcall` and `ipc`, which do what newer calls do one by one.
    pub(crate) multiplexers: Option<(u32, u32)>,
    pub(crate) big_endian: bool,
}

impl Abi {
    pub(crate) const fn of(arch: Arch) -> Option<Self> {
        let (audit, column, base, wide) = match arch {
            Arch::X86_64 => (62 | WIDE | LE, Column::X86_64, 0, true),
            Arch::X86 => (3 | LE, Column::X86, 0, false),
            Arch::X32 => (62 | WIDE | LE, Column::X32, X32_BIT, false),
            Arch::Aarch64 => (183 | WIDE | LE, Column::Aarch64, 0, true),
            Arch::Arm => (40 | LE, Column::Arm, 0, false),
            Arch::Riscv64 => (243 | WIDE | LE, Column::Riscv64, 0, true),
            Arch::Loongarch64 => (258 | WIDE | LE, Column::Loongarch64, 0, true),
            Arch::Ppc64le => (21 | WIDE | LE, Column::Ppc64, 0, true),
            Arch::Ppc64 => (21 | WIDE, Column::Ppc64, 0, true),
            Arch::Ppc => (20, Column::Ppc, 0, false),
            Arch::S390x => (22 | WIDE, Column::S390x, 0, true),
            Arch::S390 => (22, Column::S390, 0, false),
            Arch::Mipsel64 => (8 | WIDE | LE, Column::Mips64, 5000, true),
            Arch::Mips64 => (8 | WIDE, Column::Mips64, 5000, true),
            Arch::Mipsel64N32 => (8 | WIDE | LE | N32, Column::Mips64n32, 6000, false),
            Arch::Mips64N32 => (8 | WIDE | N32, Column::Mips64n32, 6000, false),
            Arch::Mipsel => (8 | LE, Column::Mips, 4000, false),
            Arch::Mips => (8, Column::Mips, 4000, false),
            Arch::Parisc | Arch::Parisc64 | Arch::M68k | Arch::Sh | Arch::Sheb => return None,
        };
        let multiplexers = match arch {
            Arch::X86 | Arch::Ppc | Arch::Ppc64 | Arch::Ppc64le | Arch::S390 | Arch::S390x => {
                Some((102, 117))
            }
            Arch::Mips | Arch::Mipsel => Some((4102, 4117)),
            _ => None,
        };
        Some(Self {
            arch,
            audit,
            column,
            base,
            wide,
            multiplexers,
            big_endian: audit & LE == 0,
        })
    }

    /// The architecture that this program is compiled for.
    pub(crate) const NATIVE: Arch = if cfg!(target_arch = "aarch64") {
        Arch::Aarch64
    } else if cfg!(target_arch = "riscv64") {
        Arch::Riscv64
    } else {
        Arch::X86_64
    };
}

/// The first argument of `socketcall` (linux/net.h) or `ipc` (linux/ipc.h) that stands for a call.
pub(crate) fn multiplexed(name: &str) -> Option<(Multiplexer, u32)> {
    use Multiplexer::{Ipc, Socket};
    Some(match name {
        "socket" => (Socket, 1),
        "bind" => (Socket, 2),
        "connect" => (Socket, 3),
        "listen" => (Socket, 4),
        "accept" => (Socket, 5),
        "getsockname" => (Socket, 6),
        "getpeername" => (Socket, 7),
        "socketpair" => (Socket, 8),
        "send" => (Socket, 9),
        "recv" => (Socket, 10),
        "sendto" => (Socket, 11),
        "recvfrom" => (Socket, 12),
        "shutdown" => (Socket, 13),
        "setsockopt" => (Socket, 14),
        "getsockopt" => (Socket, 15),
        "sendmsg" => (Socket, 16),
        "recvmsg" => (Socket, 17),
        "accept4" => (Socket, 18),
        "recvmmsg" => (Socket, 19),
        "sendmmsg" => (Socket, 20),
        "semop" => (Ipc, 1),
        "semget" => (Ipc, 2),
        "semctl" => (Ipc, 3),
        "semtimedop" => (Ipc, 4),
        "msgsnd" => (Ipc, 11),
        "msgrcv" => (Ipc, 12),
        "msgget" => (Ipc, 13),
        "msgctl" => (Ipc, 14),
        "shmat" => (Ipc, 21),
        "shmdt" => (Ipc, 22),
        "shmget" => (Ipc, 23),
        "shmctl" => (Ipc, 24),
        _ => return None,
    })
}

/// A call that does what others do one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Multiplexer {
    Socket,
    Ipc,
}
