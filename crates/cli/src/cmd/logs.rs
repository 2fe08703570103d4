//! `logs`: what a container wrote.

use super::container;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::session::Printer;
use crate::units;
use client::Call;
use docker_schema::container::Inspect;

#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "string")]
    since: Option<String>,
    /// Number of lines to show from the end of the logs
    #[arg(short = 'n', long, value_name = "string", default_value = "all")]
    tail: String,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    /// Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "string")]
    until: Option<String>,
    #[arg(required = true, hide = true)]
    container: String,
}

impl Action for Logs {
    const ABOUT: &'static str = "Fetch the logs of a container";
    const USAGE: &'static str = "[OPTIONS] CONTAINER";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, cx: &Context) -> Result {
        let moment = |flag: &str, text: &Option<String>| {
            text.as_deref()
                .map(units::moment)
                .transpose()
                .map_err(|reason| Failure::text(1, format!("invalid value for {flag:?}: {reason}")))
        };
        let since = moment("since", &self.since)?;
        let until = moment("until", &self.until)?;
        let client = cx.client().await?;
        let found: Inspect = client
            .json(Call::get(container(&self.container, "/json")))
            .await?;
        let call = Call::get(container(&found.id, "/logs"))
            .query("stdout", "1")
            .query("stderr", "1")
            .flag("follow", self.follow)
            .flag("timestamps", self.timestamps)
            .flag("details", self.details)
            .query("tail", &self.tail)
            .optional("since", since)
            .optional("until", until);
        let mut answer = client.bytes_stream(call).await?;
        let mut printer = Printer::new(found.config.tty)?;
        while let Some(piece) = answer.next().await? {
            printer.print(&piece).await?;
        }
        Ok(0)
    }
}
