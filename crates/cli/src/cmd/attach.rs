//! `attach`: our streams on a running container's.

use super::{container, run, start};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::detach_keys::DetachKeys;
use crate::failure::{Failure, Result};
use crate::options::Attached;
use crate::session::{self, End, Session, Target};
use crate::signals::Forwarded;
use client::Call;
use docker_schema::container::Inspect;

#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string")]
    detach_keys: Option<String>,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Proxy all received signals to the process (default true)
    #[arg(long, action = clap::ArgAction::SetFalse)]
    sig_proxy: bool,
    #[arg(required = true, hide = true)]
    container: String,
}

impl Action for Attach {
    const ABOUT: &'static str =
        "Attach local standard input, output, and error streams to a running container";
    const USAGE: &'static str = "[OPTIONS] CONTAINER";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, cx: &Context) -> Result {
        let client = cx.client().await?;
        let name = &self.container;
        let found: Inspect = client.json(Call::get(container(name, "/json"))).await?;
        let refuse = |words: &str| Err(Failure::text(1, words));
        match found.state {
            ref s if !s.running => {
                return refuse("You cannot attach to a stopped container, start it first");
            }
            ref s if s.paused => {
                return refuse("You cannot attach to a paused container, unpause it first");
            }
            ref s if s.restarting => {
                return refuse(
                    "You cannot attach to a restarting container, wait until it is running",
                );
            }
            _ => {}
        }
        let keys = match &self.detach_keys {
            Some(keys) => DetachKeys::parse(keys)?,
            None => DetachKeys::default(),
        };
        let (id, tty) = (&found.id, found.config.tty);
        let attached = Attached {
            stdin: !self.no_stdin && found.config.open_stdin,
            stdout: true,
            stderr: true,
        };
        if attached.stdin && tty {
            super::create::check_terminal().map_err(|words| Failure::text(1, words))?;
        }
        let signals = match self.sig_proxy && !tty {
            true => Forwarded::catch()?,
            false => Forwarded::default(),
        };
        let wait = Call::post(container(id, "/wait"));
        let call = start::attach_call(id, attached, self.detach_keys.as_deref());
        let (stream, wait) = tokio::join!(client.hijack(call), client.json_stream(wait));
        let (stream, wait) = (stream?, wait?);
        let target = Target::Container {
            id: id.clone(),
            tty,
        };
        drop(target.resize(client).await);
        let session = Session {
            stream,
            stdin: attached.stdin,
            tty,
            detach: keys,
        };
        let copy = async {
            match session.copy().await? {
                End::Detached => Err(Failure::text(1, "read escape sequence")),
                // COMPAT: whatever keeps the container's own status from being known.
                End::Closed => run::status(wait).await.map_err(|f| f.with_status(1)),
            }
        };
        session::accompany(copy, client, &target, signals).await?
    }
}
