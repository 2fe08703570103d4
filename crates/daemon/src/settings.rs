//! What holds: flags and file together, with the defaults.

use crate::file::{File, unable};
use crate::flags::Flags;
use crate::host::Host;
use crate::registries;
use anyhow::{Context, bail, ensure};
use api_registry::Tls;
use engine::CgroupDriver;
use rootless::Outside;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use types::Paths;

/// Seconds without work after which a daemon that a client started goes.
const IDLE: u64 = 300;

/// What holds.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) paths: Paths,
    pub(crate) hosts: Vec<String>,
    pub(crate) group: Option<String>,
    /// `None`: TCP is served in the clear.
    pub(crate) tls: Option<Tls>,
    pub(crate) metrics: Option<std::net::SocketAddr>,
    pub(crate) config_file: PathBuf,
    pub(crate) log_level: LevelFilter,
    pub(crate) log_format: Format,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) labels: Vec<String>,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) log_driver: Option<String>,
    pub(crate) log_opts: BTreeMap<String, String>,
    pub(crate) init: bool,
    /// Whose ids containers have; empty: the host's.
    pub(crate) userns_remap: String,
    pub(crate) defaults: engine::Defaults,
    /// Layers that are fetched, and sent, at once.
    pub(crate) at_once: images::AtOnce,
    /// `None`: the best that works.
    pub(crate) storage_driver: Option<images::Snapshotter>,
    pub(crate) cgroup_parent: String,
    pub(crate) cgroup_driver: CgroupDriver,
    pub(crate) registries: images::Settings,
    pub(crate) networks: engine::NetworkSettings,
    /// `None`: never.
    pub(crate) idle_timeout: Option<Duration>,
    /// Who is outside of the namespaces of a daemon without root.
    pub(crate) outside: Option<Arc<Outside>>,
}

/// The form of the daemon's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Settings {
    /// Reads the file and takes both together.
    pub(crate) fn load(flags: &Flags) -> anyhow::Result<Self> {
        let default = default_file();
        let path = flags.config_file.clone().unwrap_or(default);
        let file = File::read(&path, flags.config_file.is_some())?;
        Self::of(flags, file, path.clone()).with_context(|| unable(&path))
    }

    fn of(flags: &Flags, file: File, config_file: PathBuf) -> anyhow::Result<Self> {
        conflicts(flags, &file)?;
        let registries = registries::settings(flags, &file)?;
        let networks = crate::networks::settings(flags, &file)?;
        let defaults = crate::defaults::settings(flags, &file)?;
        let at_once = at_once(flags, &file)?;
        let remap = flags.userns_remap.as_ref().or(file.userns_remap.as_ref());
        let tls = crate::tls::settings(flags, &file)?;
        let metrics = flags.metrics_addr.as_ref().or(file.metrics_addr.as_ref());
        let metrics = metrics.map(|address| {
            let address = address.replace("localhost", "127.0.0.1");
            address
                .parse()
                .with_context(|| format!("metrics-addr {address:?}: expected ADDRESS:PORT"))
        });
        let paths = places(
            flags.root.clone().or(file.data_root),
            flags.run.clone().or(file.exec_root),
        )?;
        let debug = flags.debug || file.debug.unwrap_or_default();
        let level = flags.log_level.clone().or(file.log_level);
        let hosts = non_empty(&flags.hosts, file.hosts);
        let verified = tls
            .as_ref()
            .is_some_and(|tls| tls.client_authority.is_some());
        for host in &hosts {
            host.parse::<Host>()?.check(verified)?;
        }
        let idle = flags.idle_timeout.or(file.idle_timeout);
        let idle = idle.unwrap_or(if flags.ready_fd.is_some() { IDLE } else { 0 });
        let mut log_opts = file.log_opts;
        for option in &flags.log_opts {
            let (key, value) = pair("--log-opt", option)?;
            log_opts.insert(key, value);
        }
        let cgroup_parent = flags.cgroup_parent.clone().or(file.cgroup_parent);
        let cgroup_parent = cgroup_parent.unwrap_or_default();
        let options = non_empty(&flags.exec_opts, file.exec_opts);
        let cgroup_driver = cgroup_driver(&options, &cgroup_parent)?;
        let labels = labels(&non_empty(&flags.labels, file.labels))?;
        Ok(Self {
            hosts: match hosts.is_empty() {
                true => vec![format!("unix://{}", paths.socket.display())],
                false => hosts,
            },
            paths,
            group: flags.group.clone().or(file.group),
            tls,
            metrics: metrics.transpose()?,
            config_file,
            log_level: log_level(level.as_deref(), debug)?,
            log_format: log_format(flags.log_format.as_deref().or(file.log_format.as_deref()))?,
            pidfile: flags.pidfile.clone().or(file.pidfile),
            labels,
            shutdown_timeout: Duration::from_secs(
                flags
                    .shutdown_timeout
                    .or(file.shutdown_timeout)
                    .unwrap_or(15),
            ),
            log_driver: flags.log_driver.clone().or(file.log_driver),
            log_opts,
            storage_driver: storage_driver(flags, file.storage_driver.as_deref())?,
            defaults,
            at_once,
            userns_remap: remap.cloned().unwrap_or_default(),
            init: flags.init || file.init.unwrap_or_default(),
            cgroup_parent,
            cgroup_driver,
            registries,
            networks,
            outside: None,
            idle_timeout: (idle > 0).then(|| Duration::from_secs(idle)),
        })
    }
}

/// The daemon's labels, each once. COMPAT: two of one key that differ are refused, in dockerd's
/// words.
fn labels(said: &[String]) -> anyhow::Result<Vec<String>> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut labels = Vec::new();
    for label in said {
        let (key, value) = pair("label", label)?;
        match values.get(&key) {
            Some(other) if *other != value => {
                bail!("conflict labels for {key}={value} and {key}={other}")
            }
            Some(_) => {}
            None => {
                labels.push(label.clone());
                values.insert(key, value);
            }
        }
    }
    Ok(labels)
}

/// Who makes control groups, by the last option that says so; others say nothing. COMPAT: as
/// dockerd reads them.
fn cgroup_driver(options: &[String], parent: &str) -> anyhow::Result<CgroupDriver> {
    let mut driver = CgroupDriver::default();
    for option in options {
        let (name, value) = pair("exec-opt", option)?;
        if !name.eq_ignore_ascii_case("native.cgroupdriver") {
            continue;
        }
        driver = match value.as_str() {
            "cgroupfs" => CgroupDriver::Cgroupfs,
            "systemd" => CgroupDriver::Systemd,
            other => bail!("native.cgroupdriver option {other} not supported"),
        };
    }
    if driver == CgroupDriver::Systemd {
        ensure!(
            Path::new("/run/systemd/system").is_dir(),
            "native.cgroupdriver=systemd: systemd does not run here, which makes the groups"
        );
        ensure!(
            parent.is_empty() || engine::is_slice(parent),
            engine::NO_SLICE
        );
    }
    Ok(driver)
}

pub(crate) fn non_empty(flags: &[String], file: Vec<String>) -> Vec<String> {
    match flags {
        [] => file,
        flags => flags.to_vec(),
    }
}

pub(crate) fn pair(what: &str, text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => bail!("bad attribute format for {what}: {text}"),
    }
}

fn storage_driver(
    flags: &Flags,
    file: Option<&str>,
) -> anyhow::Result<Option<images::Snapshotter>> {
    let name = flags.storage_driver.as_deref().or(file);
    Ok(name
        .filter(|name| !name.is_empty())
        .map(str::parse)
        .transpose()?)
}

fn log_level(text: Option<&str>, debug: bool) -> anyhow::Result<LevelFilter> {
    if debug {
        return Ok(LevelFilter::DEBUG);
    }
    Ok(match text {
        None | Some("info") => LevelFilter::INFO,
        Some("trace") => LevelFilter::TRACE,
        Some("debug") => LevelFilter::DEBUG,
        Some("warn" | "warning") => LevelFilter::WARN,
        Some("error" | "fatal" | "panic") => LevelFilter::ERROR,
        Some(other) => bail!("invalid logging level: {other}"),
    })
}

fn log_format(text: Option<&str>) -> anyhow::Result<Format> {
    match text {
        None | Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some(other) => bail!("invalid log format: {other}"),
    }
}

/// What is said on both sides, in dockerd's words.
fn conflicts(flags: &Flags, file: &File) -> anyhow::Result<()> {
    let mut found = Vec::new();
    let mut check = |key: &str, flag: Option<String>, file: Option<String>| {
        if let (Some(flag), Some(file)) = (flag, file) {
            found.push(format!("{key}: (from flag: {flag}, from file: {file})"));
        }
    };
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let list = |list: &[String]| (!list.is_empty()).then(|| format!("[{}]", list.join(" ")));
    let switch = |on: bool| on.then(|| "true".to_owned());
    let shown = |value: Option<bool>| value.map(|value| value.to_string());
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let map: Vec<String> = file
        .log_opts
        .iter()
        .map(|(k, v)| format!("{k}:{v}"))
        .collect();
    check("data-root", path(&flags.root), path(&file.data_root));
    check("exec-root", path(&flags.run), path(&file.exec_root));
    check("hosts", list(&flags.hosts), list(&file.hosts));
    check("group", flags.group.clone(), file.group.clone());
    check("tls", switch(flags.tls), shown(file.tls));
    check("tlsverify", switch(flags.tlsverify), shown(file.tlsverify));
    check("tlscacert", path(&flags.tlscacert), path(&file.tlscacert));
    check("tlscert", path(&flags.tlscert), path(&file.tlscert));
    check("tlskey", path(&flags.tlskey), path(&file.tlskey));
    check(
        "metrics-addr",
        flags.metrics_addr.clone(),
        file.metrics_addr.clone(),
    );
    check("debug", switch(flags.debug), shown(file.debug));
    check("log-level", flags.log_level.clone(), file.log_level.clone());
    check(
        "log-format",
        flags.log_format.clone(),
        file.log_format.clone(),
    );
    check("pidfile", path(&flags.pidfile), path(&file.pidfile));
    check("labels", list(&flags.labels), list(&file.labels));
    check(
        "shutdown-timeout",
        number(flags.shutdown_timeout),
        number(file.shutdown_timeout),
    );
    check(
        "log-driver",
        flags.log_driver.clone(),
        file.log_driver.clone(),
    );
    check("log-opts", list(&flags.log_opts), list(&map));
    check(
        "storage-driver",
        flags.storage_driver.clone(),
        file.storage_driver.clone(),
    );
    check("init", switch(flags.init), shown(file.init));
    check(
        "userns-remap",
        flags.userns_remap.clone(),
        file.userns_remap.clone(),
    );
    check(
        "cgroup-parent",
        flags.cgroup_parent.clone(),
        file.cgroup_parent.clone(),
    );
    check(
        "idle-timeout",
        number(flags.idle_timeout),
        number(file.idle_timeout),
    );
    found.extend(conflicts_of_parts(flags, file));
    if found.is_empty() {
        return Ok(());
    }
    bail!(
        "the following directives are specified both as a flag and in the configuration file: {}",
        found.join(", ")
    )
}

fn conflicts_of_parts(flags: &Flags, file: &File) -> Vec<String> {
    let list = |list: &[String]| (!list.is_empty()).then(|| format!("[{}]", list.join(" ")));
    let paths = |paths: &[PathBuf]| {
        let texts: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        list(&texts)
    };
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    // What is before a proxy's host may be a password.
    let proxy = |url: &Option<String>| url.as_deref().map(images::without_secret);
    let said = [
        ("exec-opts", list(&flags.exec_opts), list(&file.exec_opts)),
        (
            "registry-mirrors",
            list(&flags.registry_mirrors),
            list(&file.registry_mirrors),
        ),
        (
            "insecure-registries",
            list(&flags.insecure_registries),
            list(&file.insecure_registries),
        ),
        (
            "registry-hosts",
            paths(&flags.registry_hosts),
            paths(&file.registry_hosts),
        ),
        (
            "registry-credentials",
            path(&flags.registry_credentials),
            path(&file.registry_credentials),
        ),
        (
            "http-proxy",
            proxy(&flags.http_proxy),
            proxy(&file.proxies.http_proxy),
        ),
        (
            "https-proxy",
            proxy(&flags.https_proxy),
            proxy(&file.proxies.https_proxy),
        ),
        (
            "no-proxy",
            flags.no_proxy.clone(),
            file.proxies.no_proxy.clone(),
        ),
    ];
    let both = |(key, flag, file): (&str, Option<String>, Option<String>)| {
        let (flag, file) = flag.zip(file)?;
        Some(format!("{key}: (from flag: {flag}, from file: {file})"))
    };
    let networks = crate::networks::conflicts(flags, file);
    let defaults = crate::defaults::conflicts(flags, file);
    let said = said.into_iter().chain(networks).chain(defaults);
    said.filter_map(both).collect()
}

/// How many layers are fetched, and sent, at once.
fn at_once(flags: &Flags, file: &File) -> anyhow::Result<images::AtOnce> {
    let downloads = flags.max_concurrent_downloads;
    let downloads = downloads.or(file.max_concurrent_downloads);
    let uploads = flags.max_concurrent_uploads.or(file.max_concurrent_uploads);
    // COMPAT: none is as if nothing were said.
    let said = |number: Option<usize>| number.filter(|number| *number > 0);
    let usual = images::AtOnce::default();
    Ok(images::AtOnce {
        fetched: said(downloads).unwrap_or(usual.fetched),
        sent: said(uploads).unwrap_or(usual.sent),
    })
}

/// The two roots, and where the user's own are if this is not root.
fn places(root: Option<PathBuf>, run: Option<PathBuf>) -> anyhow::Result<Paths> {
    let defaults = match rustix::process::geteuid().is_root() {
        true => Paths::system(),
        false => Paths::user(&data_home()?, &runtime_dir()?),
    };
    let root = absolute(root.unwrap_or(defaults.root))?;
    let run = absolute(run.unwrap_or(defaults.run))?;
    Ok(Paths::under(&root, &run))
}

fn absolute(path: PathBuf) -> anyhow::Result<PathBuf> {
    std::path::absolute(&path).with_context(|| format!("{} is no path", path.display()))
}

fn variable(name: &str) -> Option<PathBuf> {
    let value = PathBuf::from(std::env::var_os(name)?);
    value.is_absolute().then_some(value)
}

fn data_home() -> anyhow::Result<PathBuf> {
    let home = || Some(variable("HOME")?.join(".local/share"));
    variable("XDG_DATA_HOME")
        .or_else(home)
        .context("neither XDG_DATA_HOME nor HOME is set: give --root")
}

fn runtime_dir() -> anyhow::Result<PathBuf> {
    variable("XDG_RUNTIME_DIR").context("XDG_RUNTIME_DIR is not set: give --run")
}

fn default_file() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return Path::new("/etc/corten/daemon.json").to_owned();
    }
    config_home().join("corten/daemon.json")
}

/// Where a user's configuration is.
fn config_home() -> PathBuf {
    let home = || Some(variable("HOME")?.join(".config"));
    variable("XDG_CONFIG_HOME")
        .or_else(home)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &Flags, file: &str) -> anyhow::Result<Settings> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("daemon.json");
        std::fs::write(&path, file)?;
        Settings::load(&Flags {
            config_file: Some(path),
            ..flags.clone()
        })
    }

    #[test]
    fn what_flag_and_file_say_both_is_refused_in_dockers_words() {
        let flags = Flags {
            debug: true,
            hosts: vec!["fd://".to_owned()],
            ..Flags::default()
        };
        let error = settings(&flags, r#"{"debug":false,"hosts":["unix:///a"]}"#).unwrap_err();
        assert_eq!(
            error.root_cause().to_string(),
            "the following directives are specified both as a flag and in the configuration \
             file: hosts: (from flag: [fd://], from file: [unix:///a]), debug: (from flag: true, \
             from file: false)"
        );
    }

    #[test]
    fn flags_and_file_make_one() {
        let flags = Flags {
            root: Some("/r".into()),
            run: Some("/n".into()),
            ready_fd: Some(3),
            ..Flags::default()
        };
        let settings = settings(&flags, r#"{"log-level":"warn","log-opts":{"a":"b"}}"#).unwrap();
        assert_eq!(
            settings.paths,
            Paths::under(Path::new("/r"), Path::new("/n"))
        );
        assert_eq!(settings.hosts, ["unix:///n/corten.sock"]);
        assert_eq!(settings.log_level, LevelFilter::WARN);
        assert_eq!(settings.log_opts["a"], "b");
        assert_eq!(settings.idle_timeout, Some(Duration::from_secs(IDLE)));
    }

    #[test]
    fn registries_are_reached_as_flags_and_file_say() {
        let flags = Flags {
            registry_hosts: vec!["/h".into()],
            registry_credentials: Some("/c".into()),
            no_proxy: Some("lan".to_owned()),
            ..Flags::default()
        };
        let file = r#"{"proxies":{"http-proxy":"http://u:secret@p:1","https-proxy":"http://p:2"}}"#;
        let registries = settings(&flags, file).unwrap().registries;
        assert_eq!(registries.hosts, [PathBuf::from("/h")]);
        assert_eq!(registries.credentials, Some(PathBuf::from("/c")));
        let proxies = registries.proxies;
        assert_eq!(proxies.https.as_deref(), Some("http://p:2"));
        assert_eq!(proxies.no.as_deref(), Some("lan"));
        let flags = Flags {
            http_proxy: Some("http://u:secret@p:3".to_owned()),
            ..Flags::default()
        };
        let error = settings(&flags, file).unwrap_err().root_cause().to_string();
        let words = "http-proxy: (from flag: http://xxxxx:xxxxx@p:3, from file: \
            http://xxxxx:xxxxx@p:1)";
        assert!(error.ends_with(words), "{error}");
    }

    #[test]
    fn systemd_makes_control_groups_where_it_runs() {
        let read = |option: &str, parent: &str| cgroup_driver(&[option.to_owned()], parent);
        let driver = read("native.cgroupdriver=cgroupfs", "/any").unwrap();
        assert_eq!(driver, CgroupDriver::Cgroupfs);
        assert_eq!(read("other=x", "").unwrap(), CgroupDriver::default());
        let runs = Path::new("/run/systemd/system").is_dir();
        for (parent, words) in [
            ("", None),
            ("a-b.slice", None),
            ("/a", Some(engine::NO_SLICE)),
        ] {
            let driver = read("native.cgroupdriver=systemd", parent);
            let words = match runs {
                true => words,
                false => Some(
                    "native.cgroupdriver=systemd: systemd does not run here, which makes the groups",
                ),
            };
            let refused = driver.as_ref().err().map(ToString::to_string);
            assert_eq!(refused.as_deref(), words, "{parent}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for file in [
            r#"{"log-level":"loud"}"#,
            r#"{"labels":["x"]}"#,
            r#"{"labels":["x=1","x=2"]}"#,
            r#"{"exec-opts":["x"]}"#,
            r#"{"exec-opts":["native.cgroupdriver=none"]}"#,
            r#"{"log-format":"x"}"#,
            r#"{"proxies":{"http-proxy":"gopher://x"}}"#,
            r#"{"proxies":{"ftp-proxy":"http://x"}}"#,
        ] {
            assert!(settings(&Flags::default(), file).is_err(), "{file}");
        }
    }
}
