//! `top`: the processes of a container.

use super::container;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::{output, table};
use client::Call;

#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    #[arg(required = true, hide = true)]
    container: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    ps_options: Vec<String>,
}

impl Action for Top {
    const ABOUT: &'static str = "Display the running processes of a container";
    const USAGE: &'static str = "CONTAINER [ps OPTIONS]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let options = (!self.ps_options.is_empty()).then(|| self.ps_options.join(" "));
        let call = Call::get(container(&self.container, "/top")).optional("ps_args", options);
        let top: docker_schema::container::Top = cx.client().await?.json(call).await?;
        output::text(&table::loose(top.titles, top.processes))?;
        Ok(0)
    }
}
