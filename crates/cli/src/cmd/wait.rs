//! `wait`: block until containers stop, and print their exit statuses.

use super::{container, run};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::output;
use client::{Call, Client};

#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    #[arg(required = true, hide = true)]
    containers: Vec<String>,
}

impl Action for Wait {
    const ABOUT: &'static str =
        "Block until one or more containers stop, then print their exit codes";
    const USAGE: &'static str = "CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let client = cx.client().await?;
        let mut failures = Vec::new();
        for name in &self.containers {
            match one(client, name).await {
                Ok(code) => output::line(&code.to_string())?,
                Err(failure) => failures.push(failure),
            }
        }
        Failure::all(failures)?;
        Ok(0)
    }
}

async fn one(client: &Client, name: &str) -> Result<i64> {
    let call = Call::post(container(name, "/wait"));
    let answer = run::end(client.json_stream(call).await?).await?;
    Ok(answer.status_code)
}
