//! The small registry's other half: it takes blobs and manifests.

use crate::server::{Body, Server, full, status};
use crate::world::sha256;
use bytes::Bytes;
use http::header::{CONTENT_RANGE, LOCATION, RANGE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::io;

impl Server {
    /// The answer to anything but a read; an error cuts the connection.
    pub(crate) async fn write(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix("/v2/").unwrap().to_owned();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let value = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|(key, _)| *key == name)
                .map(|(_, v)| v.to_owned())
                .next()
        };
        if let Some((repository, tag)) = path.split_once("/manifests/") {
            let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let kind = head.headers["content-type"].to_str().unwrap();
            let digest = self.manifest(&format!("{repository}:{tag}"), kind, &bytes);
            let mut answer = created();
            let digest = digest.to_string().parse().unwrap();
            answer.headers_mut().insert("docker-content-digest", digest);
            return Ok(answer);
        }
        let (_, session) = path.split_once("/blobs/uploads/").unwrap();
        if head.method == Method::POST {
            let mounted = value("mount").filter(|digest| self.state().has(digest));
            return Ok(match mounted {
                Some(_) if !self.state().mischief.no_mounts => created(),
                _ => self.begin(),
            });
        }
        let at = self.received(session).len();
        let range = head
            .headers
            .get(CONTENT_RANGE)
            .map(|r| r.to_str().unwrap().to_owned());
        if range.is_some_and(|range| !range.starts_with(&format!("{at}-"))) {
            return Ok(status(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "BLOB_UPLOAD_INVALID",
                "gap",
            ));
        }
        self.receive(session, body).await?;
        let Some(digest) = value("digest") else {
            return Ok(self.standing(session, StatusCode::ACCEPTED));
        };
        let bytes = self.received(session);
        if sha256(&bytes).to_string() != digest {
            return Ok(status(
                StatusCode::BAD_REQUEST,
                "DIGEST_INVALID",
                "other bytes",
            ));
        }
        self.blob(&bytes);
        Ok(created())
    }

    fn begin(&self) -> Response<Body> {
        let mut state = self.state();
        let session = format!("s{}", state.uploads.len());
        state.uploads.insert(session.clone(), Vec::new());
        drop(state);
        self.standing(&session, StatusCode::ACCEPTED)
    }

    /// How far a session is.
    pub(crate) fn standing(&self, session: &str, code: StatusCode) -> Response<Body> {
        let last = self.received(session).len().saturating_sub(1);
        let mut answer = full("");
        *answer.status_mut() = code;
        let headers = answer.headers_mut();
        headers.insert(RANGE, format!("0-{last}").parse().unwrap());
        let place = format!("/v2/x/blobs/uploads/{session}?state=a");
        headers.insert(LOCATION, place.parse().unwrap());
        answer
    }

    fn received(&self, session: &str) -> Vec<u8> {
        self.state()
            .uploads
            .get(session)
            .cloned()
            .unwrap_or_default()
    }

    async fn receive(&self, session: &str, mut body: Incoming) -> io::Result<()> {
        while let Some(frame) = body.frame().await {
            let bytes: Bytes = frame
                .map_err(io::Error::other)?
                .into_data()
                .unwrap_or_default();
            let mut state = self.state();
            let cut = state.mischief.upload_cuts > 0 && bytes.len() > 1000;
            let kept = if cut { bytes.len() / 2 } else { bytes.len() };
            let upload = state.uploads.get_mut(session).unwrap();
            upload.extend_from_slice(&bytes[..kept]);
            if cut {
                state.mischief.upload_cuts -= 1;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        Ok(())
    }
}

fn created() -> Response<Body> {
    let mut answer = full("");
    *answer.status_mut() = StatusCode::CREATED;
    answer
}
