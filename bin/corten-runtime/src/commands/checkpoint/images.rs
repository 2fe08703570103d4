//! The directory of images and the options that `checkpoint` and `restore` share.

use crate::arguments::Arguments;
use crate::log;
use crate::store::Record;
use anyhow::{Context as _, Result, bail};
use criu::rpc::{CriuCgMode, CriuOpts};
use oci::runtime::{NamespaceKind, Spec};
use rustix::fs::{OFlags, ResolveFlags};
use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where the standard streams of the written process are kept.
const DESCRIPTORS: &str = "descriptors.json";
/// CRIU's settings for containers, unless an annotation names others.
const SETTINGS: &str = "/etc/criu/runc.conf";
const SETTINGS_ANNOTATION: &str = "org.criu.config";
/// CRIU's log level with which all errors have their surroundings.
const LOG_LEVEL: i32 = 4;
/// How many lines before an error are quoted from the log.
const BEFORE: usize = 5;

/// A directory of images, and where CRIU works.
#[derive(Debug)]
pub(in crate::commands) struct Images {
    path: PathBuf,
    directory: fs::File,
    work: Option<fs::File>,
    log: PathBuf,
    log_name: &'static str,
}

impl Images {
    /// The directories of the flags, made if they are missing.
    pub(in crate::commands) fn prepare(
        arguments: &Arguments,
        log_name: &'static str,
    ) -> Result<Self> {
        let path = PathBuf::from(arguments.text("image-path").unwrap_or("checkpoint"));
        make(&path)?;
        if let Some(parent) = arguments.text("parent-path") {
            expect_parent(&path, parent)?;
        }
        let work = arguments.text("work-path").map(PathBuf::from);
        if let Some(work) = &work {
            make(work)?;
        }
        let open =
            |path: &Path| fs::File::open(path).with_context(|| format!("open {}", path.display()));
        Ok(Self {
            directory: open(&path)?,
            work: work.as_deref().map(open).transpose()?,
            log: work.as_ref().unwrap_or(&path).join(log_name),
            log_name,
            path,
        })
    }

    /// The options that both directions have.
    pub(in crate::commands) fn options(
        &self,
        arguments: &Arguments,
        spec: &Spec,
    ) -> Result<CriuOpts> {
        let on = |name| Some(arguments.on(name));
        let settings = match spec.annotations.get(SETTINGS_ANNOTATION) {
            None => Some(SETTINGS),
            // Empty: none at all.
            Some(path) => Some(path.as_str()).filter(|path| !path.is_empty()),
        };
        Ok(CriuOpts {
            images_dir_fd: self.directory.as_raw_fd(),
            work_dir_fd: self.work.as_ref().map(AsRawFd::as_raw_fd),
            log_level: Some(LOG_LEVEL),
            log_file: Some(self.log_name.to_owned()),
            manage_cgroups: Some(true),
            manage_cgroups_mode: Some(cgroups_mode(arguments)?.into()),
            notify_scripts: Some(true),
            orphan_pts_master: Some(true),
            shell_job: on("shell-job"),
            ext_unix_sk: on("ext-unix-sk"),
            tcp_established: on("tcp-established"),
            file_locks: on("file-locks"),
            auto_dedup: on("auto-dedup"),
            lazy_pages: on("lazy-pages"),
            empty_ns: Some(empty_namespaces(arguments)?),
            config_file: settings.map(str::to_owned),
            ..CriuOpts::default()
        })
    }

    /// Writes down what a process' standard streams are.
    pub(in crate::commands) fn keep_descriptors(&self, pid: i32) -> Result<()> {
        let link = |number: i32| {
            let link = fs::read_link(format!("/proc/{pid}/fd/{number}"));
            // One that is closed is nothing.
            link.map_or_else(|_| String::new(), |link| link.display().to_string())
        };
        let links: Vec<String> = (0..3).map(link).collect();
        let path = self.path.join(DESCRIPTORS);
        fs::write(&path, serde_json::to_vec(&links)?)
            .with_context(|| format!("write {}", path.display()))
    }

    /// What they were, by their numbers.
    pub(in crate::commands) fn descriptors(&self) -> Result<Vec<String>> {
        let path = self.path.join(DESCRIPTORS);
        let bytes = fs::read(&path).with_context(|| format!("open {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))
    }

    /// Repeats what CRIU's log says of errors, with the lines before each.
    pub(in crate::commands) fn quote_errors(&self) {
        let file = match fs::File::open(&self.log) {
            Ok(file) => file,
            Err(error) => return log::warn(&format!("open {}: {error}", self.log.display())),
        };
        let mut before: VecDeque<(usize, String)> = VecDeque::new();
        let mut last = 0;
        for (number, line) in io::BufReader::new(file).lines().enumerate() {
            let Ok(line) = line else {
                break;
            };
            let error = line.contains("Error");
            before.push_back((number + 1, line));
            if !error {
                if before.len() > BEFORE {
                    before.pop_front();
                }
                continue;
            }
            match before.front() {
                _ if last == 0 => log::warn(&format!("--- Quoting {:?}", self.log)),
                Some((first, _)) if *first > last + 1 => log::warn("..."),
                _ => {}
            }
            for (number, line) in before.drain(..) {
                log::warn(&format!("{number}:{line}"));
                last = number;
            }
        }
        if last != 0 {
            log::warn("---");
        }
    }
}

fn make(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let made = builder.create(path);
    made.with_context(|| format!("create {}", path.display()))
}

fn expect_parent(images: &Path, parent: &str) -> Result<()> {
    if Path::new(parent).is_absolute() {
        bail!("--parent-path must be relative");
    }
    let path = images.join(parent);
    let found = fs::metadata(&path)
        .with_context(|| format!("stat {}", path.display()))
        .context("invalid --parent-path")?;
    if !found.is_dir() {
        bail!("invalid --parent-path: {} is no directory", path.display());
    }
    Ok(())
}

fn cgroups_mode(arguments: &Arguments) -> Result<CriuCgMode> {
    Ok(match arguments.find("manage-cgroups-mode").unwrap_or("") {
        "" => CriuCgMode::Default,
        "soft" => CriuCgMode::Soft,
        "full" => CriuCgMode::Full,
        "strict" => CriuCgMode::Strict,
        "ignore" => CriuCgMode::Ignore,
        _ => bail!("invalid manage-cgroups-mode value"),
    })
}

/// Namespaces that are made but not filled: the network is always its owner's to set up.
fn empty_namespaces(arguments: &Arguments) -> Result<u32> {
    for name in arguments.all("empty-ns") {
        if name != "network" {
            bail!("namespace {name:?} is not supported");
        }
    }
    let network = sys::namespace::Kind::Network.flag();
    Ok(u32::try_from(network)?)
}

/// Every mount whose source is outside: its place in the root, and the source.
pub(in crate::commands) fn external_mounts(spec: &Spec, record: &Record) -> Vec<(String, String)> {
    let mut external = Vec::new();
    for mount in &spec.mounts {
        let at = inside(&record.rootfs, &mount.destination);
        let option = |name: &str| mount.options.iter().any(|option| option == name);
        match mount.kind.as_str() {
            "cgroup" | "cgroup2" => external.extend(cgroups(record, &at)),
            kind if kind == "bind" || option("bind") || option("rbind") => {
                // CRIU wants the mount that this is on, and cannot tell it of a path with dots.
                let source = record.bundle.join(&mount.source);
                let source: PathBuf = source.components().collect();
                external.push((at, source.display().to_string()));
            }
            _ => {}
        }
    }
    external.extend(devices(spec));
    external
}

/// The group's directories, which are bound where the configuration mounts cgroups.
fn cgroups(record: &Record, at: &str) -> Vec<(String, String)> {
    let Some(state) = &record.cgroup else {
        return Vec::new();
    };
    let source = |path: &PathBuf| path.display().to_string();
    if let (1, Some(unified)) = (state.paths.len(), state.paths.get("")) {
        return vec![(at.to_owned(), source(unified))];
    }
    let name = |controllers: &str| match controllers {
        "" => "unified".to_owned(),
        named => named.strip_prefix("name=").unwrap_or(named).to_owned(),
    };
    let paths = state.paths.iter();
    paths
        .map(|(controllers, path)| (format!("{at}/{}", name(controllers)), source(path)))
        .collect()
}

/// In a user namespace devices are the host's, bound.
fn devices(spec: &Spec) -> Vec<(String, String)> {
    const DEFAULT: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
    let Some(linux) = &spec.linux else {
        return Vec::new();
    };
    let mut namespaces = linux.namespaces.iter();
    if !namespaces.any(|namespace| namespace.kind == NamespaceKind::User) {
        return Vec::new();
    }
    let default = DEFAULT.iter().map(|name| format!("/dev/{name}"));
    let given = linux.devices.iter().map(|device| device.path.clone());
    default
        .chain(given)
        .map(|path| (path.clone(), path))
        .collect()
}

/// Where a destination leads inside the root, all links followed; itself if it is not there.
fn inside(rootfs: &Path, destination: &str) -> String {
    let resolve = || -> Option<String> {
        let root = fs::File::open(rootfs).ok()?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let found = sys::resolve::open(&root, destination, OFlags::PATH, resolve);
        let link = |fd: i32| fs::read_link(format!("/proc/self/fd/{fd}")).ok();
        let path = link(found.ok()?.as_raw_fd())?;
        let below = path.strip_prefix(link(root.as_raw_fd())?).ok()?;
        Some(format!("/{}", below.display()))
    };
    resolve().unwrap_or_else(|| {
        let path: PathBuf = Path::new("/").join(destination).components().collect();
        path.display().to_string()
    })
}
