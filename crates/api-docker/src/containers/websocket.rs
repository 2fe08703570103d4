//! Attaching by a websocket: browsers' way to a container's streams.
//!
//! Messages are framed here, so that these streams, unlike others, end with the daemon.

use super::attach::detach_keys;
use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use engine::{Attach, Attachment, DetachKeys, Framing, Status};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use types::ContainerId;

/// How much is sent as one message.
const PIECE: usize = 32 << 10;

/// What the client asks for.
struct Wish {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    logs: bool,
    stream: bool,
    keys: Option<DetachKeys>,
}

pub(crate) async fn attach(mut call: Call) -> Result<Response> {
    let id = call.container()?;
    let keys = detach_keys(call.query.text("detachKeys"))?;
    let container = call.api.engine.containers().find(&id)?;
    if container.state.status == Status::Paused {
        let words = format!("container {id} is paused, unpause the container before attach");
        return Err(Error::new(StatusCode::CONFLICT, words));
    }
    let tty = container.record.spec.streams.tty;
    let query = &call.query;
    let wish = Wish {
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        logs: query.flag("logs"),
        stream: query.flag("stream"),
        keys: tty.then_some(keys),
    };
    let key = call.header("sec-websocket-key").as_bytes().to_vec();
    let asked = call.header("upgrade").eq_ignore_ascii_case("websocket");
    let Some(upgrade) = call.upgrade.take().filter(|_| asked && !key.is_empty()) else {
        return Err(Error::bad_request("not websocket protocol"));
    };
    let gate = call.api.gates.close(&id);
    let containers = call.api.engine.containers().clone();
    call.api.tracker.spawn(async move {
        let carried = carry(&containers, &id, upgrade, wish, gate).await;
        if let Err(error) = carried {
            tracing::debug!(container.id = %id, %error, "a websocket ended early");
        }
    });
    switching(&key)
}

fn switching(key: &[u8]) -> Result<Response> {
    let mut response = body::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    let accept = HeaderValue::try_from(derive_accept_key(key));
    let accept = accept.map_err(|error| Error::bad_request(error.to_string()))?;
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    Ok(response)
}

/// Attaches a pair of sockets and carries messages to and from it.
async fn carry<G>(
    containers: &engine::Containers,
    id: &ContainerId,
    upgrade: OnUpgrade,
    wish: Wish,
    gate: G,
) -> io::Result<()> {
    let upgraded = upgrade.await.map_err(io::Error::other)?;
    let io = TokioIo::new(upgraded);
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    let (ours, theirs) = UnixStream::pair()?;
    let attachment = Attachment {
        attach: Attach {
            fd: theirs.into_std()?.into(),
            unread: Vec::new(),
            stdin: wish.stdin,
            stdout: wish.stdout,
            stderr: wish.stderr,
            // COMPAT: no message says which stream it is of.
            framing: Framing::Raw,
            detach_keys: wish.keys,
        },
        logs: wish.logs,
        stream: wish.stream,
    };
    // What the log holds may be more than the pair takes: it is carried meanwhile.
    let attaching = async {
        let attached = containers.attach(id, attachment).await;
        drop(gate);
        attached.map_err(|error| io::Error::other(Error::from(error).to_string()))
    };
    let (attached, pumped) = tokio::join!(attaching, pump(socket, ours));
    attached.and(pumped)
}

async fn pump(socket: WebSocketStream<TokioIo<Upgraded>>, streams: UnixStream) -> io::Result<()> {
    let (mut sink, mut messages) = socket.split();
    let (mut output, mut input) = streams.into_split();
    let typed = async {
        while let Some(message) = messages.next().await {
            match message.map_err(io::Error::other)? {
                Message::Text(text) => input.write_all(text.as_bytes()).await?,
                Message::Binary(bytes) => input.write_all(&bytes).await?,
                Message::Close(_) => break,
                _ => {}
            }
        }
        input.shutdown().await
    };
    let written = async {
        let mut piece = vec![0; PIECE];
        loop {
            let length = output.read(&mut piece).await?;
            let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            let message = Message::Binary(Bytes::copy_from_slice(bytes));
            sink.send(message).await.map_err(io::Error::other)?;
        }
        // Its other end may be gone already.
        drop(sink.close().await);
        Ok(())
    };
    tokio::select! {
        // The program's streams have ended: nothing is left to be typed for.
        written = written => written,
        // A client that closes its socket is gone.
        typed = typed => typed,
    }
}
