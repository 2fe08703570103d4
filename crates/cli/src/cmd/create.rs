//! `create`: create a container without starting it; and what `run` shares with it.

use super::pull;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::options::{ContainerOptions, Words};
use crate::output;
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use client::{Call, Client};
use docker_schema::container::{CreateRequest, CreateResponse};
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    #[arg(skip)]
    options: ContainerOptions,
    #[arg(required = true, trailing_var_arg = true, hide = true)]
    image_and_command: Vec<String>,
}

impl Action for Create {
    const ABOUT: &'static str = "Create a new container";
    const USAGE: &'static str = "[OPTIONS] IMAGE [COMMAND] [ARG...]";
    const TAKES: Takes = Takes::AtLeast(1);

    fn add(command: Command, words: Words<'_>) -> Command {
        ContainerOptions::add(Self::augment_args(command), words)
    }

    fn read(matches: &mut ArgMatches, words: Words<'_>) -> std::result::Result<Self, clap::Error> {
        Ok(Self {
            options: ContainerOptions::read(matches, words)?,
            ..Self::from_arg_matches_mut(matches)?
        })
    }

    async fn run(self, cx: &Context) -> Result {
        let wrong = |text: String| Failure::text(125, text).with_help("create");
        let attached = self.options.attached(false).map_err(wrong)?;
        let (image, command) = split(&self.image_and_command);
        let request = self
            .options
            .request(image, command, attached)
            .map_err(wrong)?;
        let client = cx.client().await?;
        // COMPAT: unlike run, the daemon's refusal is status 1.
        let created = create(client, &self.options, &request).await?;
        output::line(&created.id)?;
        Ok(0)
    }
}

/// A new container.
#[derive(Debug)]
pub(crate) struct Created {
    /// Its id.
    pub(crate) id: String,
}

/// The image, and the command after it.
pub(crate) fn split(words: &[String]) -> (&str, &[String]) {
    words
        .split_first()
        .map_or(("", &[][..]), |(image, command)| (image.as_str(), command))
}

/// COMPAT: docker's words.
pub(crate) fn check_terminal() -> std::result::Result<(), String> {
    match std::io::stdin().is_terminal() {
        true => Ok(()),
        false => Err("the input device is not a TTY".into()),
    }
}

/// Creates the container, after pulling its image if that is missing and wanted.
pub(crate) async fn create(
    client: &Client,
    options: &ContainerOptions,
    request: &CreateRequest,
) -> Result<Created> {
    let file = options.labels.cidfile.as_deref().map(id_file).transpose()?;
    let image = &request.config.image;
    let platform = options.image.platform.as_deref();
    let fetch = async || match options.image.quiet {
        true => pull::silently(client, image, platform).await,
        false => pull::to_standard_error(client, image, platform).await,
    };
    let pull = options.image.pull.as_deref().unwrap_or("missing");
    match pull {
        "always" => fetch().await?,
        "missing" | "never" => {}
        other => {
            return Err(Failure::text(
                125,
                format!(
                    "invalid pull option: '{other}': must be one of \"always\", \"missing\" or \"never\""
                ),
            ));
        }
    }
    let mut answer = post(client, options, request).await;
    if pull == "missing"
        && answer
            .as_ref()
            .is_err_and(|error| misses_image(error, image))
    {
        output::error(&format!(
            "Unable to find image '{}' locally",
            with_tag(image)
        ));
        fetch().await?;
        answer = post(client, options, request).await;
    }
    let answer = answer.inspect_err(|_| {
        if let Some(path) = &options.labels.cidfile {
            drop(std::fs::remove_file(path));
        }
    })?;
    for warning in &answer.warnings {
        output::error(&format!("WARNING: {warning}"));
    }
    if let Some(mut file) = file {
        file.write_all(answer.id.as_bytes())?;
    }
    Ok(Created { id: answer.id })
}

async fn post(
    client: &Client,
    options: &ContainerOptions,
    request: &CreateRequest,
) -> client::Result<CreateResponse> {
    let call = Call::post("/containers/create")
        .optional("name", options.name.as_deref())
        .optional("platform", options.image.platform.as_deref())
        .json(request)?;
    client.json(call).await
}

fn misses_image(error: &client::Error, image: &str) -> bool {
    error.is_not_found() && error.to_string().contains("No such image") && !image.is_empty()
}

/// With `:latest` if it names neither a tag nor a digest.
pub(crate) fn with_tag(image: &str) -> String {
    let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
    match name.contains([':', '@']) {
        true => image.to_owned(),
        false => format!("{image}:latest"),
    }
}

fn id_file(path: &Path) -> Result<std::fs::File> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    made.map_err(|error| {
        let path = path.display();
        let text = match error.kind() {
            std::io::ErrorKind::AlreadyExists => format!(
                "container ID file found, make sure the other container isn't running or delete {path}"
            ),
            _ => format!("failed to create the container ID file: open {path}: {error}"),
        };
        Failure::text(125, text)
    })
}
