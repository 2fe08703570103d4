//! Images that come: pulled, imported, loaded.

use super::credentials::credentials;
use super::progress::message;
use super::reference;
use crate::body::{self, Response, Sent, Writer};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::server::Api;
use crate::version::ApiVersion;
use docker_schema::progress::Message;
use images::{Event, Import, Input, Platform, Progress, Pull};
use std::future::Future;
use std::io;
use tokio::sync::mpsc;

/// Lines that may wait for a slow client; half of them are kept from mere advances.
const WAITING: usize = 1_024;

pub(crate) async fn create(call: Call) -> Result<Response> {
    match (call.query.text("fromImage"), call.query.text("fromSrc")) {
        ("", "") => Err(Error::bad_request("fromImage or fromSrc must be given")),
        ("", "-") => import(call),
        ("", _) => Err(Call::refuse(
            "fromSrc",
            "send the archive itself, with fromSrc=-",
        )),
        (_, _) => pull(call).await,
    }
}

async fn pull(call: Call) -> Result<Response> {
    let named = reference(call.query.text("fromImage"), call.query.text("tag"))?;
    let pull = Pull {
        reference: named,
        platform: platform(call.query.text("platform"))?,
        credentials: credentials(call.header("x-registry-auth")),
    };
    let images = call.api.engine.images().clone();
    told(&call.api, |progress| async move {
        let reference = &pull.reference;
        // COMPAT: without a tag all of them are pulled, one after the other.
        let references = match (reference.tag(), reference.digest()) {
            (None, None) => images.tags(reference, pull.credentials.clone()).await?,
            _ => vec![reference.clone()],
        };
        for reference in references {
            let pull = Pull {
                reference,
                ..pull.clone()
            };
            images.pull(pull, progress.clone()).await?;
        }
        Ok(None)
    })
    .await
}

/// A platform in docker's short form, or as a document.
pub(crate) fn platform(text: &str) -> Result<Option<Platform>> {
    if text.is_empty() {
        return Ok(None);
    }
    let unknown = || {
        Error::bad_request(format!(
            "{text:?}: unknown operating system or architecture: invalid argument"
        ))
    };
    if text.starts_with('{') {
        let read = serde_json::from_str(text);
        return read.map(Some).map_err(|_| unknown());
    }
    let parsed = text.parse::<Platform>();
    parsed
        .map(Some)
        .map_err(|error| Error::bad_request(error.to_string()))
}

fn input(body: Sent) -> Input {
    Box::pin(tokio_util::io::StreamReader::new(body.pieces()))
}

fn import(call: Call) -> Result<Response> {
    let query = &call.query;
    let named = match query.text("repo") {
        "" => None,
        repository => Some(reference(repository, query.text("tag"))?.or_latest()),
    };
    let message = query.text("message");
    let import = Import {
        reference: named,
        changes: query.all("changes").map(str::to_owned).collect(),
        message: (!message.is_empty()).then(|| message.to_owned()),
        platform: platform(query.text("platform"))?,
    };
    let images = call.api.engine.images().clone();
    let (writer, response) = body::stream("application/json");
    let input = input(call.body);
    call.api.tracker.spawn(async move {
        let line = match images.import(import, input).await {
            Ok(image) => Message::status(image.id.to_string()),
            Err(error) => Message::failed(Error::from(error).to_string()),
        };
        // A client that is gone needs to hear nothing.
        drop(send(&writer, &line).await);
    });
    Ok(response)
}

/// The platform of what is loaded or saved.
pub(super) fn one_platform(call: &Call) -> Result<Option<Platform>> {
    let mut asked = call.query.all("platform").filter(|text| !text.is_empty());
    let (first, second) = (asked.next(), asked.next());
    if second.is_none() {
        return platform(first.unwrap_or_default());
    }
    if call.version < SEVERAL_PLATFORMS {
        return Err(Error::bad_request(
            "multiple platform parameters are not supported in this API version; use API version \
             1.52 or later",
        ));
    }
    Err(Call::refuse(
        "platform given twice",
        "an image has one platform here",
    ))
}

/// The version since which a request may name several.
const SEVERAL_PLATFORMS: ApiVersion = ApiVersion::new(1, 52);

pub(crate) async fn load(call: Call) -> Result<Response> {
    let platform = one_platform(&call)?;
    let images = call.api.engine.images().clone();
    let input = input(call.body);
    told(&call.api, |progress| async move {
        images.load(input, platform, progress).await?;
        Ok(None)
    })
    .await
}

/// Runs an operation whose progress is the answer. If it fails before its first word, the
/// answer is its error; later the error is the last line.
pub(super) async fn told<F>(api: &Api, operation: impl FnOnce(Progress) -> F) -> Result<Response>
where
    F: Future<Output = std::result::Result<Option<Message>, images::Error>> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel::<Event>(WAITING);
    let progress = Progress::to(move |event| {
        let spare = sender.capacity();
        if spare > WAITING / 2 || !matches!(event, Event::Advance { .. }) {
            // Nobody listens to what does not fit.
            drop(sender.try_send(event));
        }
    });
    let mut running = Box::pin(operation(progress));
    let first = tokio::select! {
        biased;
        event = receiver.recv() => event,
        done = &mut running => {
            // COMPAT: once anything was said, a failure is said behind it.
            let last = match done {
                Err(error) if receiver.is_empty() => return Err(error.into()),
                last => last,
            };
            let (writer, response) = body::stream("application/json");
            api.tracker.spawn(async move { finish(&writer, receiver, last).await });
            return Ok(response);
        }
    };
    let (writer, response) = body::stream("application/json");
    api.tracker.spawn(async move {
        if let Some(event) = first {
            drop(send(&writer, &message(event)).await);
        }
        let done = loop {
            tokio::select! {
                biased;
                Some(event) = receiver.recv() => {
                    if send(&writer, &message(event)).await.is_err() {
                        return;
                    }
                }
                () = writer.closed() => return,
                done = &mut running => break done,
            }
        };
        drop(running);
        finish(&writer, receiver, done).await;
    });
    Ok(response)
}

async fn finish(
    writer: &Writer,
    mut receiver: mpsc::Receiver<Event>,
    done: std::result::Result<Option<Message>, images::Error>,
) {
    while let Ok(event) = receiver.try_recv() {
        if send(writer, &message(event)).await.is_err() {
            return;
        }
    }
    let last = done.unwrap_or_else(|error| Some(Message::failed(Error::from(error).to_string())));
    if let Some(last) = last {
        drop(send(writer, &last).await);
    }
}

/// COMPAT: lines of progress end as dockerd ends them.
async fn send(writer: &Writer, message: &Message) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(message)?;
    bytes.extend_from_slice(b"\r\n");
    writer.send(bytes).await
}
