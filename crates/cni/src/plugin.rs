//! Plugins as executables: found, called, and their answers read.

use crate::process::{End, Limits, run};
use crate::{Attachment, Code, Error, Version};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, PoisonError};

/// Where plugins find the programs that they execute.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest text of a plugin that an error repeats.
const QUOTED: usize = 512;

/// An executable's content: its path, inode, size and time of change.
type Content = (PathBuf, [i64; 4]);

/// The executables of some directories.
#[derive(Debug)]
pub(crate) struct Plugins {
    path: Vec<PathBuf>,
    limits: Limits,
    /// The versions that an executable speaks.
    versions: Mutex<HashMap<Content, Vec<Version>>>,
}

/// One call of a plugin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) plugin: &'a str,
    /// Its place in the network.
    pub(crate) place: usize,
    pub(crate) command: &'static str,
    pub(crate) attachment: Option<&'a Attachment>,
}

impl Call<'_> {
    pub(crate) fn broke(&self, reason: impl Into<String>) -> Error {
        Error::Protocol {
            plugin: self.plugin.to_owned(),
            command: self.command,
            reason: reason.into(),
        }
    }

    pub(crate) fn refused(&self, code: Code, message: impl Into<String>) -> Error {
        Error::Plugin {
            plugin: self.plugin.to_owned(),
            command: self.command,
            code,
            message: message.into(),
        }
    }
}

impl Plugins {
    pub(crate) fn new(path: Vec<PathBuf>, limits: Limits) -> Self {
        Self {
            path,
            limits,
            versions: Mutex::default(),
        }
    }

    /// The directories as `CNI_PATH` has them.
    fn searched(&self) -> String {
        let paths = self.path.iter().map(|path| path.display().to_string());
        paths.collect::<Vec<_>>().join(":")
    }

    fn find(&self, plugin: &str) -> Result<PathBuf, Error> {
        let executable = |path: &PathBuf| {
            path.metadata()
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        };
        let mut candidates = self.path.iter().map(|directory| directory.join(plugin));
        candidates.find(executable).ok_or_else(|| Error::NoPlugin {
            plugin: plugin.to_owned(),
            searched: self.searched(),
        })
    }

    /// Calls a plugin; gives what it said on standard output.
    pub(crate) fn call(&self, call: Call<'_>, told: &Map<String, Value>) -> Result<Vec<u8>, Error> {
        let path = self.find(call.plugin)?;
        let input = serde_json::to_vec(told).map_err(|error| call.broke(error.to_string()))?;
        let end = run(self.command(&path, call), &input, self.limits);
        match end.map_err(Error::io("execute", &path))? {
            End::Late => Err(Error::Timeout {
                plugin: call.plugin.to_owned(),
                command: call.command,
                limit: self.limits.time,
            }),
            End::Loud => {
                let most = self.limits.output;
                Err(call.broke(format!("it wrote more than {most} bytes and was killed")))
            }
            End::Exited(status, output, _) if status.success() => Ok(output),
            End::Exited(status, output, complaint) => {
                Err(failure(call, status, &output, &complaint))
            }
        }
    }

    /// Nothing of our own environment is in it.
    fn command(&self, path: &Path, call: Call<'_>) -> Command {
        let mut command = Command::new(path);
        command
            .env_clear()
            .current_dir("/")
            .env("PATH", PROGRAMS)
            .env("CNI_COMMAND", call.command)
            .env("CNI_PATH", self.searched());
        if let Some(attachment) = call.attachment {
            command
                .env("CNI_CONTAINERID", &attachment.container)
                .env("CNI_NETNS", &attachment.netns)
                .env("CNI_IFNAME", &attachment.interface)
                .env("CNI_ARGS", attachment.args_text());
        }
        command
    }

    /// The versions that a plugin speaks; asked once for each content of its file.
    pub(crate) fn versions(&self, plugin: &str) -> Result<Vec<Version>, Error> {
        let path = self.find(plugin)?;
        let file = path.metadata().map_err(Error::io("look at", &path))?;
        let content = [
            file.ino().cast_signed(),
            file.size().cast_signed(),
            file.ctime(),
            file.ctime_nsec(),
        ];
        let key = (path, content);
        let known = || self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(versions) = known().get(&key) {
            return Ok(versions.clone());
        }
        let versions = self.ask_versions(plugin)?;
        known().insert(key, versions.clone());
        Ok(versions)
    }

    fn ask_versions(&self, plugin: &str) -> Result<Vec<Version>, Error> {
        let call = Call {
            plugin,
            place: 0,
            command: "VERSION",
            attachment: None,
        };
        let newest = Version::V110.name();
        let told = Map::from_iter([("cniVersion".to_owned(), newest.into())]);
        let output = match self.call(call, &told) {
            // The first plugins did not have it.
            Err(Error::Plugin { message, .. }) if message.contains("unknown CNI_COMMAND") => {
                return Ok(vec![Version::V010]);
            }
            answer => answer?,
        };
        let answer = document(call, &output)?;
        let all = answer.get("supportedVersions").and_then(Value::as_array);
        let all = all.ok_or_else(|| call.broke("it names no \"supportedVersions\""))?;
        let texts = all.iter().filter_map(Value::as_str);
        Ok(texts.filter_map(|text| text.parse().ok()).collect())
    }
}

/// What a plugin said as JSON.
pub(crate) fn document(call: Call<'_>, output: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(output).map_err(|error| {
        let said = quoted(output);
        call.broke(format!("it wrote no JSON ({error}): {said:?}"))
    })
}

/// The end of a plugin that did not succeed: its own error, if it said one.
fn failure(call: Call<'_>, status: ExitStatus, output: &[u8], complaint: &[u8]) -> Error {
    let said: Option<Value> = serde_json::from_slice(output).ok();
    let code = said.as_ref().and_then(|said| said.get("code"));
    let code = code
        .and_then(Value::as_u64)
        .and_then(|code| code.try_into().ok());
    let text = |name| {
        let text = said.as_ref().and_then(|said: &Value| said.get(name));
        text.and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let complaint = quoted(complaint);
    match (code, text("msg")) {
        (Some(code), message) => {
            let message = [message, text("details")];
            let words: Vec<_> = message.into_iter().flatten().collect();
            call.refused(Code(code), words.join("; "))
        }
        (None, _) if output.is_empty() && complaint.is_empty() => {
            call.broke(format!("it ended with {status} and said nothing"))
        }
        (None, _) => {
            let said = quoted(output);
            let both = format!("{} {}", said.trim(), complaint.trim());
            call.broke(format!("it ended with {status}: {}", both.trim()))
        }
    }
}

fn quoted(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(QUOTED)]).into_owned()
}
