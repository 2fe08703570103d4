//! Flags to the request.

use super::container::ContainerOptions;
use super::flags::{BlockIo, FurtherLimits, Limits, Processors, Security, Storage};
use super::{block_io, device, health, key_value, mount, network, ports, security, ulimit};
use crate::terminal;
use docker_schema::container::{Config, CreateRequest, HostConfig, LogConfig};

/// What is attached to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attached {
    /// Standard input.
    pub(crate) stdin: bool,
    /// Standard output.
    pub(crate) stdout: bool,
    /// Standard error.
    pub(crate) stderr: bool,
}

impl Attached {
    /// Whether anything is.
    pub(crate) fn any(self) -> bool {
        self.stdin || self.stdout || self.stderr
    }
}

fn list(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.to_vec())
}

impl ContainerOptions {
    /// The streams that `-a` names, else all that there are.
    pub(crate) fn attached(&self, detach: bool) -> Result<Attached, String> {
        let mut attached = Attached::default();
        for stream in &self.process.attach {
            match stream.to_ascii_lowercase().as_str() {
                "stdin" => attached.stdin = true,
                "stdout" => attached.stdout = true,
                "stderr" => attached.stderr = true,
                _ => {
                    return Err(format!(
                        "invalid argument {stream:?} for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR"
                    ));
                }
            }
        }
        match (detach, self.process.attach.is_empty()) {
            (true, true) => {}
            (true, false) => return Err("Conflicting options: -a and -d".into()),
            (false, true) => {
                attached.stdout = true;
                attached.stderr = true;
                attached.stdin = self.interactive;
            }
            // COMPAT: -i attaches, whatever -a says.
            (false, false) => attached.stdin |= self.interactive,
        }
        Ok(attached)
    }

    /// The request for a container of `image` that runs `command`.
    pub(crate) fn request(
        &self,
        image: &str,
        command: &[String],
        attached: Attached,
    ) -> Result<CreateRequest, String> {
        let volumes = mount::volumes(&self.storage.volume)?;
        let ports = ports::parse(&self.network.publish, &self.exposure.expose)?;
        let (network_mode, networking_config) =
            network::networks(&self.network, &self.addresses, &self.names)?;
        let entrypoint =
            self.process
                .entrypoint
                .as_ref()
                .map(|entrypoint| match entrypoint.as_str() {
                    // An empty list would leave the image's command.
                    "" => vec![String::new()],
                    entrypoint => vec![entrypoint.to_owned()],
                });
        let config = Config {
            hostname: self.names.hostname.clone().unwrap_or_default(),
            domainname: self.names.domainname.clone().unwrap_or_default(),
            user: self.process.user.clone().unwrap_or_default(),
            attach_stdin: attached.stdin,
            attach_stdout: attached.stdout,
            attach_stderr: attached.stderr,
            exposed_ports: (!ports.exposed.is_empty()).then_some(ports.exposed),
            tty: self.tty,
            open_stdin: self.interactive,
            stdin_once: self.interactive && attached.stdin,
            env: list(&key_value::environment(
                &self.process.env_file,
                &self.process.env,
            )?),
            cmd: list(command),
            healthcheck: health::config(&self.health)?,
            image: image.to_owned(),
            volumes: (!volumes.anonymous.is_empty()).then_some(volumes.anonymous),
            working_dir: self.process.workdir.clone().unwrap_or_default(),
            entrypoint,
            mac_address: self.addresses.mac_address.clone().unwrap_or_default(),
            labels: Some(key_value::labels(
                &self.labels.label_file,
                &self.labels.label,
            )?),
            stop_signal: self.process.stop_signal.clone().unwrap_or_default(),
            stop_timeout: self.process.stop_timeout,
            ..Config::default()
        };
        let mut host = HostConfig {
            binds: list(&volumes.binds),
            network_mode,
            port_bindings: Some(ports.bindings),
            publish_all_ports: self.exposure.publish_all,
            ..HostConfig::default()
        };
        self.apply(&mut host)?;
        apply_limits(&self.limits, &mut host)?;
        apply_further_limits(&self.further_limits, &mut host)?;
        apply_processors(&self.processors, &mut host);
        apply_block_io(&self.block_io, &mut host)?;
        apply_security(&self.security, &mut host)?;
        apply_storage(&self.storage, &mut host)?;
        Ok(CreateRequest {
            config,
            host_config: host,
            networking_config,
        })
    }

    fn apply(&self, host: &mut HostConfig) -> Result<(), String> {
        let trusted = self.image.disable_content_trust.as_deref();
        if !matches!(trusted, None | Some("" | "true" | "1")) {
            return Err(
                "content trust is not supported: leave out --disable-content-trust=false".into(),
            );
        }
        host.restart_policy =
            network::restart_policy(self.process.restart.as_deref().unwrap_or("no"))?;
        let restarts = !matches!(host.restart_policy.name.as_str(), "" | "no");
        if self.rm && restarts {
            return Err("conflicting options: cannot specify both --restart and --rm".into());
        }
        host.auto_remove = self.rm;
        host.container_id_file = self
            .labels
            .cidfile
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default();
        let log_options = key_value::strict_map("--log-opt", &self.log.log_opt)?;
        host.log_config = LogConfig {
            r#type: self.log.log_driver.clone().unwrap_or_default(),
            config: Some(log_options),
        };
        if host.log_config.r#type == "none" && !self.log.log_opt.is_empty() {
            return Err("invalid logging opts for driver none".into());
        }
        let annotations = key_value::strict_map("--annotation", &self.labels.annotation)?;
        host.annotations = (!annotations.is_empty()).then_some(annotations);
        host.runtime = self.process.runtime.clone().unwrap_or_default();
        host.init = self.process.init.then_some(true);
        host.console_size = match self.tty {
            true => terminal::size().unwrap_or_default(),
            false => [0, 0],
        };
        // COMPAT: these lists are sent with nothing in them, where others are not sent.
        host.dns = Some(self.names.dns.clone());
        host.dns_options = Some(self.names.dns_option.clone());
        host.dns_search = Some(self.names.dns_search.clone());
        host.extra_hosts = list(&network::extra_hosts(&self.names.add_host)?);
        host.links = list(&self.names.link);
        host.cpu_count = self.windows.cpu_count;
        host.cpu_percent = self.windows.cpu_percent;
        host.io_maximum_iops = self.windows.io_maxiops;
        host.io_maximum_bandwidth =
            u64::try_from(self.windows.io_maxbandwidth.unwrap_or_default()).unwrap_or_default();
        Ok(())
    }
}

fn apply_limits(limits: &Limits, host: &mut HostConfig) -> Result<(), String> {
    host.memory = limits.memory.unwrap_or_default();
    host.memory_swap = limits.memory_swap.unwrap_or_default();
    host.pids_limit = limits.pids_limit;
    let ulimits = limits.ulimit.iter().map(|text| ulimit::parse(text));
    let ulimits: Vec<_> = ulimits.collect::<Result<_, _>>()?;
    host.ulimits = Some(ulimits);
    host.shm_size = limits.shm_size.unwrap_or_default();
    Ok(())
}

fn apply_further_limits(flags: &FurtherLimits, host: &mut HostConfig) -> Result<(), String> {
    host.memory_swappiness = flags.memory_swappiness.filter(|given| *given != -1);
    if let Some(wrong) = host.memory_swappiness.filter(|v| !(0..=100).contains(v)) {
        return Err(format!(
            "invalid value: {wrong}. Valid memory swappiness range is 0-100"
        ));
    }
    host.memory_reservation = flags.memory_reservation.unwrap_or_default();
    host.kernel_memory = flags.kernel_memory.unwrap_or_default();
    host.oom_kill_disable = flags.oom_kill_disable.then_some(true);
    host.oom_score_adj = flags.oom_score_adj;
    flags.cgroup_parent.clone_into(&mut host.cgroup_parent);
    Ok(())
}

fn apply_processors(flags: &Processors, host: &mut HostConfig) {
    host.nano_cpus = flags.cpus.unwrap_or_default();
    host.cpu_shares = flags.cpu_shares;
    host.cpu_period = flags.cpu_period;
    host.cpu_quota = flags.cpu_quota;
    host.cpu_realtime_period = flags.cpu_rt_period;
    host.cpu_realtime_runtime = flags.cpu_rt_runtime;
    flags.cpuset_cpus.clone_into(&mut host.cpuset_cpus);
    flags.cpuset_mems.clone_into(&mut host.cpuset_mems);
}

fn apply_block_io(flags: &BlockIo, host: &mut HostConfig) -> Result<(), String> {
    host.blkio_weight = flags.blkio_weight;
    let weights = block_io::weights(&flags.blkio_weight_device)?;
    host.blkio_weight_device = Some(weights);
    host.blkio_device_read_bps = Some(block_io::bytes(&flags.device_read_bps)?);
    host.blkio_device_write_bps = Some(block_io::bytes(&flags.device_write_bps)?);
    host.blkio_device_read_iops = Some(block_io::operations(&flags.device_read_iops)?);
    host.blkio_device_write_iops = Some(block_io::operations(&flags.device_write_iops)?);
    Ok(())
}

fn apply_security(flags: &Security, host: &mut HostConfig) -> Result<(), String> {
    if flags.use_api_socket {
        return Err("--use-api-socket is not supported; mount the socket with -v".into());
    }
    host.cap_add = list(&flags.cap_add);
    host.cap_drop = list(&flags.cap_drop);
    flags.cgroupns.clone_into(&mut host.cgroupns_mode);
    let devices = flags.device.iter().map(|text| device::mapping(text));
    let devices: Vec<_> = devices.collect::<Result<_, _>>()?;
    host.devices = Some(devices);
    host.device_cgroup_rules = list(&flags.device_cgroup_rule);
    let gpus = flags.gpus.as_deref().map(device::gpus).transpose()?;
    host.device_requests = gpus.map(|gpus| vec![gpus]);
    host.group_add = list(&flags.group_add);
    flags.ipc.clone_into(&mut host.ipc_mode);
    flags.isolation.clone_into(&mut host.isolation);
    flags.pid.clone_into(&mut host.pid_mode);
    host.privileged = flags.privileged;
    let (options, unconfined) = security::system_paths(security::options(&flags.security_opt)?);
    host.security_opt = list(&options);
    if unconfined {
        host.masked_paths = Some(Vec::new());
        host.readonly_paths = Some(Vec::new());
    }
    let sysctls = key_value::strict_map("--sysctl", &flags.sysctl)?;
    host.sysctls = (!sysctls.is_empty()).then_some(sysctls);
    flags.userns.clone_into(&mut host.userns_mode);
    flags.uts.clone_into(&mut host.uts_mode);
    Ok(())
}

fn apply_storage(flags: &Storage, host: &mut HostConfig) -> Result<(), String> {
    let mounts = flags.mount.iter().map(|text| {
        mount::mount(text)
            .map_err(|reason| format!("invalid argument {text:?} for \"--mount\" flag: {reason}"))
    });
    let mounts: Vec<_> = mounts.collect::<Result<_, _>>()?;
    host.mounts = (!mounts.is_empty()).then_some(mounts);
    host.readonly_rootfs = flags.read_only;
    let options = key_value::strict_map("--storage-opt", &flags.storage_opt)?;
    host.storage_opt = (!options.is_empty()).then_some(options);
    let tmpfs = mount::tmpfs(&flags.tmpfs);
    host.tmpfs = (!tmpfs.is_empty()).then_some(tmpfs);
    flags.volume_driver.clone_into(&mut host.volume_driver);
    host.volumes_from = list(&flags.volumes_from);
    Ok(())
}
