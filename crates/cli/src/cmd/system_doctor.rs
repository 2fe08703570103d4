//! `system doctor`: what is left that nothing owns.

use crate::command::{Action, Takes};
use crate::context::{self, Context};
use crate::failure::{Failure, Result};
use crate::{output, start};
use client::{Call, Client, Host};
use docker_schema::container::Summary;
use docker_schema::network::Network;
use docker_schema::volume::ListResponse;
use doctor::{Records, examine};
use serde_json::json;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use types::{ContainerId, Paths};

#[derive(Debug, clap::Args)]
pub(crate) struct SystemDoctor {
    /// Format output: 'json' for one document a line
    #[arg(long, value_name = "string")]
    format: Option<String>,
}

impl Action for SystemDoctor {
    const ABOUT: &'static str = "Find what was left behind and nothing owns";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let paths = match cx.own() {
            Some(paths) => paths.clone(),
            None => context::paths()?,
        };
        // The daemon is asked if it runs, and never started for this.
        let client = Client::new(Host::Unix(paths.socket.clone()));
        let records = match client.json::<Vec<Summary>>(all()).await {
            Ok(found) => {
                let ids = found.into_iter().filter_map(|one| one.id.parse().ok());
                let networks = client.json::<Vec<Network>>(Call::get("/networks")).await;
                let networks = networks.unwrap_or_default();
                Records::Objects {
                    containers: ids.collect(),
                    networks: networks.into_iter().map(|network| network.id).collect(),
                    volumes: volumes(&client).await,
                }
            }
            Err(_) => recorded(&paths).unwrap_or(Records::Unknown),
        };
        let findings = examine(&paths, &records);
        for leak in &findings.leaks {
            match self.format.as_deref() {
                Some("json") => {
                    let document = json!({
                        "What": leak.what.to_string(), "Name": leak.name, "Why": leak.why,
                    });
                    output::line(&document.to_string())?;
                }
                None | Some(_) => output::line(&leak.to_string())?,
            }
        }
        for place in &findings.unread {
            output::error(&format!("not examined: {place}"));
        }
        if records == Records::Unknown {
            output::error("the daemon does not run: what only it knows was passed over");
        }
        match findings.leaks.len() {
            0 => Ok(0),
            _ => Err(Failure::silent(1)),
        }
    }
}

/// What is on record, in the daemon's words.
#[derive(serde::Deserialize)]
struct Recorded {
    containers: BTreeSet<ContainerId>,
    networks: BTreeSet<String>,
    volumes: BTreeSet<String>,
}

/// What is on record in the database of a daemon that does not run; `None` if one does, or it
/// cannot be read. The daemon's executable reads it, so that no command need carry a database.
fn recorded(paths: &Paths) -> Option<Records> {
    if !paths.database().exists() {
        return Some(Records::Containers(BTreeSet::new()));
    }
    let mut reader = Command::new(start::executable().ok()?);
    reader.arg("records").arg(&paths.root).arg(&paths.run);
    let read = reader.stderr(Stdio::null()).output().ok()?;
    let recorded: Recorded = serde_json::from_slice(&read.stdout).ok()?;
    Some(Records::Objects {
        containers: recorded.containers,
        networks: recorded.networks,
        volumes: recorded.volumes,
    })
}

async fn volumes(client: &Client) -> BTreeSet<String> {
    let found = client.json::<ListResponse>(Call::get("/volumes")).await;
    let found = found.unwrap_or_default().volumes.unwrap_or_default();
    found.into_iter().map(|volume| volume.name).collect()
}

fn all() -> Call {
    Call::get("/containers/json").query("all", "1")
}
