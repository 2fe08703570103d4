//! What a runtime tells about a container: to callers, to hooks, to a seccomp agent.

use std::collections::BTreeMap;

document! {
    /// The state of a container.
    pub struct State {
        required {
            /// The version of the specification.
            pub oci_version: String,
            /// The container's id.
            pub id: String,
            /// Where in its life it is.
            pub status: Status,
        }
        always {
            /// The bundle's absolute path.
            pub bundle: String,
        }
        /// The init's pid in the runtime's namespace, 0 when stopped.
        pub pid: i32,
        /// The configuration's annotations.
        pub annotations: BTreeMap<String, String>,
    }

    /// What is sent to a seccomp agent, along with the descriptors named.
    pub struct ProcessState {
        required {
            /// The version of the specification.
            pub oci_version: String,
            /// The descriptors' names, in their order.
            pub fds: Vec<String>,
            /// The process that is filtered.
            pub pid: i32,
            /// Its container.
            pub state: State,
        }
        /// The filter's `listenerMetadata`.
        pub metadata: String,
    }
}

words! {
    /// Where in its life a container is.
    pub enum Status {
        /// Being made.
        Creating = "creating",
        /// Made, the program waits to be started.
        Created = "created",
        /// The program runs.
        Running = "running",
        /// The program has ended.
        Stopped = "stopped",
        /// Frozen; an extension that runc and its callers know.
        Paused = "paused",
    }
}

impl ProcessState {
    /// The name of the seccomp notification descriptor in [`Self::fds`].
    pub const SECCOMP_FD: &str = "seccompFd";
}
