//! A blob on its way to a registry: there already, mounted from another repository, or sent.

use crate::exchange::{Answered, Ask, resolve};
use crate::http::header;
use crate::payload::{Payload, Sent, Stretch};
use crate::repository::{Pauses, What};
use crate::{Error, Repository};
use http::header::{CONTENT_RANGE, LOCATION, RANGE};
use http::{Method, StatusCode, Uri};
use oci::image::Descriptor;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// Between two words about how far a transfer is.
const STEP: Duration = Duration::from_millis(100);
const OCTETS: &str = "application/octet-stream";

/// A blob to be sent: what it is, and the file that is it.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its digest and size.
    pub descriptor: Descriptor,
    /// Its bytes, from the start of the file.
    pub file: Arc<File>,
    /// Repositories of the same registry that may have it, by their paths.
    pub mounts: Vec<String>,
}

/// How a registry came to have a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// It had it.
    Already,
    /// It took it from this repository of its own.
    Mounted(String),
    /// It was sent.
    Sent,
}

/// An upload that a registry began.
#[derive(Debug)]
struct Session {
    url: String,
    /// Bytes that the registry has.
    from: u64,
}

/// What became of a request for an upload.
enum Begun {
    Mounted,
    Session(Session),
}

impl Repository {
    /// Sends a blob unless it is there; `progress` hears how many bytes have left.
    pub async fn upload(
        &self,
        upload: &Upload,
        progress: impl Fn(u64) + Send,
    ) -> Result<Uploaded, Error> {
        if self.has_blob(upload).await? {
            return Ok(Uploaded::Already);
        }
        for from in &upload.mounts {
            match self.begin(upload, Some(from)).await {
                Ok(Begun::Mounted) => return Ok(Uploaded::Mounted(from.clone())),
                Ok(Begun::Session(session)) => {
                    // The registry would rather have the bytes.
                    self.send(upload, Some(session), &progress).await?;
                    return Ok(Uploaded::Sent);
                }
                Err(error) if error.is_transient() => return Err(error),
                // What this caller may not read there, it sends.
                Err(_) => {}
            }
        }
        self.send(upload, None, &progress).await?;
        Ok(Uploaded::Sent)
    }

    async fn has_blob(&self, upload: &Upload) -> Result<bool, Error> {
        let path = format!("{}/blobs/{}", self.path(), upload.descriptor.digest);
        let asked = self
            .patiently(|| self.ask(Ask::new(Method::HEAD, path.clone()), What::Blob))
            .await;
        match asked {
            Ok(_) => Ok(true),
            Err(error) if error.is_transient() => Err(error),
            // It is not there, or the registry has words for why not when it is asked to take it.
            Err(_) => Ok(false),
        }
    }

    async fn begin(&self, upload: &Upload, mount: Option<&str>) -> Result<Begun, Error> {
        let digest = &upload.descriptor.digest;
        let query = match mount {
            Some(from) => format!("?mount={digest}&from={from}"),
            None => String::new(),
        };
        let ask = Ask::new(
            Method::POST,
            format!("{}/blobs/uploads/{query}", self.path()),
        );
        let answered = self.ask(ask, What::Blob).await?;
        if mount.is_some() && answered.answer.status() == StatusCode::CREATED {
            return Ok(Begun::Mounted);
        }
        let url = location(&answered)?;
        Ok(Begun::Session(Session { url, from: 0 }))
    }

    /// Sends until all has arrived: what a cut connection brought is not sent again.
    async fn send(
        &self,
        upload: &Upload,
        mut session: Option<Session>,
        progress: &(impl Fn(u64) + Send),
    ) -> Result<(), Error> {
        let mut pauses = Pauses::new(self.http().settings());
        loop {
            let begun = match session.take() {
                Some(session) => Ok(session),
                None => self
                    .begin(upload, None)
                    .await
                    .and_then(|begun| match begun {
                        Begun::Session(session) => Ok(session),
                        Begun::Mounted => Err(Error::Protocol {
                            url: self.path().to_owned(),
                            reason: "a mount that was not asked for".to_owned(),
                        }),
                    }),
            };
            let (url, error) = match begun {
                Err(error) => (None, error),
                Ok(session) => match self.finish(upload, &session, progress).await {
                    Ok(()) => return Ok(()),
                    Err(error) => (Some(session.url), error),
                },
            };
            let transient = error.is_transient();
            let goes_on = pauses.after(error).await;
            if let (Some(url), Err(_), false) = (&url, &goes_on, transient) {
                self.give_up(url).await;
            }
            goes_on?;
            if let Some(url) = url {
                session = self.resume(&url, upload.descriptor.size).await;
            }
        }
    }

    /// Lets the registry forget what it has of a blob that it will not take.
    async fn give_up(&self, url: &str) {
        // It forgets by itself in time, if not now.
        drop(self.ask(Ask::at(Method::DELETE, url), What::Blob).await);
    }

    /// Where a session stands; `None` if it is gone.
    async fn resume(&self, url: &str, size: u64) -> Option<Session> {
        let answered = self.ask(Ask::at(Method::GET, url), What::Blob).await.ok()?;
        // `0-N` is the last byte that is there; some say `bytes=0-N`.
        let last = header(&answered.answer, &RANGE)?.rsplit('-').next()?;
        let last: u64 = last.trim().parse().ok()?;
        let from = if last == 0 { 0 } else { last + 1 };
        let url = location(&answered).unwrap_or_else(|_| url.to_owned());
        (from <= size).then_some(Session { url, from })
    }

    /// One piece if nothing is there yet; else the rest, and then the end.
    async fn finish(
        &self,
        upload: &Upload,
        session: &Session,
        progress: &(impl Fn(u64) + Send),
    ) -> Result<(), Error> {
        let Descriptor { digest, size, .. } = &upload.descriptor;
        let sent = Sent::default();
        let rest = Payload::File(Stretch {
            file: Arc::clone(&upload.file),
            from: session.from,
            len: size - session.from,
            sent: sent.clone(),
        });
        let mut url = session.url.clone();
        let mut last = Payload::None;
        if session.from == 0 {
            last = rest;
        } else if session.from < *size {
            let range = format!("{}-{}", session.from, size - 1);
            let ask = Ask::at(Method::PATCH, &url)
                .header(CONTENT_RANGE, range)
                .send(OCTETS, rest);
            let answered = telling(self.ask(ask, What::Blob), &sent, progress).await?;
            url = location(&answered)?;
        }
        let joint = if url.contains('?') { '&' } else { '?' };
        let put = Ask::at(Method::PUT, &format!("{url}{joint}digest={digest}"));
        let put = self.ask(put.send(OCTETS, last), What::Blob);
        telling(put, &sent, progress).await.map(drop)
    }
}

/// Waits, and tells meanwhile how far it is.
async fn telling<T>(
    work: impl Future<Output = Result<T, Error>>,
    sent: &Sent,
    progress: &(impl Fn(u64) + Send),
) -> Result<T, Error> {
    let mut work = std::pin::pin!(work);
    let mut told = 0;
    loop {
        let done = tokio::time::timeout(STEP, &mut work).await;
        let now = sent.bytes();
        if now > told {
            told = now;
            progress(now);
        }
        if let Ok(done) = done {
            return done;
        }
    }
}

fn location(answered: &Answered) -> Result<String, Error> {
    let base: Option<Uri> = answered.url.parse().ok();
    let location = header(&answered.answer, &LOCATION);
    let resolved = base.zip(location).and_then(|(base, to)| resolve(&base, to));
    resolved
        .map(|uri| uri.to_string())
        .ok_or_else(|| Error::Protocol {
            url: answered.url.clone(),
            reason: "an upload without a place to go on".to_owned(),
        })
}
