//! The one place where kinds of error become status codes, and errors the words that
//! Docker's clients match on.

use crate::body::{self, Response};
use http::{HeaderValue, StatusCode, header};
use images::RegistryError;
use std::fmt;
use types::{ErrorKind, Kind, Resource};

/// An answer that is an error.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    status: StatusCode,
    message: String,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Json,
    PlainText,
}

/// What a handler gives.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The status that each kind of error is answered with.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::InvalidArgument => StatusCode::BAD_REQUEST,
        ErrorKind::NotModified => StatusCode::NOT_MODIFIED,
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::ResourceExhausted
        | ErrorKind::DeadlineExceeded
        | ErrorKind::Cancelled
        | ErrorKind::DataLoss
        | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Docker's words for an object that is not there.
fn missing(resource: &Resource) -> String {
    let name = &resource.name;
    match resource.kind {
        "image" => format!("No such image: {}", with_tag(name)),
        "exec" | "exec instance" => format!("No such exec instance: {name}"),
        "process" => format!("NotFound: process does not exist {name}: not found"),
        "network" => format!("network {name} not found"),
        "volume" => format!("get {name}: no such volume"),
        kind => format!("No such {kind}: {name}"),
    }
}

/// COMPAT: dockerd names the tag that it looked for.
fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}

impl Error {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            form: Form::Json,
        }
    }

    /// The daemon ends before the answer does.
    pub(crate) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping")
    }

    /// The caller's words are wrong.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// No route has this method and path.
    pub(crate) fn page_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "page not found")
    }

    /// Something that dockerd does and corten does not.
    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// What an object that is not there is answered with.
    pub(crate) fn not_found(kind: &'static str, name: &str) -> Self {
        let name = name.to_owned();
        Self::new(StatusCode::NOT_FOUND, missing(&Resource { kind, name }))
    }

    /// An error of the layers below.
    pub(crate) fn of<E: Kind + std::error::Error>(error: &E) -> Self {
        let kind = error.kind();
        let message = match error.resource() {
            Some(resource) if kind == ErrorKind::NotFound => missing(&resource),
            _ => chain(error),
        };
        Self::new(status(kind), message)
    }

    pub(crate) fn in_plain_text(mut self) -> Self {
        self.form = Form::PlainText;
        self
    }

    /// The same error, with words before its own.
    pub(crate) fn prefixed(mut self, prefix: impl fmt::Display) -> Self {
        self.message = format!("{prefix}{}", self.message);
        self
    }

    /// The same error under another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same error in other words.
    pub(crate) fn worded(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer.
    pub(crate) fn into_response(self) -> Response {
        if self.status == StatusCode::NOT_MODIFIED {
            return body::empty(self.status);
        }
        match self.form {
            Form::Json => {
                let document = docker_schema::ErrorResponse {
                    message: self.message,
                };
                body::json(self.status, &document)
            }
            Form::PlainText => {
                let mut response = body::text(self.status, self.message + "\n");
                let nosniff = HeaderValue::from_static("nosniff");
                let headers = response.headers_mut();
                headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
                response
            }
        }
    }
}

/// An error's message, and those of its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some errors say their cause's words themselves.
        if !message.ends_with(&words) {
            message.push_str(": ");
            message.push_str(&words);
        }
        cause = error.source();
    }
    message
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<images::Error> for Error {
    fn from(error: images::Error) -> Self {
        match &error {
            // A registry's own words say what is missing.
            images::Error::Registry { source } => Self::new(of_registry(source), chain(&error)),
            error => Self::of(error),
        }
    }
}

/// COMPAT: what dockerd answers where a registry does not give what was asked for: mostly that it
/// failed itself.
fn of_registry(error: &RegistryError) -> StatusCode {
    match error {
        RegistryError::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        RegistryError::NoCredentials { .. } | RegistryError::Document { .. } => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        error => match error.kind() {
            ErrorKind::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
            kind => status(kind),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_in_dockers_words() {
        for (kind, name, message) in [
            ("container", "a", "No such container: a"),
            ("image", "a", "No such image: a:latest"),
            ("image", "h:5000/a", "No such image: h:5000/a:latest"),
            ("image", "a:b", "No such image: a:b"),
            ("exec", "a", "No such exec instance: a"),
            ("network", "a", "network a not found"),
            ("volume", "a", "get a: no such volume"),
        ] {
            let error = Error::not_found(kind, name);
            assert_eq!(error.to_string(), message);
            assert_eq!(error.status(), StatusCode::NOT_FOUND);
        }
    }

    #[test]
    fn a_registry_that_does_not_give_is_told_in_its_own_words() {
        let cause = || images::RegistryCause {
            code: "MANIFEST_UNKNOWN".to_owned(),
            message: "manifest unknown".to_owned(),
        };
        let (url, reason) = (|| "http://h/v2/".to_owned(), || "EOF".to_owned());
        for (error, code, message) in [
            (
                RegistryError::ManifestUnknown {
                    reference: "h/a:b".to_owned(),
                    cause: cause(),
                },
                404,
                "manifest for h/a:b not found: manifest unknown: manifest unknown",
            ),
            (
                RegistryError::Absent {
                    url: url(),
                    reason: reason(),
                },
                500,
                "Get \"http://h/v2/\": EOF",
            ),
            (
                RegistryError::NoCredentials {
                    method: "Head",
                    url: url(),
                },
                500,
                "Head \"http://h/v2/\": no basic auth credentials",
            ),
            (
                RegistryError::Unauthorized {
                    method: "Head",
                    url: url(),
                    reason: reason(),
                },
                401,
                "Head \"http://h/v2/\": unauthorized: EOF",
            ),
            (
                RegistryError::RateLimited {
                    message: "slow down".to_owned(),
                    after: None,
                },
                429,
                "toomanyrequests: slow down",
            ),
        ] {
            let source = Box::new(error);
            let error = Error::from(images::Error::Registry { source });
            assert_eq!(error.message(), message);
            assert_eq!(error.status().as_u16(), code, "{message}");
        }
    }
}
