//! A container's log sent elsewhere: syslog, journald, fluentd and gelf.
//!
//! It knows the options of Docker's drivers, their messages and their connections. It must not
//! know containers, or where the log is kept from which records come. Read first: [`Target`],
//! [`Origin`], [`Sender`].

mod address;
mod error;
mod fluentd;
mod gelf;
mod journald;
mod options;
mod sender;
mod socket;
mod syslog;

pub use error::{Error, OptionError};
pub use options::Options;
pub use sender::Sender;

use std::collections::BTreeMap;

/// Where records go, with everything that a driver's options say.
#[derive(Clone, Debug)]
pub struct Target(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Syslog(syslog::Settings),
    Journald,
    Fluentd(fluentd::Settings),
    Gelf(gelf::Settings),
}

/// The drivers that are here, by their names.
pub const DRIVERS: [&str; 4] = ["fluentd", "gelf", "journald", "syslog"];

/// Whose records they are.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The container's id.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// The image's id.
    pub image_id: String,
    /// The image's name.
    pub image: String,
    /// The words of the program.
    pub command: String,
    /// When the container was made, as RFC 3339.
    pub created: String,
    /// The tag.
    pub tag: String,
    /// Labels and environment that go along.
    pub attributes: BTreeMap<String, String>,
}

impl Origin {
    /// The beginning of the id.
    fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

impl Target {
    /// Reads a driver's options; those of all drivers were taken out before.
    ///
    /// # Errors
    /// In dockerd's words.
    pub fn read(driver: &str, options: &Options<'_>) -> Result<Self, OptionError> {
        Ok(Self(match driver {
            "syslog" => Kind::Syslog(syslog::Settings::read(options)?),
            "journald" => {
                options.among(&[], |name| {
                    format!("unknown log opt '{name}' for journald log driver")
                })?;
                Kind::Journald
            }
            "fluentd" => Kind::Fluentd(fluentd::Settings::read(options)?),
            "gelf" => Kind::Gelf(gelf::Settings::read(options)?),
            other => {
                return Err(OptionError(format!(
                    "error looking up logging plugin {other}: plugin {other:?} not found"
                )));
            }
        }))
    }

    /// The attributes of records that the driver itself can be asked for; `None`: it cannot.
    pub fn read_back(&self, origin: &Origin) -> Option<BTreeMap<String, String>> {
        match self.0 {
            Kind::Journald => Some(journald::attributes(origin)),
            Kind::Syslog(_) | Kind::Fluentd(_) | Kind::Gelf(_) => None,
        }
    }
}
