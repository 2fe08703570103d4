//! The system call filter.

document! {
    /// A filter.
    pub struct Seccomp {
        required {
            /// What happens to a call that no rule matches.
            pub default_action: SeccompAction,
        }
        /// The error number if that is an error or a trace.
        pub default_errno_ret: Option<u32>,
        /// The architectures whose calls pass the filter at all, the native one implied.
        pub architectures: Vec<Arch>,
        /// Flags of `seccomp(2)`; without a list it is not the same as with an empty one.
        pub flags: Option<Vec<SeccompFlag>>,
        /// The Unix socket that the notification descriptor is sent to.
        pub listener_path: String,
        /// What is sent along.
        pub listener_metadata: String,
        /// The rules.
        pub syscalls: Vec<Syscall>,
    }

    /// A rule.
    pub struct Syscall {
        required {
            /// What happens.
            pub action: SeccompAction,
        }
        always {
            /// To which calls; names unknown to the architecture are skipped.
            pub names: Vec<String>,
        }
        /// The error number if the action has one.
        pub errno_ret: Option<u32>,
        /// Conditions, all of which must hold.
        pub args: Vec<SeccompArg>,
    }

    /// A condition on one argument.
    #[derive(Copy, Eq)]
    pub struct SeccompArg {
        required {
            /// The comparison.
            pub op: SeccompOperator,
        }
        always {
            /// Which argument, 0 to 5.
            pub index: u32,
            /// What it is compared with, or the mask.
            pub value: u64,
        }
        /// What the masked argument is compared with.
        pub value_two: u64,
    }
}

words! {
    /// What happens to a call.
    pub enum SeccompAction {
        /// The thread ends.
        Kill = "SCMP_ACT_KILL",
        /// The process ends.
        KillProcess = "SCMP_ACT_KILL_PROCESS",
        /// The thread ends.
        KillThread = "SCMP_ACT_KILL_THREAD",
        /// The thread gets SIGSYS.
        Trap = "SCMP_ACT_TRAP",
        /// The call fails with an error number.
        Errno = "SCMP_ACT_ERRNO",
        /// A tracer decides.
        Trace = "SCMP_ACT_TRACE",
        /// It goes ahead.
        Allow = "SCMP_ACT_ALLOW",
        /// It goes ahead and is logged.
        Log = "SCMP_ACT_LOG",
        /// A supervisor decides.
        Notify = "SCMP_ACT_NOTIFY",
    }

    /// A comparison.
    pub enum SeccompOperator {
        /// Not equal.
        NotEqual = "SCMP_CMP_NE",
        /// Less than.
        LessThan = "SCMP_CMP_LT",
        /// Less than or equal.
        LessEqual = "SCMP_CMP_LE",
        /// Equal.
        Equal = "SCMP_CMP_EQ",
        /// Greater than or equal.
        GreaterEqual = "SCMP_CMP_GE",
        /// Greater than.
        GreaterThan = "SCMP_CMP_GT",
        /// Equal under a mask.
        MaskedEqual = "SCMP_CMP_MASKED_EQ",
    }

    /// A flag of `seccomp(2)`.
    pub enum SeccompFlag {
        /// All threads get the filter.
        Tsync = "SECCOMP_FILTER_FLAG_TSYNC",
        /// Every action but allow is logged.
        Log = "SECCOMP_FILTER_FLAG_LOG",
        /// Speculative store bypass stays possible.
        SpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        /// A notified call waits killable once the supervisor has it.
        WaitKillableRecv = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    }

    /// An architecture's system call convention.
    pub enum Arch {
        /// i386.
        X86 = "SCMP_ARCH_X86",
        /// x86-64.
        X86_64 = "SCMP_ARCH_X86_64",
        /// x86-64 with 32-bit pointers.
        X32 = "SCMP_ARCH_X32",
        /// 32-bit ARM, EABI.
        Arm = "SCMP_ARCH_ARM",
        /// 64-bit ARM.
        Aarch64 = "SCMP_ARCH_AARCH64",
        /// MIPS, o32, big endian.
        Mips = "SCMP_ARCH_MIPS",
        /// MIPS, n64, big endian.
        Mips64 = "SCMP_ARCH_MIPS64",
        /// MIPS, n32, big endian.
        Mips64N32 = "SCMP_ARCH_MIPS64N32",
        /// MIPS, o32, little endian.
        Mipsel = "SCMP_ARCH_MIPSEL",
        /// MIPS, n64, little endian.
        Mipsel64 = "SCMP_ARCH_MIPSEL64",
        /// MIPS, n32, little endian.
        Mipsel64N32 = "SCMP_ARCH_MIPSEL64N32",
        /// PowerPC.
        Ppc = "SCMP_ARCH_PPC",
        /// 64-bit PowerPC, big endian.
        Ppc64 = "SCMP_ARCH_PPC64",
        /// 64-bit PowerPC, little endian.
        Ppc64le = "SCMP_ARCH_PPC64LE",
        /// 31-bit s390.
        S390 = "SCMP_ARCH_S390",
        /// 64-bit s390.
        S390x = "SCMP_ARCH_S390X",
        /// PA-RISC.
        Parisc = "SCMP_ARCH_PARISC",
        /// 64-bit PA-RISC.
        Parisc64 = "SCMP_ARCH_PARISC64",
        /// 64-bit RISC-V.
        Riscv64 = "SCMP_ARCH_RISCV64",
        /// 64-bit LoongArch.
        Loongarch64 = "SCMP_ARCH_LOONGARCH64",
        /// Motorola 68000.
        M68k = "SCMP_ARCH_M68K",
        /// SuperH, little endian.
        Sh = "SCMP_ARCH_SH",
        /// SuperH, big endian.
        Sheb = "SCMP_ARCH_SHEB",
    }
}
