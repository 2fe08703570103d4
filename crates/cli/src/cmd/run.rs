//! `run`: create a container, attach to it, and start it.

use super::create::{self, Created};
use super::{container, start};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::detach_keys::DetachKeys;
use crate::failure::{Failure, Result};
use crate::options::{ContainerOptions, Words};
use crate::output;
use crate::session::{self, End, Session, Target};
use crate::signals::Forwarded;
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use client::{Call, Client, JsonStream};
use docker_schema::container::WaitResponse;
use std::time::Duration;

/// How long the removal of a container that could not be started is waited for.
const REMOVAL: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Run container in background and print container ID
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string")]
    detach_keys: Option<String>,
    /// Proxy received signals to the process (default true)
    #[arg(long, action = clap::ArgAction::SetFalse)]
    sig_proxy: bool,
    #[arg(skip)]
    options: ContainerOptions,
    #[arg(required = true, trailing_var_arg = true, hide = true)]
    image_and_command: Vec<String>,
}

impl Action for Run {
    const ABOUT: &'static str = "Create and run a new container from an image";
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
        let wrong = |text: String| Failure::text(125, text).with_help("run");
        let keys = match &self.detach_keys {
            Some(keys) => DetachKeys::parse(keys)?,
            None => DetachKeys::default(),
        };
        let attached = self.options.attached(self.detach).map_err(wrong)?;
        if attached.stdin && self.options.tty {
            create::check_terminal().map_err(|words| Failure::text(1, words))?;
        }
        let (image, command) = create::split(&self.image_and_command);
        let request = self
            .options
            .request(image, command, attached)
            .map_err(wrong)?;
        let client = cx.client().await.map_err(|f| f.with_status(125))?;
        let created = create::create(client, &self.options, &request);
        let created = match attached.any() {
            true => tokio::join!(created, open_more(client)).0,
            false => created.await,
        };
        let created = created.map_err(|failure| failure.with_status(125).with_help("run"))?;
        match attached.any() {
            true => self.foreground(client, created, keys).await,
            false => self.background(client, created).await,
        }
    }
}

/// Makes the connections for what follows the creation closely: attaching, waiting and starting.
/// The daemon makes the container meanwhile.
async fn open_more(client: &Client) {
    // By then the request was handed over, and sent.
    for _ in 0..2 {
        tokio::task::yield_now().await;
    }
    // One that cannot be made is missed when it is used.
    drop(client.open(2).await);
}

impl Run {
    async fn background(self, client: &Client, created: Created) -> Result {
        output::line(&created.id)?;
        let call = Call::post(container(&created.id, "/start"));
        client.done(call).await.map_err(start_failure)?;
        Ok(0)
    }

    async fn foreground(self, client: &Client, created: Created, keys: DetachKeys) -> Result {
        let attached = self.options.attached(self.detach).unwrap_or_default();
        let id = &created.id;
        let signals = match self.sig_proxy {
            true => Forwarded::catch()?,
            false => Forwarded::default(),
        };
        let attach = start::attach_call(id, attached, self.detach_keys.as_deref());
        let condition = if self.options.rm {
            "removed"
        } else {
            "next-exit"
        };
        let wait = Call::post(container(id, "/wait")).query("condition", condition);
        // Both answer as soon as they are registered, which is all that the start waits for.
        let (stream, wait) = tokio::join!(client.hijack(attach), client.json_stream(wait));
        let (stream, wait) = (
            stream.map_err(|e| Failure::from(e).with_status(125).with_help("run"))?,
            wait.map_err(|e| Failure::from(e).with_status(125).with_help("run"))?,
        );
        if let Err(error) = client.done(Call::post(container(id, "/start"))).await {
            if self.options.rm {
                // Its removal is part of this run, unless it hangs.
                drop(tokio::time::timeout(REMOVAL, status(wait)).await);
            }
            return Err(start_failure(error));
        }
        let target = Target::Container {
            id: id.clone(),
            tty: self.options.tty,
        };
        let session = Session {
            stream,
            stdin: attached.stdin,
            tty: self.options.tty,
            detach: keys,
        };
        let copy = async {
            match session.copy().await {
                Ok(End::Detached) => Ok(0),
                Ok(End::Closed) => status(wait).await,
                Err(failure) => Err(failure.with_status(125)),
            }
        };
        session::accompany(copy, client, &target, signals).await?
    }
}

/// What is said if the daemon ends before a container does.
pub(crate) const DAEMON_GONE: &str =
    "the daemon went away before the container ended; the container runs on: see `corten ps`";

/// A container's end.
pub(crate) async fn end(mut wait: JsonStream) -> Result<WaitResponse> {
    let answer = match wait.next().await {
        Err(client::Error::Body { .. }) => None,
        answer => answer?,
    };
    answer.ok_or_else(|| Failure::text(1, DAEMON_GONE))
}

/// The exit status that a wait gives.
pub(crate) async fn status(wait: JsonStream) -> Result {
    let answer = end(wait).await.map_err(|f| f.with_status(125))?;
    if let Some(error) = answer.error.filter(|error| !error.message.is_empty()) {
        return Err(Failure::text(
            125,
            format!("Error waiting for container: {}", error.message),
        ));
    }
    // The API's statuses are those of wait(2): 0 to 255.
    Ok(u8::try_from(answer.status_code & 0xff).unwrap_or(125))
}

/// COMPAT: the status tells why the command could not be executed.
pub(crate) fn start_failure(error: client::Error) -> Failure {
    let failure = Failure::from(error);
    let says = |words: &[&str]| words.iter().any(|word| failure.message().contains(word));
    let status = if says(&[
        "executable file not found",
        "no such file or directory",
        "system cannot find the file specified",
    ]) {
        127
    } else if says(&["permission denied", "is a directory", "exec format error"]) {
        126
    } else {
        125
    };
    failure.with_status(status).with_help("run")
}
