//! `ps`: containers.

use super::{ellipsis, filters};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::table::{Column, Row, Table, row};
use crate::{output, units};
use client::Call;
use docker_schema::container::{Port, Summary};
use serde_json::{Map, Value};

const COLUMNS: &[Column] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Status", "STATUS"),
    ("State", "STATE"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
];

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, value_name = "string")]
    format: Option<String>,
    /// Show n last created containers (includes all states)
    #[arg(short = 'n', long, value_name = "int", default_value = "-1")]
    last: i64,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

impl Action for List {
    const ABOUT: &'static str = "List containers";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let last = match (self.latest, self.last) {
            (true, _) => Some(1),
            (false, last) => Some(last).filter(|last| *last > 0),
        };
        let size = self.size || self.format.as_ref().is_some_and(|f| f.contains(".Size"));
        let call = Call::get("/containers/json")
            .flag("all", self.all)
            .flag("size", size)
            .optional("limit", last.map(|last| last.to_string()))
            .optional("filters", filters(&self.filter)?);
        let found: Vec<Summary> = cx.client().await?.json(call).await?;
        if self.quiet && self.format.is_none() {
            for one in &found {
                output::line(self.id(one))?;
            }
            return Ok(0);
        }
        let mut shown = vec![
            "ID",
            "Image",
            "Command",
            "RunningFor",
            "Status",
            "Ports",
            "Names",
        ];
        if self.size {
            shown.push("Size");
        }
        let table = Table {
            columns: COLUMNS,
            shown,
            rows: found.iter().map(|one| self.row(one)).collect(),
        };
        table.print(self.format.as_deref())?;
        Ok(0)
    }
}

impl List {
    fn id<'a>(&self, one: &'a Summary) -> &'a str {
        match self.no_trunc {
            true => &one.id,
            false => super::short(&one.id),
        }
    }

    fn row(&self, one: &Summary) -> Row {
        let command = match self.no_trunc {
            true => one.command.clone(),
            false => ellipsis(&one.command, 20),
        };
        // COMPAT: names that links give have a second slash; they are shown untruncated only.
        let names = one.names.iter().map(|name| name.trim_start_matches('/'));
        let names = names.filter(|name| self.no_trunc || !name.contains('/'));
        let labels = one
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let mounts = one.mounts.iter().map(|mount| match mount.name.is_empty() {
            true => mount.source.clone(),
            false => mount.name.clone(),
        });
        let mounts = mounts.map(|mount| match self.no_trunc {
            true => mount,
            false => ellipsis(&mount, 15),
        });
        let volumes = one
            .mounts
            .iter()
            .filter(|mount| mount.driver == "local")
            .count();
        let networks = one.network_settings.networks.keys().cloned();
        let map: Map<String, Value> = one
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect();
        row([
            ("ID", self.id(one).into()),
            ("Image", image(&one.image, self.no_trunc).into()),
            ("Command", format!("{command:?}").into()),
            ("CreatedAt", units::created_at(one.created).into()),
            ("RunningFor", units::ago(one.created).into()),
            ("Status", one.status.clone().into()),
            ("State", one.state.clone().into()),
            ("Ports", ports(&one.ports).into()),
            ("Names", names.collect::<Vec<_>>().join(",").into()),
            ("Size", size(one).into()),
            ("Labels", labels.collect::<Vec<_>>().join(",").into()),
            ("LabelMap", Value::Object(map)),
            ("Mounts", mounts.collect::<Vec<_>>().join(",").into()),
            ("LocalVolumes", volumes.to_string().into()),
            ("Networks", networks.collect::<Vec<_>>().join(",").into()),
            ("Platform", Value::Null),
        ])
    }
}

fn image(name: &str, whole: bool) -> String {
    match name.strip_prefix("sha256:") {
        Some(digits) if !whole => digits.chars().take(12).collect(),
        _ if name.is_empty() => "<no image>".into(),
        _ => name.to_owned(),
    }
}

fn size(one: &Summary) -> String {
    let written = units::short_size(one.size_rw);
    match one.size_root_fs {
        0 => written,
        whole => format!("{written} (virtual {})", units::short_size(whole)),
    }
}

/// `0.0.0.0:80->80/tcp, 443/tcp`
fn ports(ports: &[Port]) -> String {
    let mut texts: Vec<_> = ports.iter().map(|port| (port.private_port, port)).collect();
    texts.sort_by_key(|(private, _)| *private);
    let text = |port: &Port| match (port.public_port, port.ip.contains(':')) {
        (0, _) => format!("{}/{}", port.private_port, port.r#type),
        (public, true) => format!(
            "[{}]:{public}->{}/{}",
            port.ip, port.private_port, port.r#type
        ),
        (public, false) => format!(
            "{}:{public}->{}/{}",
            port.ip, port.private_port, port.r#type
        ),
    };
    texts
        .iter()
        .map(|(_, port)| text(port))
        .collect::<Vec<_>>()
        .join(", ")
}
