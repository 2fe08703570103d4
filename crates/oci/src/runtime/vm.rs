//! The virtual machine that a container shall run in.

document! {
    /// The machine.
    #[derive(Default)]
    pub struct Vm {
        always {
            /// Its kernel.
            pub kernel: Kernel,
        }
        /// The program that makes the machine.
        pub hypervisor: Hypervisor,
        /// Its root file system.
        pub image: VmImage,
        /// Its hardware.
        #[serde(rename = "hwconfig")]
        pub hardware: Option<HardwareConfig>,
    }

    /// A hypervisor on the host.
    #[derive(Default)]
    pub struct Hypervisor {
        always {
            /// Its path.
            pub path: String,
        }
        /// Its arguments.
        pub parameters: Vec<String>,
    }

    /// A kernel on the host.
    #[derive(Default)]
    pub struct Kernel {
        always {
            /// Its path.
            pub path: String,
        }
        /// Its command line.
        pub parameters: Vec<String>,
        /// Its initial ram disk's path.
        pub initrd: String,
    }

    /// A root image on the host.
    #[derive(Default)]
    pub struct VmImage {
        always {
            /// Its path.
            pub path: String,
            /// Such as `raw` or `qcow2`.
            pub format: String,
        }
    }

    /// The machine's hardware.
    #[derive(Default)]
    pub struct HardwareConfig {
        /// A device tree's path.
        pub device_tree: String,
        /// Number of CPUs.
        pub vcpus: Option<u32>,
        /// Bytes of memory.
        pub memory: Option<u64>,
        /// Nodes of the host's device tree that are passed through.
        #[serde(rename = "dtdevs")]
        pub dt_devs: Vec<String>,
        /// Memory of devices that is passed through.
        #[serde(rename = "iomems")]
        pub io_mems: Vec<IoMem>,
        /// Interrupts that are passed through.
        pub irqs: Vec<u32>,
    }

    /// Pages of a device's memory.
    #[derive(Default)]
    pub struct IoMem {
        always {
            /// The first physical frame.
            #[serde(rename = "firstMFN")]
            pub first_mfn: Option<u64>,
            /// How many.
            #[serde(rename = "nrMFNs")]
            pub nr_mfns: Option<u64>,
        }
        /// The first frame in the guest; the same if missing.
        #[serde(rename = "firstGFN")]
        pub first_gfn: Option<u64>,
    }
}
