//! Which method and path is whose: matched segment by segment.
//!
//! A router of our own, because names of images have slashes in the middle of a path, and
//! because dockerd answers a known path with an unknown method by 404.

use crate::body::Response;
use crate::call::Call;
use crate::error::Result;
use crate::query::unescape_path;
use http::Method;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// What a handler is once it is called.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;

/// One operation of the API.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path without version: `{name}` is one segment, `{name...}` one or more.
    pub pattern: &'static str,
    pub(crate) handler: fn(Call) -> Answer,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.pattern)
    }
}

impl Route {
    /// The parameters, if the path is this route's.
    pub(crate) fn matches(&self, method: &Method, path: &str) -> Option<Params> {
        if self.method != *method {
            return None;
        }
        let mut params = Params::default();
        let pattern: Vec<&str> = self.pattern.split('/').collect();
        let path: Vec<&str> = path.split('/').collect();
        fit(&pattern, &path, &mut params).then_some(params)
    }
}

fn fit(pattern: &[&str], path: &[&str], params: &mut Params) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return path.is_empty();
    };
    let Some(name) = first.strip_prefix('{').and_then(|p| p.strip_suffix('}')) else {
        return path
            .split_first()
            .is_some_and(|(segment, tail)| segment == first && fit(rest, tail, params));
    };
    let most = match name.strip_suffix("...") {
        Some(_) => path.len().saturating_sub(rest.len()),
        None => 1,
    };
    // Names are greedy: what follows them is a fixed number of segments.
    if most == 0 || path.len() < most {
        return false;
    }
    let (own, tail) = path.split_at(most);
    let value = own.join("/");
    if value.is_empty() || !fit(rest, tail, params) {
        return false;
    }
    let name = name.strip_suffix("...").unwrap_or(name);
    params.0.push((name.to_owned(), unescape_path(&value)));
    true
}

/// What a path says in the places of a pattern's names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// The value of a name that the route has; empty for any other.
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(pattern: &'static str) -> Route {
        Route {
            method: Method::GET,
            pattern,
            handler: |_| Box::pin(async { Err(crate::error::Error::page_not_found()) }),
        }
    }

    #[test]
    fn a_name_may_have_slashes_before_what_follows() {
        let image = route("/images/{name...}/json");
        let name = |path| {
            let params = image.matches(&Method::GET, path)?;
            Some(params.text("name").to_owned())
        };
        assert_eq!(name("/images/a/json").as_deref(), Some("a"));
        assert_eq!(
            name("/images/h:1/b/c%3Ad/json").as_deref(),
            Some("h:1/b/c:d")
        );
        assert_eq!(name("/images/json"), None);
        assert_eq!(name("/images//json"), None);
        let container = route("/containers/{id}/json");
        assert!(
            container
                .matches(&Method::GET, "/containers/a/json")
                .is_some()
        );
        assert!(
            container
                .matches(&Method::GET, "/containers/a/b/json")
                .is_none()
        );
        assert!(
            container
                .matches(&Method::POST, "/containers/a/json")
                .is_none()
        );
        assert!(
            container
                .matches(&Method::GET, "/containers/json")
                .is_none()
        );
    }
}
