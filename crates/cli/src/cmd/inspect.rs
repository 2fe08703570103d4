//! `inspect`: everything about containers and images.

use super::container;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::output;
use crate::template::Format;
use client::{Call, Client, encode};
use serde_json::Value;

const FORMAT_HELP: &str = "Format output using a custom template: 'json' or a Go template";

#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    #[arg(short, long, value_name = "string", help = FORMAT_HELP)]
    format: Option<String>,
    /// Display total file sizes if the type is container
    #[arg(short, long)]
    size: bool,
    /// Only inspect objects of the given type
    #[arg(long, value_name = "string")]
    r#type: Option<String>,
    #[arg(required = true, hide = true)]
    names: Vec<String>,
}

/// `container inspect`
#[derive(Debug, clap::Args)]
pub(crate) struct ContainerInspect {
    #[arg(short, long, value_name = "string", help = FORMAT_HELP)]
    format: Option<String>,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
    #[arg(required = true, hide = true)]
    names: Vec<String>,
}

impl Action for Inspect {
    const ABOUT: &'static str = "Return low-level information on corten objects";
    const USAGE: &'static str = "[OPTIONS] NAME|ID [NAME|ID...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let kinds: &[Kind] = match self.r#type.as_deref() {
            None | Some("") => &[Kind::Container, Kind::Image, Kind::Network, Kind::Volume],
            Some("container") => &[Kind::Container],
            Some("image") => &[Kind::Image],
            Some("network") => &[Kind::Network],
            Some("volume") => &[Kind::Volume],
            Some(other) => {
                return Err(Failure::text(
                    1,
                    format!("{other:?} is not a valid value for --type"),
                ));
            }
        };
        show(cx, &self.names, kinds, self.size, self.format.as_deref()).await
    }
}

impl Action for ContainerInspect {
    const ABOUT: &'static str = "Display detailed information on one or more containers";
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let kinds = &[Kind::Container];
        show(cx, &self.names, kinds, self.size, self.format.as_deref()).await
    }
}

/// What is looked for under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

/// Prints what is found under each name, as the first of `kinds` that has it.
pub(crate) async fn show(
    cx: &Context,
    names: &[String],
    kinds: &[Kind],
    size: bool,
    format: Option<&str>,
) -> Result {
    let format = match format {
        None | Some("") => None,
        Some("json") => Some(Format::parse("{{json .}}")?),
        Some(text) => Some(Format::parse(text)?),
    };
    let client = cx.client().await?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match find(client, name, kinds, size).await {
            Ok(document) => found.push(document),
            Err(failure) => failures.push(failure),
        }
    }
    match format {
        None => output::line(&indented(&found)?)?,
        Some(format) => {
            for document in &found {
                output::line(&format.render(document)?)?;
            }
        }
    }
    Failure::all(failures)?;
    Ok(0)
}

async fn find(client: &Client, name: &str, kinds: &[Kind], size: bool) -> Result<Value> {
    for kind in kinds {
        let call = match kind {
            Kind::Container => Call::get(container(name, "/json")).flag("size", size),
            Kind::Image => Call::get(format!("/images/{}/json", encode(name))),
            Kind::Network => Call::get(format!("/networks/{}", encode(name))),
            Kind::Volume => Call::get(format!("/volumes/{}", encode(name))),
        };
        match client.json(call).await {
            Err(error) if error.is_not_found() && kinds.len() > 1 => {}
            result => return Ok(result?),
        }
    }
    Err(Failure::text(1, format!("Error: No such object: {name}")))
}

/// COMPAT: four spaces, an array even for one.
fn indented(found: &[Value]) -> Result<String> {
    use serde::Serialize;
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    found
        .serialize(&mut serializer)
        .map_err(|error| Failure::from(anyhow::Error::new(error)))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
