//! `network ls`: the networks.

use super::{filters, short};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::output;
use crate::table::{Column, Row, Table, row};
use client::Call;
use docker_schema::network::Network;

const COLUMNS: &[Column] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

#[derive(Debug, clap::Args)]
pub(crate) struct NetworkList {
    /// Provide filter values (e.g. "driver=bridge")
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, value_name = "string")]
    format: Option<String>,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Only display network IDs
    #[arg(short, long)]
    quiet: bool,
}

impl Action for NetworkList {
    const ABOUT: &'static str = "List networks";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let call = Call::get("/networks").optional("filters", filters(&self.filter)?);
        let found: Vec<Network> = cx.client().await?.json(call).await?;
        if self.quiet && self.format.is_none() {
            for network in &found {
                output::line(self.id(network))?;
            }
            return Ok(0);
        }
        let table = Table {
            columns: COLUMNS,
            shown: vec!["ID", "Name", "Driver", "Scope"],
            rows: found.iter().map(|network| self.row(network)).collect(),
        };
        table.print(self.format.as_deref())?;
        Ok(0)
    }
}

impl NetworkList {
    fn id<'a>(&self, network: &'a Network) -> &'a str {
        match self.no_trunc {
            true => &network.id,
            false => short(&network.id),
        }
    }

    fn row(&self, network: &Network) -> Row {
        let labels = network.labels.iter().flatten();
        let labels: Vec<_> = labels
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        row([
            ("ID", self.id(network).into()),
            ("Name", network.name.as_str().into()),
            ("Driver", network.driver.as_str().into()),
            ("Scope", network.scope.as_str().into()),
            ("IPv4", network.enable_ipv4.to_string().into()),
            ("IPv6", network.enable_ipv6.to_string().into()),
            ("Internal", network.internal.to_string().into()),
            ("Labels", labels.join(",").into()),
            ("CreatedAt", network.created.as_str().into()),
        ])
    }
}
