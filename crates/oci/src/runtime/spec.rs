//! `config.json` itself, its root, mounts and hooks.

use super::{IdMapping, Linux, Process, Vm, Windows};
use serde_json::Value;
use std::collections::BTreeMap;

document! {
    /// The configuration of a container.
    #[derive(Default)]
    pub struct Spec {
        always {
            /// The version of the specification that the bundle follows.
            pub oci_version: String,
        }
        /// The program to run.
        pub process: Option<Process>,
        /// The root file system.
        pub root: Option<Root>,
        /// The host name seen inside.
        pub hostname: String,
        /// The NIS domain name seen inside.
        pub domainname: String,
        /// What is mounted over the root, in this order.
        pub mounts: Vec<Mount>,
        /// Programs run at the container's transitions.
        pub hooks: Option<Hooks>,
        /// Free keys and values.
        pub annotations: BTreeMap<String, String>,
        /// What only Linux has.
        pub linux: Option<Linux>,
        /// What only Windows has.
        pub windows: Option<Windows>,
        /// The virtual machine that the container shall run in.
        pub vm: Option<Vm>,
        /// Solaris' section, kept as it is.
        pub solaris: Option<Value>,
        /// z/OS' section, kept as it is.
        pub zos: Option<Value>,
        /// FreeBSD's section, kept as it is.
        pub freebsd: Option<Value>,
    }

    /// The root file system in the bundle.
    #[derive(Default)]
    pub struct Root {
        always {
            /// Its directory, absolute or relative to the bundle.
            pub path: String,
        }
        /// Whether it is mounted read-only.
        pub readonly: bool,
    }

    /// One mount.
    #[derive(Default)]
    pub struct Mount {
        always {
            /// Where, inside the container.
            pub destination: String,
        }
        /// The file system's type.
        #[serde(rename = "type")]
        pub kind: String,
        /// A device, a directory or a name, as the type wants it.
        pub source: String,
        /// Options in fstab's style.
        pub options: Vec<String>,
        /// Users' mapping of this mount.
        pub uid_mappings: Vec<IdMapping>,
        /// Groups' mapping of this mount.
        pub gid_mappings: Vec<IdMapping>,
    }

    /// A program run at a transition.
    #[derive(Default)]
    pub struct Hook {
        always {
            /// An absolute path.
            pub path: String,
        }
        /// Its arguments, `argv[0]` included.
        pub args: Vec<String>,
        /// Its environment.
        pub env: Vec<String>,
        /// Seconds until it is ended.
        pub timeout: Option<i64>,
    }

    /// The hooks by transition.
    #[derive(Default)]
    pub struct Hooks {
        /// Deprecated: after the namespaces are made, before `createRuntime`.
        pub prestart: Vec<Hook>,
        /// In the runtime's namespaces, before the root is pivoted.
        pub create_runtime: Vec<Hook>,
        /// In the container's namespaces, before the root is pivoted.
        pub create_container: Vec<Hook>,
        /// In the container's namespaces, before the program is executed.
        pub start_container: Vec<Hook>,
        /// In the runtime's namespaces, after the program is executed.
        pub poststart: Vec<Hook>,
        /// In the runtime's namespaces, after the container is deleted.
        pub poststop: Vec<Hook>,
    }
}
