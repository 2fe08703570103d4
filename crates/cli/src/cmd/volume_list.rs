//! `volume ls`: the volumes.

use super::filters;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::output;
use crate::table::{Column, Row, Table, row};
use client::Call;
use docker_schema::volume::{ListResponse, Volume};

const COLUMNS: &[Column] = &[
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Availability", "AVAILABILITY"),
    ("Group", "GROUP"),
    ("Status", "STATUS"),
];
/// COMPAT: what the list does not say.
const UNKNOWN: &str = "N/A";

#[derive(Debug, clap::Args)]
pub(crate) struct VolumeList {
    /// Provide filter values (e.g. "dangling=true")
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, value_name = "string")]
    format: Option<String>,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

impl Action for VolumeList {
    const ABOUT: &'static str = "List volumes";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let call = Call::get("/volumes").optional("filters", filters(&self.filter)?);
        let found: ListResponse = cx.client().await?.json(call).await?;
        let mut volumes = found.volumes.unwrap_or_default();
        volumes.sort_by(|one, other| one.name.cmp(&other.name));
        if self.quiet && self.format.is_none() {
            for volume in &volumes {
                output::line(&volume.name)?;
            }
            return Ok(0);
        }
        let table = Table {
            columns: COLUMNS,
            shown: vec!["Driver", "Name"],
            rows: volumes.iter().map(fields).collect(),
        };
        table.print(self.format.as_deref())?;
        Ok(0)
    }
}

fn fields(volume: &Volume) -> Row {
    let labels = volume.labels.iter().flatten();
    let labels: Vec<_> = labels
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    row([
        ("Driver", volume.driver.as_str().into()),
        ("Name", volume.name.as_str().into()),
        ("Scope", volume.scope.as_str().into()),
        ("Mountpoint", volume.mountpoint.as_str().into()),
        ("Labels", labels.join(",").into()),
        ("Links", UNKNOWN.into()),
        ("Size", UNKNOWN.into()),
        ("Availability", UNKNOWN.into()),
        ("Group", UNKNOWN.into()),
        ("Status", UNKNOWN.into()),
    ])
}
