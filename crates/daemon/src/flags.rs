//! The command line, in dockerd's words where it has them.

use clap::Parser;
use std::path::PathBuf;

/// Run corten's daemon, which serves the Docker Engine API
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "corten daemon", version, disable_help_subcommand = true)]
pub(crate) struct Flags {
    /// What must outlive a reboot
    #[arg(long, visible_alias = "data-root", value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// What a reboot may take
    #[arg(long, visible_alias = "exec-root", value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    /// Socket to listen on: unix://PATH, tcp://ADDRESS:PORT or fd:// (repeatable)
    #[arg(short = 'H', long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Encrypt TCP; implied by --tlsverify
    #[arg(long)]
    pub(crate) tls: bool,
    /// Encrypt TCP and take only clients with a certificate of --tlscacert's
    #[arg(long)]
    pub(crate) tlsverify: bool,
    /// Certificates that vouch for clients
    #[arg(long, value_name = "FILE")]
    pub(crate) tlscacert: Option<PathBuf>,
    /// The daemon's certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) tlscert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE")]
    pub(crate) tlskey: Option<PathBuf>,
    /// Address that metrics are served on, in the clear: ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_addr: Option<String>,
    /// Group that may use the Unix sockets
    #[arg(short = 'G', long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// Check the configuration and stop
    #[arg(long)]
    pub(crate) validate: bool,
    /// Log for debugging
    #[arg(short = 'D', long)]
    pub(crate) debug: bool,
    /// Log from this level on: trace, debug, info, warn or error
    #[arg(short = 'l', long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Form of the log: text or json
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// File that the daemon's process id is written to
    #[arg(short = 'p', long, value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,
    /// Label of the daemon, key=value (repeatable)
    #[arg(long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
    /// Seconds that running requests get when the daemon stops
    #[arg(long, value_name = "SECONDS")]
    pub(crate) shutdown_timeout: Option<u64>,
    /// Log driver of containers that name none
    #[arg(long, value_name = "DRIVER")]
    pub(crate) log_driver: Option<String>,
    /// Option of that driver, key=value (repeatable)
    #[arg(long = "log-opt", value_name = "OPTION")]
    pub(crate) log_opts: Vec<String>,
    /// How layers are kept and roots made: erofs, overlay2 or vfs; else the best that works
    #[arg(short, long, value_name = "DRIVER")]
    pub(crate) storage_driver: Option<String>,
    /// Give containers an init
    #[arg(long)]
    pub(crate) init: bool,
    /// Cgroup under which those of containers are made
    #[arg(long, value_name = "CGROUP")]
    pub(crate) cgroup_parent: Option<String>,
    /// Option of the engine: native.cgroupdriver=cgroupfs or =systemd (repeatable)
    #[arg(long = "exec-opt", value_name = "OPTION")]
    pub(crate) exec_opts: Vec<String>,
    /// Resource limit of containers that do not set it, NAME=SOFT[:HARD] (repeatable)
    #[arg(long = "default-ulimit", value_name = "ULIMIT")]
    pub(crate) default_ulimits: Vec<String>,
    /// Size of /dev/shm of containers that do not say, such as 64m
    #[arg(long, value_name = "BYTES")]
    pub(crate) default_shm_size: Option<String>,
    /// Let no program of containers gain privileges, where they do not say
    #[arg(long)]
    pub(crate) no_new_privileges: bool,
    /// Filter of system calls of containers that name none: a file, builtin or unconfined
    #[arg(long, value_name = "FILE")]
    pub(crate) seccomp_profile: Option<String>,
    /// IPC namespace of containers that do not say: private or shareable
    #[arg(long, value_name = "MODE")]
    pub(crate) default_ipc_mode: Option<String>,
    /// Cgroup namespace of containers that do not say: private or host
    #[arg(long, value_name = "MODE")]
    pub(crate) default_cgroupns_mode: Option<String>,
    /// Whose subordinate ids containers have, USER[:GROUP]; default: dockremap's
    #[arg(long, value_name = "USER")]
    pub(crate) userns_remap: Option<String>,
    /// Layers that are fetched at once
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_concurrent_downloads: Option<usize>,
    /// Layers that are sent at once
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_concurrent_uploads: Option<usize>,
    /// Attempts in a row at a registry that get nowhere
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_download_attempts: Option<u32>,
    /// Registry asked before Docker Hub (repeatable)
    #[arg(long = "registry-mirror", value_name = "URL")]
    pub(crate) registry_mirrors: Vec<String>,
    /// Registry reached without TLS (repeatable)
    #[arg(long = "insecure-registry", value_name = "REGISTRY")]
    pub(crate) insecure_registries: Vec<String>,
    /// Directory with a directory for each registry's host: hosts.toml or certificates (repeatable)
    #[arg(long, value_name = "DIR")]
    pub(crate) registry_hosts: Vec<PathBuf>,
    /// File like docker's config.json with the credentials of mirrors
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_credentials: Option<PathBuf>,
    /// Proxy on the way to registries in the clear
    #[arg(long, value_name = "URL")]
    pub(crate) http_proxy: Option<String>,
    /// Proxy on the way to registries by TLS
    #[arg(long, value_name = "URL")]
    pub(crate) https_proxy: Option<String>,
    /// Hosts that are reached without a proxy, parted by commas
    #[arg(long, value_name = "HOSTS")]
    pub(crate) no_proxy: Option<String>,
    /// The host's address on the default bridge, with its prefix: 10.5.0.1/24
    #[arg(long, value_name = "CIDR")]
    pub(crate) bip: Option<String>,
    /// Part of the default bridge's subnet that addresses are given from
    #[arg(long, value_name = "CIDR")]
    pub(crate) fixed_cidr: Option<String>,
    /// The default bridge's subnet of IPv6
    #[arg(long, value_name = "CIDR")]
    pub(crate) fixed_cidr_v6: Option<String>,
    /// Give containers of the default bridge addresses of IPv6 too
    #[arg(long)]
    pub(crate) ipv6: bool,
    /// Let containers of the default bridge reach each other
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) icc: Option<bool>,
    /// Give what they send outside the host's address
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) ip_masq: Option<bool>,
    /// Address that ports are published at where none is said
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,
    /// Largest packet of the default bridge, in bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) mtu: Option<u32>,
    /// Name server of containers that name none (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dns: Vec<String>,
    /// Search domain of containers that name none (repeatable)
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) dns_search: Vec<String>,
    /// Resolver option of containers that give none (repeatable)
    #[arg(long = "dns-opt", value_name = "OPTION")]
    pub(crate) dns_options: Vec<String>,
    /// What host-gateway means (repeatable)
    #[arg(long = "host-gateway-ip", value_name = "ADDRESS")]
    pub(crate) host_gateway_ips: Vec<String>,
    /// Where networks get subnets from: base=10.0.0.0/8,size=24 (repeatable)
    #[arg(long = "default-address-pool", value_name = "POOL")]
    pub(crate) default_address_pools: Vec<String>,
    /// Option of networks whose makers say nothing: driver=name=value (repeatable)
    #[arg(long = "default-network-opt", value_name = "OPTION")]
    pub(crate) default_network_opts: Vec<String>,
    /// Stop after so many seconds without container and client; 0: never
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_timeout: Option<u64>,
    /// Descriptor that a byte is written to once the daemon answers; says that a client started it
    #[arg(long, value_name = "FD", hide = true)]
    pub(crate) ready_fd: Option<i32>,
}
