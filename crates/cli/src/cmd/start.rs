//! `start`: start containers again, attached to one if wanted.

use super::{container, each, run};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::detach_keys::DetachKeys;
use crate::failure::{Failure, Result};
use crate::options::Attached;
use crate::session::{self, End, Session, Target};
use crate::signals::Forwarded;
use client::{Call, Client};
use docker_schema::container::Inspect;

#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    attach: bool,
    /// Attach container's STDIN
    #[arg(short, long)]
    interactive: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string")]
    detach_keys: Option<String>,
    #[arg(required = true, hide = true)]
    containers: Vec<String>,
}

impl Action for Start {
    const ABOUT: &'static str = "Start one or more stopped containers";
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let client = cx.client().await?;
        match (self.attach || self.interactive, self.containers.as_slice()) {
            (true, [name]) => self.attached(client, name).await,
            (true, _) => Err(Failure::text(
                1,
                "you cannot start and attach multiple containers at once",
            )),
            (false, names) => {
                let call = |name: &str| {
                    Call::post(container(name, "/start"))
                        .optional("detachKeys", self.detach_keys.as_deref())
                };
                each(client, names, call).await
            }
        }
    }
}

impl Start {
    async fn attached(&self, client: &Client, name: &str) -> Result {
        let found: Inspect = client.json(Call::get(container(name, "/json"))).await?;
        let keys = match &self.detach_keys {
            Some(keys) => DetachKeys::parse(keys)?,
            None => DetachKeys::default(),
        };
        let (id, tty) = (&found.id, found.config.tty);
        let attached = Attached {
            stdin: self.interactive && found.config.open_stdin,
            stdout: true,
            stderr: true,
        };
        let signals = match tty {
            true => Forwarded::default(),
            false => Forwarded::catch()?,
        };
        let call = attach_call(id, attached, self.detach_keys.as_deref());
        let condition = match found.host_config.auto_remove {
            true => "removed",
            false => "next-exit",
        };
        let wait = Call::post(container(id, "/wait")).query("condition", condition);
        let (stream, wait) = tokio::join!(client.hijack(call), client.json_stream(wait));
        let (stream, wait) = (stream?, wait?);
        client.done(Call::post(container(id, "/start"))).await?;
        let target = Target::Container {
            id: id.clone(),
            tty,
        };
        // A failure to resize is a container that ended already.
        drop(target.resize(client).await);
        let session = Session {
            stream,
            stdin: attached.stdin,
            tty,
            detach: keys,
        };
        let copy = async {
            match session.copy().await? {
                End::Detached => Ok(0),
                End::Closed => run::status(wait).await,
            }
        };
        session::accompany(copy, client, &target, signals).await?
    }
}

/// The request that attaches to a container.
pub(crate) fn attach_call(id: &str, attached: Attached, keys: Option<&str>) -> Call {
    Call::post(container(id, "/attach"))
        .query("stream", "1")
        .flag("stdin", attached.stdin)
        .flag("stdout", attached.stdout)
        .flag("stderr", attached.stderr)
        .optional("detachKeys", keys)
}
