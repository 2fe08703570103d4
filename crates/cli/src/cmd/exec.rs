//! `exec`: one more process in a running container.

use super::container;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::detach_keys::DetachKeys;
use crate::failure::{Failure, Result};
use crate::options::environment;
use crate::session::{self, End, Session, Target};
use crate::signals::Forwarded;
use crate::terminal;
use client::{Call, Client};
use docker_schema::IdResponse;
use docker_schema::exec::{CreateRequest, Inspect, StartRequest};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Exec {
    /// Detached mode: run command in the background
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string")]
    detach_keys: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "list")]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    env_file: Vec<PathBuf>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Username or UID (format: "<name|uid>[:<group|gid>]")
    #[arg(
        short,
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    user: String,
    /// Working directory inside the container
    #[arg(
        short,
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    workdir: String,
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, hide = true)]
    container_and_command: Vec<String>,
}

impl Action for Exec {
    const ABOUT: &'static str = "Execute a command in a running container";
    const USAGE: &'static str = "[OPTIONS] CONTAINER COMMAND [ARG...]";
    const TAKES: Takes = Takes::AtLeast(2);

    async fn run(self, cx: &Context) -> Result {
        let (name, command) = super::create::split(&self.container_and_command);
        let keys = match &self.detach_keys {
            Some(keys) => DetachKeys::parse(keys)?,
            None => DetachKeys::default(),
        };
        if self.tty && self.interactive && !self.detach {
            super::create::check_terminal().map_err(|words| Failure::text(1, words))?;
        }
        let request = self.request(command)?;
        let client = cx.client().await?;
        let create = Call::post(container(name, "/exec")).json(&request)?;
        let created: IdResponse = client.json(create).await?;
        match self.detach {
            true => start_detached(client, &created.id, self.tty).await,
            false => self.attached(client, created.id, keys).await,
        }
    }
}

impl Exec {
    fn request(&self, command: &[String]) -> Result<CreateRequest> {
        let env = environment(&self.env_file, &self.env).map_err(|e| Failure::text(1, e))?;
        Ok(CreateRequest {
            user: self.user.clone(),
            privileged: self.privileged,
            tty: self.tty,
            console_size: terminal::size().filter(|_| self.tty),
            attach_stdin: self.interactive && !self.detach,
            attach_stdout: !self.detach,
            attach_stderr: !self.detach,
            detach_keys: self.detach_keys.clone().unwrap_or_default(),
            env: (!env.is_empty()).then_some(env),
            working_dir: self.workdir.clone(),
            cmd: Some(command.to_vec()),
        })
    }

    async fn attached(&self, client: &Client, id: String, keys: DetachKeys) -> Result {
        let start = StartRequest {
            detach: false,
            tty: self.tty,
            console_size: terminal::size().filter(|_| self.tty),
        };
        let call = Call::post(format!("/exec/{id}/start")).json(&start)?;
        let stream = client.hijack(call).await.map_err(not_executed)?;
        let session = Session {
            stream,
            stdin: self.interactive,
            tty: self.tty,
            detach: keys,
        };
        let target = Target::Exec {
            id: id.clone(),
            tty: self.tty,
        };
        let copy = session.copy();
        let end = session::accompany(copy, client, &target, Forwarded::default()).await??;
        match end {
            End::Detached => Err(Failure::text(0, "read escape sequence")),
            End::Closed => status(client, &id).await,
        }
    }
}

async fn start_detached(client: &Client, id: &str, tty: bool) -> Result {
    let start = StartRequest {
        detach: true,
        tty,
        console_size: None,
    };
    let call = Call::post(format!("/exec/{id}/start")).json(&start)?;
    client.done(call).await.map_err(not_executed)?;
    Ok(0)
}

fn not_executed(error: client::Error) -> Failure {
    let failure = Failure::from(error);
    let says = |word: &str| failure.message().contains(word);
    let status = if says("executable file not found") || says("no such file or directory") {
        127
    } else if says("permission denied") || says("is a directory") || says("exec format error") {
        126
    } else {
        1
    };
    failure.with_status(status)
}

/// How often, and how long, a process that closed its streams is asked for its end.
const ASKED: u32 = 100;

async fn status(client: &Client, id: &str) -> Result {
    // The streams may end before the process: they are waited for, and it is asked.
    for round in 0..ASKED {
        let found: Inspect = client.json(Call::get(format!("/exec/{id}/json"))).await?;
        match (found.running, found.exit_code) {
            (false, Some(code)) => return Ok(u8::try_from(code & 0xff).unwrap_or(1)),
            _ => tokio::time::sleep(Duration::from_millis(round.into())).await,
        }
    }
    Err(Failure::text(
        1,
        "the command closed its streams and runs on: its exit status is not known",
    ))
}
