//! Blobs that come: in one piece, in pieces, or from another repository.

use crate::answer::{self, Answer, DIGEST, with};
use crate::depot::Depot;
use crate::error::{Error, Result};
use crate::routes::{Call, blocking};
use content::Ingest;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, LOCATION, RANGE};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::io::Read;
use types::{Algorithm, Digest};

/// Pieces on their way from the network to the disk.
const AHEAD: usize = 16;
const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Begins an upload; with all of the blob, or from another repository, ends it, too.
pub(crate) async fn begin(call: Call, repository: String) -> Result<Answer> {
    if let Some(digest) = call.query.find("mount") {
        let digest = digest_of(digest)?;
        let from = call.query.find("from").map(str::to_owned);
        let (depot, to) = (call.depot.clone(), repository.clone());
        if blocking(move || mount(&depot, &digest, from.as_deref(), &to)).await? {
            return Ok(created(
                &repository,
                call.query.find("mount").unwrap_or_default(),
            ));
        }
    }
    let digest = call.query.find("digest").map(digest_of).transpose()?;
    let session = session()?;
    let algorithm = match call.query.find("digest-algorithm") {
        Some("sha512") => Algorithm::Sha512,
        Some("sha256") | None => Algorithm::Sha256,
        Some(other) => {
            let words = format!("digest algorithm {other:?} is not known");
            return Err(Error::digest_invalid(words));
        }
    };
    let depot = call.depot.clone();
    let key = session.clone();
    let ingest = blocking(move || Ok(depot.0.content.ingest(&key, algorithm)?)).await?;
    match digest {
        Some(digest) => {
            let (ingest, received) = receive(ingest, call.body).await;
            if let Err(error) = received {
                ingest.discard()?;
                return Err(error);
            }
            finish(call.depot, repository, ingest, digest).await
        }
        None => {
            call.depot.uploads().insert(session.clone(), ingest);
            Ok(standing(&repository, &session, 0, StatusCode::ACCEPTED))
        }
    }
}

/// Whether the blob is the repository's now. Without a source it must be there already.
fn mount(depot: &Depot, digest: &Digest, from: Option<&str>, to: &str) -> Result<bool> {
    let _linking = depot.linking();
    let there = match from {
        Some(from) => depot.has(from, digest)?,
        None => depot.has(to, digest)?,
    };
    if there {
        depot.link(to, digest)?;
    }
    Ok(there)
}

/// Goes on with an upload, ends it, gives it up, or says how far it is.
pub(crate) async fn go_on(call: Call, repository: String, session: String) -> Result<Answer> {
    match call.method {
        Method::GET => {
            let len = look(&call.depot, &session)?;
            Ok(standing(&repository, &session, len, StatusCode::NO_CONTENT))
        }
        Method::DELETE => {
            take(&call.depot, &session).await?.discard()?;
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        Method::PATCH => {
            let ingest = take(&call.depot, &session).await?;
            let fits = fits(&call, ingest.len());
            let (ingest, received) = match fits {
                Ok(()) => receive(ingest, call.body).await,
                Err(error) => (ingest, Err(error)),
            };
            let len = ingest.len();
            call.depot.uploads().insert(session.clone(), ingest);
            received?;
            Ok(standing(&repository, &session, len, StatusCode::ACCEPTED))
        }
        Method::PUT => {
            let digest = call.query.find("digest");
            let digest = digest.ok_or_else(|| Error::digest_invalid("a digest must be given"))?;
            let digest = digest_of(digest)?;
            let ingest = take(&call.depot, &session).await?;
            let (ingest, received) = match fits(&call, ingest.len()) {
                Ok(()) => receive(ingest, call.body).await,
                Err(error) => (ingest, Err(error)),
            };
            if let Err(error) = received {
                call.depot.uploads().insert(session, ingest);
                return Err(error);
            }
            finish(call.depot, repository, ingest, digest).await
        }
        _ => Err(Error::unsupported("no such operation on an upload")),
    }
}

/// A piece must begin where the last one ended, and be as long as it says.
fn fits(call: &Call, len: u64) -> Result<()> {
    let text = |name| call.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(CONTENT_RANGE) else {
        return Ok(());
    };
    let plain = range
        .trim_start_matches("bytes")
        .trim_start_matches([' ', '=']);
    let plain = plain.split('/').next().unwrap_or_default();
    let numbers = plain
        .split_once('-')
        .and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
    let Some((first, last)) = numbers else {
        return Err(Error::upload_invalid(format!("{range:?} is no range")));
    };
    let length: Option<u64> = text(CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let own = last
        .checked_sub(first)
        .and_then(|count| count.checked_add(1));
    if first != len || (length.is_some() && own != length) {
        let words = format!("{range:?} does not go on from byte {len}");
        return Err(Error::upload_range(words));
    }
    Ok(())
}

/// How far an upload is.
fn look(depot: &Depot, session: &str) -> Result<u64> {
    if let Some(ingest) = depot.uploads().get(session) {
        return Ok(ingest.len());
    }
    let partials = depot.0.content.partials()?;
    let found = partials.into_iter().find(|partial| partial.key == session);
    found
        .map(|partial| partial.size)
        .ok_or_else(|| gone(session))
}

/// An upload, from those that wait or from before a restart.
async fn take(depot: &Depot, session: &str) -> Result<Ingest> {
    if let Some(ingest) = depot.uploads().remove(session) {
        return Ok(ingest);
    }
    look(depot, session)?;
    let (depot, session) = (depot.clone(), session.to_owned());
    blocking(move || Ok(depot.0.content.ingest(&session, Algorithm::Sha256)?)).await
}

fn gone(session: &str) -> Error {
    Error::upload_unknown(format!("there is no upload {session}"))
}

/// Writes a body; what came before it broke off stays.
async fn receive(mut ingest: Ingest, mut body: Incoming) -> (Ingest, Result<()>) {
    let (pieces, mut stream) = tokio::sync::mpsc::channel::<bytes::Bytes>(AHEAD);
    let writing = tokio::task::spawn_blocking(move || {
        while let Some(piece) = stream.blocking_recv() {
            if let Err(error) = ingest.write(&piece) {
                return (ingest, Err(Error::from(error)));
            }
        }
        (ingest, Ok(()))
    });
    let mut broken = None;
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(piece)) => {
                if pieces.send(piece).await.is_err() {
                    break; // The disk refused: the thread says why.
                }
            }
            Ok(Err(_trailers)) => {}
            Err(error) => {
                broken = Some(Error::cut(format!("the body broke off: {error}")));
                break;
            }
        }
    }
    drop(pieces);
    match writing.await {
        Ok((ingest, written)) => (ingest, written.and(broken.map_or(Ok(()), Err))),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn finish(
    depot: Depot,
    repository: String,
    ingest: Ingest,
    digest: Digest,
) -> Result<Answer> {
    let answer = created(&repository, &digest.to_string());
    blocking(move || {
        let ingest = match digest.algorithm() {
            Algorithm::Sha256 => ingest,
            other => rehash(&depot, ingest, other)?,
        };
        let size = ingest.len();
        let _linking = depot.linking();
        ingest.commit(&digest, size)?;
        depot.link(&repository, &digest)
    })
    .await?;
    Ok(answer)
}

/// The same bytes under another algorithm, if they are not hashed by it already.
fn rehash(depot: &Depot, ingest: Ingest, algorithm: Algorithm) -> Result<Ingest> {
    if ingest.digest().algorithm() == algorithm {
        return Ok(ingest);
    }
    let mut bytes = ingest.reader()?;
    let mut other = depot.0.content.ingest(&session()?, algorithm)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match bytes.read(&mut buffer).map_err(Error::unknown)? {
            0 => break,
            count => other.write(&buffer[..count])?,
        }
    }
    ingest.discard()?;
    Ok(other)
}

pub(crate) fn digest_of(text: &str) -> Result<Digest> {
    text.parse()
        .map_err(|_| Error::digest_invalid(format!("{text:?} is no digest")))
}

fn created(repository: &str, digest: &str) -> Answer {
    let answer = answer::empty(StatusCode::CREATED);
    let answer = with(answer, LOCATION, format!("/v2/{repository}/blobs/{digest}"));
    with(answer, DIGEST, digest)
}

fn standing(repository: &str, session: &str, len: u64, status: StatusCode) -> Answer {
    let place = format!("/v2/{repository}/blobs/uploads/{session}");
    let answer = with(answer::empty(status), LOCATION, place);
    let answer = with(answer, RANGE, format!("0-{}", len.saturating_sub(1)));
    with(answer, UPLOAD, session)
}

/// A name that nobody guesses.
fn session() -> Result<String> {
    let mut bytes = [0_u8; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(Error::unknown)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
