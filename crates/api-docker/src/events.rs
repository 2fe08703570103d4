//! The stream of events.

use crate::body::{self, Response, Writer};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::version::ApiVersion;
use docker_schema::filters::Filters;
use docker_schema::system::{Actor, Event};
use engine::{Entry, EventType, Span};
use http::HeaderMap;

const FILTERS: [&str; 15] = [
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
    "builder",
];
/// Since it an event says who and what once.
const V1_52: ApiVersion = ApiVersion::new(1, 52);
/// RFC 7464's record separator.
const RECORD: u8 = 0x1e;

/// How events are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// By line ends.
    Lines(&'static str),
    /// By record separators, too.
    Sequence,
}

impl Form {
    /// What the client names itself counts, the likeliest first; of equals the first of these.
    ///
    /// COMPAT: before 1.52 it is `application/json` otherwise, which is one document, and this is
    /// not.
    fn of(headers: &HeaderMap, version: ApiVersion) -> Self {
        let accepted = headers.get_all(http::header::ACCEPT);
        let accepted = accepted.iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<&str> = accepted.flat_map(|value| value.split(',')).collect();
        let mut best = None;
        for form in [
            Self::LINES,
            Self::Lines("application/x-ndjson"),
            Self::Sequence,
        ] {
            let named = ranges.iter().filter_map(|range| {
                let (name, weight) = weighed(range);
                (name == form.media_type() && weight > 0.0).then_some(weight)
            });
            let weight = named.fold(0.0_f64, f64::max);
            if weight > best.map_or(0.0, |(_, weight)| weight) {
                best = Some((form, weight));
            }
        }
        match best {
            Some((form, _)) => form,
            None if version < V1_52 => Self::Lines("application/json"),
            None => Self::LINES,
        }
    }

    const LINES: Self = Self::Lines("application/jsonl");

    fn media_type(self) -> &'static str {
        match self {
            Self::Lines(media_type) => media_type,
            Self::Sequence => "application/json-seq",
        }
    }

    fn write(self, event: &Event) -> serde_json::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(256);
        if self == Self::Sequence {
            bytes.push(RECORD);
        }
        serde_json::to_writer(&mut bytes, event)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// A media type, and how likely it is to be taken.
fn weighed(range: &str) -> (&str, f64) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
    (name, weight.unwrap_or(1.0))
}

pub(crate) async fn stream(call: Call) -> Result<Response> {
    // COMPAT: a filter that is not known is no error here.
    let filters = call.query.filters_among(&FILTERS)?;
    let (since, until) = (call.query.time("since")?, call.query.time("until")?);
    if since.zip(until).is_some_and(|(since, until)| since > until) {
        return Err(Error::bad_request(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            call.query.text("since"),
            call.query.text("until")
        )));
    }
    let span = Span {
        since,
        until,
        after: None,
    };
    let mut subscription = call.api.engine.events().subscribe(span)?;
    let (form, version) = (Form::of(&call.headers, call.version), call.version);
    let (writer, response) = body::stream(form.media_type());
    let stopping = call.api.stopping.clone();
    call.api.tracker.spawn(async move {
        loop {
            let next = tokio::select! {
                next = subscription.next() => next,
                () = writer.closed() => return,
                () = stopping.cancelled() => return writer.interrupt(),
            };
            match next {
                Ok(None) => return,
                Ok(Some(entry)) if !matches(&entry.event, &filters) => {}
                Ok(Some(entry)) => {
                    if send(&writer, (form, version), entry).await.is_err() {
                        return;
                    }
                }
                Err(error) => return writer.fail(error.into()).await,
            }
        }
    });
    Ok(response)
}

async fn send(
    writer: &Writer,
    (form, version): (Form, ApiVersion),
    entry: Entry<engine::Event>,
) -> std::io::Result<()> {
    writer.send(form.write(&document(entry, version))?).await
}

fn document(entry: Entry<engine::Event>, version: ApiVersion) -> Event {
    let Entry { at, event, .. } = entry;
    let old = version < V1_52;
    let named = old && matches!(event.object, EventType::Container | EventType::Image);
    let from = match event.object {
        EventType::Container if old => event.attributes.get("image").cloned().unwrap_or_default(),
        _ => String::new(),
    };
    Event {
        status: if named {
            event.action.clone()
        } else {
            String::new()
        },
        id: if named {
            event.id.clone()
        } else {
            String::new()
        },
        from,
        r#type: event.object.name().to_owned(),
        action: event.action,
        actor: Actor {
            id: event.id,
            attributes: event.attributes,
        },
        scope: "local".to_owned(),
        time: i64::try_from(at.seconds()).unwrap_or(i64::MAX),
        time_nano: i64::try_from(at.nanos()).unwrap_or(i64::MAX),
    }
}

fn matches(event: &engine::Event, filters: &Filters) -> bool {
    let any = |name: &str, matches: &dyn Fn(&str) -> bool| {
        !filters.contains(name) || filters.values(name).any(matches)
    };
    let name = event.attributes.get("name").map_or("", String::as_str);
    // COMPAT: the beginning of a name is enough, but for images.
    let is = |object: EventType, value: &str| {
        let image = event.attributes.get("image").map_or("", String::as_str);
        let named = match object {
            EventType::Image => name == value,
            _ => name.starts_with(value),
        };
        event.object == object && (named || event.id.starts_with(value))
            || object == EventType::Image && event.object == EventType::Container && image == value
    };
    let verb = event.action.split(':').next().unwrap_or_default();
    let label = |value: &str| {
        let (key, wanted) = value
            .split_once('=')
            .map_or((value, None), |(k, v)| (k, Some(v)));
        let found = event.attributes.get(key);
        found.is_some_and(|found| wanted.is_none_or(|wanted| wanted == found))
    };
    any("type", &|value| value == event.object.name())
        && any("event", &|value| value == event.action || value == verb)
        && any("scope", &|value| value == "local")
        && any("container", &|value| is(EventType::Container, value))
        && any("image", &|value| is(EventType::Image, value))
        && any("network", &|value| is(EventType::Network, value))
        && any("volume", &|value| is(EventType::Volume, value))
        && any("daemon", &|value| is(EventType::Daemon, value))
        && filters.values("label").all(label)
        && ["config", "node", "plugin", "secret", "service", "builder"]
            .iter()
            .all(|name| !filters.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn event() -> engine::Event {
        let attributes = [("name", "web"), ("image", "nginx"), ("tier", "front")];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
        engine::Event {
            object: EventType::Container,
            action: "exec_create: sh".to_owned(),
            id: "abc".to_owned(),
            attributes: BTreeMap::from(attributes),
        }
    }

    #[test]
    fn events_are_filtered_as_docker_filters_them() {
        for (name, value, expected) in [
            ("type", "container", true),
            ("type", "image", false),
            ("event", "exec_create", true),
            ("event", "start", false),
            ("container", "web", true),
            ("container", "ab", true),
            ("container", "other", false),
            ("image", "nginx", true),
            ("label", "tier=front", true),
            ("label", "tier=back", false),
            ("node", "x", false),
        ] {
            let filters = Filters::default().with(name, value);
            assert_eq!(matches(&event(), &filters), expected, "{name}={value}");
        }
    }

    #[test]
    fn the_client_says_how_events_are_divided() {
        let old = ApiVersion::new(1, 51);
        let form = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().unwrap());
            Form::of(&headers, old).media_type()
        };
        assert_eq!(form("application/json-seq"), "application/json-seq");
        assert_eq!(
            form("text/html, application/x-ndjson;q=1"),
            "application/x-ndjson"
        );
        assert_eq!(
            form("application/json, application/json-seq;q=0.5, application/x-ndjson;q=0.1"),
            "application/json-seq"
        );
        assert_eq!(form("application/jsonl;q=0, */*"), "application/json");
        assert_eq!(form("text/html"), "application/json");
        let silent = |version| Form::of(&HeaderMap::new(), version).media_type();
        assert_eq!(silent(old), "application/json");
        assert_eq!(silent(V1_52), "application/jsonl");
        assert_eq!(Form::Sequence.write(&Event::default()).unwrap()[0], RECORD);
    }
}
