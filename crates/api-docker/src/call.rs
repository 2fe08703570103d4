//! A request on its way to its handler.

use crate::body::{self, Sent};
use crate::error::{Error, Result};
use crate::query::Query;
use crate::route::Params;
use crate::server::Api;
use crate::takeover::Takeover;
use crate::version::ApiVersion;
use bytes::Bytes;
use docker_schema::DecodeError;
use http::{HeaderMap, header};
use hyper::upgrade::OnUpgrade;
use serde::de::DeserializeOwned;

/// A request on its way to its handler.
pub(crate) struct Call {
    pub(crate) api: Api,
    pub(crate) version: ApiVersion,
    pub(crate) params: Params,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Sent,
    pub(crate) upgrade: Option<OnUpgrade>,
}

impl Call {
    /// The path's `{id}`.
    pub(crate) fn id(&self) -> &str {
        self.params.text("id")
    }

    /// The path's `{name}`.
    pub(crate) fn name(&self) -> &str {
        self.params.text("name")
    }

    /// A header's text; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Reads the body's document; nothing is the default.
    pub(crate) async fn document<T: DeserializeOwned + Default>(self) -> Result<T> {
        let bytes = body::read_json(&self.headers, self.body).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(T::default());
        }
        docker_schema::decode(&bytes).map_err(|error| body::invalid(&error))
    }

    /// Reads the body's document by a reader of its own; it must be there.
    pub(crate) async fn required<T>(
        self,
        read: impl FnOnce(&[u8]) -> std::result::Result<T, DecodeError>,
    ) -> Result<T> {
        let bytes: Bytes = body::read_json(&self.headers, self.body).await?;
        read(&bytes).map_err(|error| body::invalid(&error))
    }

    /// How the connection can be taken over, and whether the client said so.
    pub(crate) fn takeover(self) -> Takeover {
        match self.upgrade {
            Some(upgrade) if self.headers.contains_key(header::UPGRADE) => {
                Takeover::Upgrade(upgrade)
            }
            _ => Takeover::Relay(self.body),
        }
    }

    /// Refuses an option that is understood and not done.
    pub(crate) fn refuse(option: &str, reason: &str) -> Error {
        Error::not_implemented(format!("{option} is not supported: {reason}"))
    }
}
