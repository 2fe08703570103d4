//! `volume create`: make a volume.

use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::options::key_value::map;
use crate::output;
use client::Call;
use docker_schema::volume::{CreateRequest, Volume};

#[derive(Debug, clap::Args)]
pub(crate) struct VolumeCreate {
    /// Specify volume driver name
    #[arg(short, long, value_name = "string", default_value = "local")]
    driver: String,
    /// Set metadata for a volume
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "map")]
    opt: Vec<String>,
    /// Specify volume name
    #[arg(long, value_name = "string", hide = true)]
    name: Option<String>,
    #[arg(hide = true)]
    volume: Option<String>,
}

impl Action for VolumeCreate {
    const ABOUT: &'static str = "Create a volume";
    const USAGE: &'static str = "[OPTIONS] [VOLUME]";
    const TAKES: Takes = Takes::Between(0, 1);

    async fn run(self, cx: &Context) -> Result {
        let name = match (self.name, self.volume) {
            (Some(_), Some(_)) => {
                return Err(Failure::text(
                    1,
                    "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
                ));
            }
            (name, volume) => name.or(volume).unwrap_or_default(),
        };
        let request = CreateRequest {
            name,
            driver: self.driver,
            driver_opts: Some(map(&self.opt)),
            labels: Some(map(&self.label)),
        };
        let call = Call::post("/volumes/create").json(&request)?;
        let created: Volume = cx.client().await?.json(call).await?;
        output::line(&created.name)?;
        Ok(0)
    }
}
