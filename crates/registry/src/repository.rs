//! One repository of one registry, as one caller may see it.

use crate::exchange::{Answered, Ask, Exchange, Learnt};
use crate::http::{Http, header};
use crate::payload::Payload;
use crate::target::{Target, targets};
use crate::{Access, Cause, Credentials, Download, Error, Settings};
use content::Hasher;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderName};
use oci::Reference;
use oci::image::{Descriptor, Document, MAX_DOCUMENT, media_type};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use types::{Algorithm, Digest};
use unpack::{Refusal, Unpack};

/// Tags asked for at once, and in all.
const TAGS: usize = 1000;
const MAX_TAGS: usize = 100_000;

/// The registries of the world, over connections that are kept.
#[derive(Clone, Debug)]
pub struct Registries {
    http: Http,
    worker: Unpack,
}

/// One repository, for one caller: what it is told is shared with nobody.
#[derive(Clone, Debug)]
pub struct Repository(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Http,
    worker: Unpack,
    reference: Reference,
    credentials: Option<Credentials>,
    targets: Vec<Target>,
    access: Access,
    scopes: Vec<String>,
    learnt: Learnt,
}

/// A manifest or an index as it was sent, verified.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its type, digest and size.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it says.
    pub document: Document,
}

impl Registries {
    /// Registries spoken to as `settings` say; `worker` reads the documents that they send.
    pub fn new(settings: Settings, worker: Unpack) -> Self {
        let settings = Arc::new(settings);
        Self {
            http: Http::new(&settings),
            worker,
        }
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// The repository of `reference`, seen with `credentials`. What the machine's
    /// configuration says of its registry is read now.
    pub fn repository(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
        access: Access,
    ) -> Result<Repository, Error> {
        let mut targets = targets(reference, &self.http)?;
        let actions = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
            Access::Remove => "delete,pull,push",
        };
        if access != Access::Pull {
            // Mirrors are read, never written.
            targets.retain(|target| target.own && target.abilities.push);
        }
        Ok(Repository(Arc::new(Inner {
            targets,
            http: self.http.clone(),
            worker: self.worker.clone(),
            access,
            scopes: vec![format!("repository:{}:{actions}", reference.path())],
            reference: reference.clone(),
            credentials,
            learnt: Learnt::default(),
        })))
    }
}

impl Repository {
    /// The manifest or index that the reference names: by its digest, or else by its tag.
    pub async fn manifest(&self) -> Result<Fetched, Error> {
        let reference = self.0.reference.clone().or_latest();
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => self.manifest_of(digest, None).await,
            (None, tag) => self.fetch(tag.unwrap_or("latest"), None, None).await,
        }
    }

    /// The manifest or index of this digest; `declared` is the type that its descriptor says.
    pub async fn manifest_of(
        &self,
        digest: &Digest,
        declared: Option<&str>,
    ) -> Result<Fetched, Error> {
        self.fetch(&digest.to_string(), Some(digest), declared)
            .await
    }

    /// Begins to fetch a blob, the first `from` bytes of which are here already.
    pub fn blob(&self, descriptor: &Descriptor, from: u64) -> Download {
        Download::new(self.clone(), descriptor.clone(), from)
    }

    /// The manifest or index under a tag of the repository.
    pub(crate) async fn manifest_at(&self, tag: &str) -> Result<Fetched, Error> {
        self.fetch(tag, None, None).await
    }

    /// The tags, in the registry's order.
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        let mut found: Vec<String> = Vec::new();
        let mut last = String::new();
        loop {
            let path = format!("{}/tags/list?n={TAGS}{last}", self.path());
            let ask = Ask::get(path);
            let page = self.patiently(async || {
                let Answered { url, answer } = self.ask(ask.clone(), What::Blob).await?;
                let more = answer.headers().contains_key(http::header::LINK);
                let body = self.0.http.body(&url, answer.into_body(), MAX_DOCUMENT);
                let page: Result<Tags, _> = serde_json::from_slice(&body.await?);
                page.map(|page| (page, more))
                    .map_err(|error| Error::Protocol {
                        url,
                        reason: error.to_string(),
                    })
            });
            let (page, more) = page.await?;
            let tags = page.tags.unwrap_or_default();
            let end = tags.last().cloned();
            found.extend(tags);
            match end {
                Some(tag) if more && found.len() < MAX_TAGS => last = format!("&last={tag}"),
                _ => return Ok(found),
            }
        }
    }

    /// Sends a manifest as it is.
    pub(crate) async fn send_manifest(
        &self,
        name: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Subject, Error> {
        let path = format!("{}/manifests/{name}", self.path());
        let payload = Payload::Bytes(bytes.to_vec().into());
        let ask = Ask::new(Method::PUT, path).send(media_type, payload);
        let answered = self.patiently(|| self.ask(ask.clone(), What::Blob)).await?;
        let announced = HeaderName::from_static("docker-content-digest");
        let announced: Option<Digest> =
            header(&answered.answer, &announced).and_then(|text| text.parse().ok());
        if let Some(announced) = announced {
            let sent = Hasher::digest(announced.algorithm(), bytes);
            if sent != announced {
                return Err(Error::Mismatch {
                    expected: sent,
                    found: announced,
                });
            }
        }
        Ok(
            match answered.answer.headers().contains_key("oci-subject") {
                true => Subject::Listed,
                false => Subject::Unknown,
            },
        )
    }

    async fn fetch(
        &self,
        name: &str,
        expected: Option<&Digest>,
        declared: Option<&str>,
    ) -> Result<Fetched, Error> {
        let ask = Ask::get(format!("{}/manifests/{name}", self.0.reference.path()));
        let what = match expected {
            Some(_) => What::Manifest,
            None => What::Tag,
        };
        let ask = ask.accept(&media_type::ACCEPTED).told(what.method());
        let (url, content_type, announced, bytes) = self
            .patiently(async || {
                let Answered { url, answer } = self.ask(ask.clone(), what).await?;
                let content_type = header(&answer, &CONTENT_TYPE).map(str::to_owned);
                let announced = HeaderName::from_static("docker-content-digest");
                let announced = header(&answer, &announced).and_then(|text| text.parse().ok());
                let body = self
                    .0
                    .http
                    .body(&url, answer.into_body(), MAX_DOCUMENT)
                    .await?;
                Ok((url, content_type, announced, body.to_vec()))
            })
            .await?;
        let expected = expected.cloned().or(announced);
        let algorithm = expected
            .as_ref()
            .map_or(Algorithm::Sha256, Digest::algorithm);
        let found = Hasher::digest(algorithm, &bytes);
        if let Some(expected) = expected
            && expected != found
        {
            return Err(Error::Mismatch { expected, found });
        }
        let content_type = content_type
            .as_deref()
            .and_then(|text| text.split(';').next());
        let sent = content_type.map(str::trim);
        if let (Some(declared), Some(sent)) = (declared, sent)
            && sent.contains("vnd.")
            && declared != sent
        {
            let reason = format!("sent as {sent}, announced as {declared}");
            return Err(Error::Protocol { url, reason });
        }
        let document = self.document(declared.or(sent), &bytes).await?;
        Ok(Fetched {
            descriptor: Descriptor::new(document.media_type(), found, bytes.len() as u64),
            bytes,
            document,
        })
    }

    /// Has the worker read a manifest or an index.
    pub(crate) async fn document(
        &self,
        declared: Option<&str>,
        bytes: &[u8],
    ) -> Result<Document, Error> {
        let worker = self.0.worker.clone();
        let (declared, bytes) = (declared.map(str::to_owned), bytes.to_vec());
        let read = move || worker.document(declared.as_deref(), &bytes);
        let read = tokio::task::spawn_blocking(read).await;
        let reference = self.0.reference.familiar();
        match read {
            Ok(Ok(document)) => Ok(document),
            Ok(Err(unpack::Error::Refused(Refusal::Document(source)))) => {
                Err(Error::Document { reference, source })
            }
            Ok(Err(source)) => Err(Error::Unread {
                reference,
                source: Box::new(source),
            }),
            Err(gone) => std::panic::resume_unwind(gone.into_panic()),
        }
    }

    pub(crate) fn http(&self) -> &Http {
        &self.0.http
    }

    pub(crate) fn path(&self) -> &str {
        self.0.reference.path()
    }

    /// A good answer of the first server that has what is asked for.
    pub(crate) async fn ask(&self, ask: Ask, what: What) -> Result<Answered, Error> {
        let mut failed = None;
        for target in self.0.targets.iter().filter(|target| what.suits(target)) {
            let exchange = Exchange {
                http: &self.0.http,
                target,
                credentials: self.0.credentials.as_ref(),
                scopes: &self.0.scopes,
                learnt: &self.0.learnt,
            };
            let result = match exchange.get(&ask).await {
                Ok(answered) => self.judge(answered, what).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(answered) => return Ok(answered),
                // The registry itself comes last: its word counts.
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| Error::Unreachable {
            method: "Get",
            url: self.0.reference.domain().to_owned(),
            reason: "no server is known".to_owned(),
        }))
    }

    async fn judge(&self, answered: Answered, what: What) -> Result<Answered, Error> {
        let Answered { url, answer } = answered;
        let status = answer.status();
        if status.is_success() {
            return Ok(Answered { url, answer });
        }
        let (cause, after) = self.0.http.cause(&url, answer).await;
        let repository = self.0.reference.familiar_name();
        let reference = self.0.reference.clone().or_latest().familiar();
        Err(match (status.as_u16(), cause.code.as_str()) {
            (403, _) | (401, "DENIED") => Error::Denied {
                access: self.0.access,
                repository,
                cause,
            },
            (401, _) => Error::Unauthorized {
                method: what.method(),
                url,
                reason: "authentication required".to_owned(),
            },
            (404, "NAME_UNKNOWN") => Error::RepositoryUnknown { repository, cause },
            (404, _) if what != What::Blob => Error::ManifestUnknown {
                reference,
                cause: or_manifest_unknown(cause),
            },
            (429, _) => Error::RateLimited {
                message: cause.message,
                after,
            },
            (status, _) => Error::Status {
                url,
                status,
                cause,
                after,
            },
        })
    }

    /// Tries until it works, the failure is final or patience ends.
    pub(crate) async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut pauses = Pauses::new(self.0.http.settings());
        loop {
            match attempt().await {
                Err(error) => pauses.after(error).await?,
                result => return result,
            }
        }
    }
}

/// Whether a registry lists a manifest under its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Listed,
    Unknown,
}

#[derive(serde::Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

/// What is asked for, for the words of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// By a tag.
    Tag,
    /// By its digest.
    Manifest,
    Blob,
}

impl What {
    /// COMPAT: dockerd asks for a tag's head first, which is what its errors name.
    const fn method(self) -> &'static str {
        match self {
            Self::Tag => "Head",
            Self::Manifest | Self::Blob => "Get",
        }
    }

    fn suits(self, target: &Target) -> bool {
        let abilities = target.abilities;
        match self {
            Self::Tag => abilities.resolve,
            // A target of a push was chosen for it.
            Self::Manifest | Self::Blob => abilities.pull || abilities.push,
        }
    }
}

fn or_manifest_unknown(cause: Cause) -> Cause {
    match cause.code.is_empty() {
        false => cause,
        true => Cause {
            code: "MANIFEST_UNKNOWN".to_owned(),
            message: "manifest unknown".to_owned(),
        },
    }
}

/// The pauses between attempts that get nowhere.
#[derive(Debug)]
pub(crate) struct Pauses {
    left: u32,
    next: Duration,
    pause: Duration,
    longest: Duration,
    attempts: u32,
}

impl Pauses {
    pub(crate) fn new(settings: &Settings) -> Self {
        let patience = &settings.patience;
        Self {
            left: patience.attempts.saturating_sub(1),
            next: patience.pause,
            pause: patience.pause,
            longest: patience.longest,
            attempts: patience.attempts,
        }
    }

    /// Waits before the next attempt, or gives the error back if there is none.
    pub(crate) async fn after(&mut self, error: Error) -> Result<(), Error> {
        if self.left == 0 || !error.is_transient() {
            return Err(error);
        }
        let wanted = match &error {
            // Who limits without saying until when is not to be asked again.
            Error::RateLimited { after: None, .. } => return Err(error),
            Error::RateLimited { after: said, .. } | Error::Status { after: said, .. } => *said,
            _ => None,
        };
        if wanted.is_some_and(|wanted| wanted > self.longest) {
            return Err(error);
        }
        let wanted = wanted.unwrap_or(self.next.min(self.longest));
        self.left -= 1;
        self.next = self.next.saturating_mul(2);
        tokio::time::sleep(wanted).await;
        Ok(())
    }

    /// Something came: patience is whole again.
    pub(crate) fn renew(&mut self) {
        self.left = self.attempts.saturating_sub(1);
        self.next = self.pause;
    }
}
