//! The program to run and what it may.

document! {
    /// The program, its user and its limits.
    #[derive(Default)]
    pub struct Process {
        always {
            /// Who it runs as.
            pub user: User,
            /// The working directory, absolute.
            pub cwd: String,
        }
        /// Whether it gets a terminal.
        pub terminal: bool,
        /// The terminal's size.
        pub console_size: Option<ConsoleSize>,
        /// The program and its arguments.
        pub args: Vec<String>,
        /// Windows' command line in one string.
        pub command_line: String,
        /// `NAME=value` each.
        pub env: Vec<String>,
        /// Its capabilities; none at all if missing.
        pub capabilities: Option<Capabilities>,
        /// Its resource limits.
        pub rlimits: Vec<Rlimit>,
        /// Whether executing can never raise privileges.
        pub no_new_privileges: bool,
        /// The AppArmor profile it is confined by.
        pub apparmor_profile: String,
        /// How likely it is killed when memory is short.
        pub oom_score_adj: Option<i32>,
        /// How it is scheduled.
        pub scheduler: Option<Scheduler>,
        /// The SELinux label it runs under.
        pub selinux_label: String,
        /// How its input and output are scheduled.
        pub io_priority: Option<IoPriority>,
        /// On which CPUs a program added later is started.
        #[serde(rename = "execCPUAffinity")]
        pub exec_cpu_affinity: Option<CpuAffinity>,
    }

    /// A terminal's size in characters.
    #[derive(Copy, Default)]
    pub struct ConsoleSize {
        always {
            /// Rows.
            pub height: u32,
            /// Columns.
            pub width: u32,
        }
    }

    /// A user by numbers.
    #[derive(Default)]
    pub struct User {
        always {
            /// The user.
            pub uid: u32,
            /// The group.
            pub gid: u32,
        }
        /// The file mode creation mask.
        pub umask: Option<u32>,
        /// Further groups.
        pub additional_gids: Vec<u32>,
        /// Windows' user name.
        pub username: String,
    }

    /// The five sets, by names such as `CAP_CHOWN`.
    #[derive(Default)]
    pub struct Capabilities {
        /// The most that executing can give.
        pub bounding: Vec<String>,
        /// Those checked.
        pub effective: Vec<String>,
        /// Those kept across executing a file that has them too.
        pub inheritable: Vec<String>,
        /// The most that can be made effective.
        pub permitted: Vec<String>,
        /// Those kept across executing a plain file.
        pub ambient: Vec<String>,
    }

    /// One resource limit.
    pub struct Rlimit {
        required {
            /// Of what.
            #[serde(rename = "type")]
            pub kind: RlimitKind,
        }
        always {
            /// The ceiling of the soft limit.
            pub hard: u64,
            /// What is enforced.
            pub soft: u64,
        }
    }

    /// The arguments of `sched_setattr(2)`.
    pub struct Scheduler {
        required {
            /// The policy.
            pub policy: SchedulerPolicy,
        }
        /// The nice value, for the policies that have one.
        pub nice: i32,
        /// The static priority, for the real-time policies.
        pub priority: i32,
        /// Flags.
        pub flags: Vec<SchedulerFlag>,
        /// Nanoseconds of each period, for the deadline policy.
        pub runtime: u64,
        /// Nanoseconds until it must have had them.
        pub deadline: u64,
        /// The period in nanoseconds.
        pub period: u64,
    }

    /// The arguments of `ioprio_set(2)`.
    pub struct IoPriority {
        required {
            /// The class.
            pub class: IoPriorityClass,
        }
        always {
            /// The priority in the class, 0 to 7.
            pub priority: i32,
        }
    }

    /// CPU lists such as `0-3,7`.
    #[derive(Default)]
    pub struct CpuAffinity {
        /// Before the program has joined the cgroup.
        pub initial: String,
        /// After.
        #[serde(rename = "final")]
        pub last: String,
    }
}

words! {
    /// What a resource limit limits.
    pub enum RlimitKind {
        /// Address space.
        As = "RLIMIT_AS",
        /// Core file size.
        Core = "RLIMIT_CORE",
        /// CPU seconds.
        Cpu = "RLIMIT_CPU",
        /// Data segment.
        Data = "RLIMIT_DATA",
        /// File size.
        Fsize = "RLIMIT_FSIZE",
        /// File locks.
        Locks = "RLIMIT_LOCKS",
        /// Locked memory.
        Memlock = "RLIMIT_MEMLOCK",
        /// Message queues' bytes.
        Msgqueue = "RLIMIT_MSGQUEUE",
        /// Ceiling of the nice value.
        Nice = "RLIMIT_NICE",
        /// Open files.
        Nofile = "RLIMIT_NOFILE",
        /// Processes of the user.
        Nproc = "RLIMIT_NPROC",
        /// Resident set.
        Rss = "RLIMIT_RSS",
        /// Ceiling of the real-time priority.
        Rtprio = "RLIMIT_RTPRIO",
        /// Microseconds of real-time scheduling without a blocking call.
        Rttime = "RLIMIT_RTTIME",
        /// Queued signals.
        Sigpending = "RLIMIT_SIGPENDING",
        /// Stack size.
        Stack = "RLIMIT_STACK",
    }

    /// A scheduling policy.
    pub enum SchedulerPolicy {
        /// Time sharing.
        Other = "SCHED_OTHER",
        /// Real time, first in first out.
        Fifo = "SCHED_FIFO",
        /// Real time, round robin.
        RoundRobin = "SCHED_RR",
        /// Batch.
        Batch = "SCHED_BATCH",
        /// Isochronous; no kernel has it.
        Iso = "SCHED_ISO",
        /// Idle.
        Idle = "SCHED_IDLE",
        /// Deadline.
        Deadline = "SCHED_DEADLINE",
    }

    /// A flag of the scheduler.
    pub enum SchedulerFlag {
        /// Children start with the default policy.
        ResetOnFork = "SCHED_FLAG_RESET_ON_FORK",
        /// Unused bandwidth of others may be used.
        Reclaim = "SCHED_FLAG_RECLAIM",
        /// A signal tells of an overrun.
        DeadlineOverrun = "SCHED_FLAG_DL_OVERRUN",
        /// The policy stays.
        KeepPolicy = "SCHED_FLAG_KEEP_POLICY",
        /// The parameters stay.
        KeepParams = "SCHED_FLAG_KEEP_PARAMS",
        /// The least utilisation hint is set.
        UtilClampMin = "SCHED_FLAG_UTIL_CLAMP_MIN",
        /// The greatest utilisation hint is set.
        UtilClampMax = "SCHED_FLAG_UTIL_CLAMP_MAX",
    }

    /// A class of input and output priority.
    pub enum IoPriorityClass {
        /// Real time.
        RealTime = "IOPRIO_CLASS_RT",
        /// Best effort.
        BestEffort = "IOPRIO_CLASS_BE",
        /// Only when nobody else wants to.
        Idle = "IOPRIO_CLASS_IDLE",
    }
}
