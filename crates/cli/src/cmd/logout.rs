//! `logout`: forget a registry's credentials.

use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::output;
use client::credentials::{self, Config, INDEX};

#[derive(Debug, clap::Args)]
pub(crate) struct Logout {
    #[arg(hide = true)]
    server: Option<String>,
}

impl Action for Logout {
    const ABOUT: &'static str = "Log out from a registry";
    const USAGE: &'static str = "[SERVER]";
    const TAKES: Takes = Takes::Between(0, 1);

    async fn run(self, _cx: &Context) -> Result {
        let server = credentials::server(self.server.as_deref().unwrap_or(INDEX)).to_owned();
        match Config::read()?.erase(&server)? {
            true => output::line(&format!("Removing login credentials for {server}"))?,
            false => output::line(&format!("Not logged in to {server}"))?,
        }
        Ok(0)
    }
}
