//! Log drivers: what a container's options say, where its log is, and who looks after it.
//!
//! Every log but `none` is a file that the supervisor writes. What remote drivers get is read
//! from that file by a task of the daemon's, so that output never waits for a network, and
//! `logs` works with every driver.

mod attributes;
mod cursor;
mod driver;
mod keeper;
mod tag;

pub(crate) use keeper::Keepers;

use crate::{ContainerRecord, ContainerSpec, Error, LogSpec};
use driver::Driver;
use forward::{Options, Origin, Target};
use logs::JsonFile;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

/// The drivers' names, as they are listed.
pub const DRIVERS: [&str; 7] = [
    "fluentd",
    "gelf",
    "journald",
    "json-file",
    "local",
    "none",
    "syslog",
];
/// The field of refusals at a container's making, which are docker's whole sentences.
const LOG: &str = "LogConfig";
/// The size of a file where nothing is said: a log does not fill a disk.
const LARGEST: u64 = 100 << 20;
/// How many files there are where nothing is said.
const FILES: u32 = 5;
/// The size of a file of `local` and of what is kept for remote drivers.
const KEPT: u64 = 20 << 20;

/// A container's log.
#[derive(Debug)]
pub(crate) struct Plan {
    /// As the supervisor keeps it.
    pub(crate) config: logs::Config,
    /// Whether it may be read back.
    pub(crate) readable: bool,
    /// Where it is sent besides.
    pub(crate) remote: Option<(Target, Origin)>,
}

/// The log's file that inspect names: another's file is nobody's business.
pub(crate) fn path(spec: &LogSpec, dir: &Path) -> Option<PathBuf> {
    matches!(spec.driver.as_str(), "json-file").then(|| file(dir))
}

/// COMPAT: tools that collect logs look for files that are named so.
fn file(dir: &Path) -> PathBuf {
    let id = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.join(format!("{id}-json.log"))
}

/// Refuses what no container of this specification may have.
pub(crate) fn check(spec: &ContainerSpec) -> Result<(), Error> {
    let refuse = |words: String| Error::invalid(LOG, words);
    let driver = Driver::read(&spec.log.driver)?;
    if driver == Driver::None {
        return Ok(());
    }
    let options = driver::own(&spec.log.options).map_err(refuse)?;
    driver.check_names(&options).map_err(refuse)?;
    if let Driver::Remote(name) = driver {
        let options = driver::without_attributes(&options);
        Target::read(name, &Options(&options)).map_err(|error| refuse(error.0))?;
    }
    Ok(())
}

/// What the options of a container that is to start say.
pub(crate) fn plan(record: &ContainerRecord, dir: &Path) -> Result<Plan, Error> {
    let failed = |reason: String| Error::Logging { reason };
    let spec = &record.spec.log;
    let driver = Driver::read(&spec.driver)?;
    if driver == Driver::None {
        return Ok(Plan {
            config: logs::Config::None,
            readable: false,
            remote: None,
        });
    }
    let options = driver::own(&spec.options).map_err(failed)?;
    let mut attributes = attributes::of(record, &options).map_err(failed)?;
    let tag = tag::read(record, options.get("tag").map_or("", String::as_str));
    let disabled = spec.options.get("cache-disabled").map(String::as_str);
    let mut readable = disabled.is_none_or(|text| driver::switch(text) != Ok(true));
    let (file, remote) = match driver {
        Driver::Remote(name) => {
            let rest = driver::without_attributes(&options);
            let target = Target::read(name, &Options(&rest)).map_err(|error| failed(error.0))?;
            let tag = tag::or_id(tag.map_err(failed)?, record);
            let origin = origin(record, tag, std::mem::take(&mut attributes));
            // COMPAT: where dockerd reads a driver itself, a cache that is disabled is no matter.
            let read_back = target.read_back(&origin);
            readable |= read_back.is_some();
            attributes = read_back.unwrap_or_default();
            let bounds = Bounds::cached(&spec.options).map_err(failed)?;
            (
                bounds.file(dir.join("container-cached.log")),
                Some((target, origin)),
            )
        }
        Driver::Local => {
            let bounds = Bounds::local(&options).map_err(failed)?;
            (bounds.file(dir.join("local.log")), None)
        }
        Driver::JsonFile | Driver::None => {
            let bounds = Bounds::json_file(&options).map_err(failed)?;
            let tag = tag.map_err(failed)?;
            if !tag.is_empty() {
                attributes.insert("tag".to_owned(), tag);
            }
            let kept = JsonFile {
                // COMPAT: dockerd's files are JSON as well, and have a sign in place of a byte.
                exact: false,
                ..bounds.file(file(dir))
            };
            (kept, None)
        }
    };
    Ok(Plan {
        config: logs::Config::JsonFile(JsonFile { attributes, ..file }),
        readable: remote.is_none() || readable,
        remote,
    })
}

fn origin(record: &ContainerRecord, tag: String, attributes: BTreeMap<String, String>) -> Origin {
    Origin {
        id: record.id.to_string(),
        name: record.name.clone(),
        image_id: record.image_id.clone(),
        image: record.spec.image.clone(),
        command: record.program().join(" "),
        created: record.created.to_string(),
        tag,
        attributes,
    }
}

/// How much of a log is kept.
#[derive(Debug)]
struct Bounds {
    size: Option<NonZeroU64>,
    files: u32,
    compress: bool,
}

impl Bounds {
    fn file(self, path: PathBuf) -> JsonFile {
        JsonFile {
            path,
            max_size: self.size,
            max_file: NonZeroU32::new(self.files),
            attributes: BTreeMap::new(),
            exact: true,
            compress: self.compress,
        }
    }

    fn json_file(options: &BTreeMap<String, String>) -> Result<Self, String> {
        let unbounded = Self {
            size: NonZeroU64::new(LARGEST),
            files: FILES,
            compress: false,
        };
        let asked = options.get("max-size").map(String::as_str);
        let size = match asked {
            // COMPAT: dockerd has no word for a log without a bound, which is its default.
            Some("-1") => None,
            Some(text) => match NonZeroU64::new(logs::file_size(text)?) {
                None => return Err("max-size must be a positive number".to_owned()),
                size => size,
            },
            None => unbounded.size,
        };
        let files = match options.get("max-file") {
            Some(text) => match driver::number(text)? {
                ..1 => return Err("max-file cannot be less than 1".to_owned()),
                files => Some(u32::try_from(files).unwrap_or(u32::MAX)),
            },
            None => None,
        };
        let compress = options
            .get("compress")
            .map_or(Ok(false), |t| driver::switch(t))?;
        if compress && (asked.is_none() || files.is_none_or(|files| files < 2)) {
            return Err(
                "compress cannot be true when max-file is less than 2 or max-size is not set"
                    .to_owned(),
            );
        }
        let usual = if asked.is_some() { 1 } else { FILES };
        Ok(Self {
            size,
            files: files.unwrap_or(usual),
            compress,
        })
    }

    fn local(options: &BTreeMap<String, String>) -> Result<Self, String> {
        Self::kept(options, ["max-size", "max-file", "compress"])
    }

    /// Of what is kept of a log that goes elsewhere.
    fn cached(options: &BTreeMap<String, String>) -> Result<Self, String> {
        let names = ["cache-max-size", "cache-max-file", "cache-compress"];
        Self::kept(options, names)
    }

    fn kept(
        options: &BTreeMap<String, String>,
        [size, files, compress]: [&str; 3],
    ) -> Result<Self, String> {
        let size = match options.get(size) {
            Some(text) => logs::file_size(text)
                .map_err(|why| format!("invalid value for {size}: {text}: {why}"))?,
            None => KEPT,
        };
        let files = options
            .get(files)
            .map_or(Ok(i64::from(FILES)), |t| driver::number(t))?;
        let switched = options
            .get(compress)
            .map_or(Ok(true), |t| driver::switch(t));
        let compress =
            switched.map_err(|why| format!("error reading {compress} log option: {why}"))?;
        if compress && files < 2 {
            return Err("compression cannot be enabled when max file count is 1".to_owned());
        }
        Ok(Self {
            size: NonZeroU64::new(size),
            files: u32::try_from(files.max(1)).unwrap_or(u32::MAX),
            compress,
        })
    }
}

#[cfg(test)]
mod tests;
