//! systemd's manager: the one of the system, or a user's.

use crate::bus::{Bus, Peer};
use crate::message::{Body, Method};
use crate::{Error, Property};
use serde::Serialize;
use std::path::{Path, PathBuf};
use zbus::wire::DynamicType;
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Manager";

const fn method(name: &'static str) -> Method {
    Method {
        destination: NAME,
        path: PATH,
        interface: INTERFACE,
        name,
    }
}

const GET: Method = Method {
    interface: "org.freedesktop.DBus.Properties",
    ..method("Get")
};
const MATCH: Method = Method {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    name: "AddMatch",
};
/// A job's end, as it is subscribed to.
const JOB_REMOVED: &str = "type='signal',sender='org.freedesktop.systemd1',\
    interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/// Which manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// The one that is the system's first process.
    System,
    /// The one of the user that we run for.
    User,
}

/// Whether systemd is this system's manager.
pub fn runs() -> bool {
    std::fs::symlink_metadata("/run/systemd/system").is_ok_and(|found| found.is_dir())
}

/// A connection to a manager.
#[derive(Debug)]
pub struct Manager {
    bus: Bus,
}

impl Manager {
    /// Connects to a manager: itself if it lets us, else by the bus.
    pub fn connect(instance: Instance) -> Result<Self, Error> {
        let mut first = None;
        for (path, peer) in addresses(instance) {
            match Bus::connect(&path, peer).and_then(Self::listening) {
                Ok(manager) => return Ok(manager),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        Err(first.unwrap_or(Error::NoAddress))
    }

    /// Has the ends of jobs told.
    fn listening(bus: Bus) -> Result<Self, Error> {
        let mut manager = Self { bus };
        if manager.bus.peer == Peer::Bus {
            manager.bus.call(&MATCH, &(JOB_REMOVED,))?;
        }
        match manager.call("Subscribe", &()) {
            Err(error) if !error.is("AlreadySubscribed") => Err(error),
            _ => Ok(manager),
        }
    }

    /// Makes a scope and waits until it is there. A failed one of the same name is forgotten.
    pub fn start_scope(&mut self, unit: &str, properties: &[Property]) -> Result<(), Error> {
        let started = match self.start(unit, properties) {
            Err(error) if error.is("UnitExists") => {
                self.forget(unit);
                self.start(unit, properties)
            }
            started => started,
        };
        if let Err(Error::Job { .. }) = started {
            self.forget(unit);
        }
        started
    }

    fn start(&mut self, unit: &str, properties: &[Property]) -> Result<(), Error> {
        let others: Vec<(&str, Vec<(&str, &Variant<'_>)>)> = Vec::new();
        let body = (unit, "replace", pairs(properties), others);
        let job = self.call("StartTransientUnit", &body)?.read()?;
        self.wait(unit, &job)
    }

    /// Stops a unit and waits until it is gone; it is no error if there is none.
    pub fn stop(&mut self, unit: &str) -> Result<(), Error> {
        let stopped = match self.call("StopUnit", &(unit, "replace")) {
            Ok(job) => job.read().and_then(|job| self.wait(unit, &job)),
            Err(error) if error.is("NoSuchUnit") => return Ok(()),
            Err(error) => Err(error),
        };
        self.forget(unit);
        stopped
    }

    /// Puts a process into a unit's group, or one below it.
    pub fn attach(&mut self, unit: &str, below: &str, process: u32) -> Result<(), Error> {
        let body = (unit, below, vec![process]);
        self.call("AttachProcessesToUnit", &body).map(drop)
    }

    /// Sets properties of a unit until the next boot.
    pub fn set_properties(&mut self, unit: &str, properties: &[Property]) -> Result<(), Error> {
        let body = (unit, true, pairs(properties));
        self.call("SetUnitProperties", &body).map(drop)
    }

    /// The control group that the manager itself manages, from the hierarchy's root.
    pub fn control_group(&mut self) -> Result<PathBuf, Error> {
        self.text("ControlGroup").map(PathBuf::from)
    }

    /// systemd's version; 0 if it is no number.
    pub fn version(&mut self) -> Result<u32, Error> {
        let text = self.text("Version")?;
        let text = text.trim_start_matches('v');
        let digits = text.split(|letter: char| !letter.is_ascii_digit()).next();
        Ok(digits.and_then(|digits| digits.parse().ok()).unwrap_or(0))
    }

    /// A property of the manager that is text.
    fn text(&mut self, name: &str) -> Result<String, Error> {
        let body = self.bus.call(&GET, &(INTERFACE, name))?;
        let value: OwnedVariant = body.read()?;
        String::try_from(value).map_err(Error::Message)
    }

    /// Forgets that a unit failed, which lets systemd drop it.
    fn forget(&mut self, unit: &str) {
        // Most units did not fail.
        drop(self.call("ResetFailedUnit", &(unit,)));
    }

    fn call<B>(&mut self, name: &'static str, body: &B) -> Result<Body, Error>
    where
        B: Serialize + DynamicType,
    {
        self.bus.call(&method(name), body)
    }

    /// Waits for a job's end.
    fn wait(&mut self, unit: &str, job: &OwnedObjectPath) -> Result<(), Error> {
        let deadline = Bus::deadline();
        loop {
            let (member, body) = self.bus.signal(deadline)?;
            if member != "JobRemoved" {
                continue;
            }
            let (_, path, _, result): (u32, OwnedObjectPath, String, String) = body.read()?;
            if path != *job {
                continue;
            }
            return match result.as_str() {
                "done" => Ok(()),
                _ => Err(Error::Job {
                    unit: unit.to_owned(),
                    result,
                }),
            };
        }
    }
}

fn pairs(properties: &[Property]) -> Vec<(&str, &Variant<'static>)> {
    let properties = properties.iter();
    properties
        .map(|property| (property.name.as_str(), &property.value))
        .collect()
}

/// Where a manager can be met, in the order of preference.
fn addresses(instance: Instance) -> Vec<(PathBuf, Peer)> {
    let managers = |run: &Path| (run.join("systemd/private"), Peer::Manager);
    match instance {
        Instance::System => vec![
            managers(Path::new("/run")),
            (PathBuf::from("/run/dbus/system_bus_socket"), Peer::Bus),
        ],
        Instance::User => {
            let run = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
            let session = std::env::var("DBUS_SESSION_BUS_ADDRESS").ok();
            let session = session.as_deref().and_then(|address| {
                let path = address
                    .strip_prefix("unix:path=")?
                    .split([',', ';'])
                    .next()?;
                Some((PathBuf::from(path), Peer::Bus))
            });
            let own = run.iter().map(|run| managers(run));
            let bus = run.iter().map(|run| (run.join("bus"), Peer::Bus));
            own.chain(session).chain(bus).collect()
        }
    }
}
