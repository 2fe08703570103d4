//! `events`: what happens, as it happens.

use super::filters;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::template::Format;
use crate::{output, units};
use client::Call;
use serde_json::Value;

#[derive(Debug, clap::Args)]
pub(crate) struct Events {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    /// Format output using a custom template: 'json' or a Go template
    #[arg(long, value_name = "string")]
    format: Option<String>,
    /// Show all events created since timestamp
    #[arg(long, value_name = "string")]
    since: Option<String>,
    /// Stream events until this timestamp
    #[arg(long, value_name = "string")]
    until: Option<String>,
}

impl Action for Events {
    const ABOUT: &'static str = "Get real time events from the server";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let moment = |text: &Option<String>| {
            let moment = text.as_deref().map(units::moment).transpose();
            moment.map_err(|reason| Failure::text(1, reason))
        };
        let call = Call::get("/events")
            .optional("since", moment(&self.since)?)
            .optional("until", moment(&self.until)?)
            .optional("filters", filters(&self.filter)?);
        // The document itself is shown as it is.
        let whole = matches!(self.format.as_deref(), Some("json" | "{{json .}}"));
        let format = match self.format.as_deref() {
            None | Some("") => None,
            Some("json") => Some(Format::parse("{{json .}}")?),
            Some(text) => Some(Format::parse(text)?),
        };
        let mut stream = cx.client().await?.json_stream(call).await?;
        while let Some(event) = stream.next::<Value>().await? {
            match &format {
                None => output::line(&text(&event))?,
                Some(format) if whole => output::line(&format.render(&event)?)?,
                Some(format) => output::line(&format.render(&in_go_names(event))?)?,
            }
        }
        Ok(0)
    }
}

/// COMPAT: templates name fields as Go does, some of which the document names otherwise.
fn in_go_names(mut event: Value) -> Value {
    const NAMES: [(&str, &str); 6] = [
        ("id", "ID"),
        ("status", "Status"),
        ("from", "From"),
        ("scope", "Scope"),
        ("time", "Time"),
        ("timeNano", "TimeNano"),
    ];
    if let Some(fields) = event.as_object_mut() {
        for (name, go) in NAMES {
            let value = fields.get(name).cloned();
            fields.insert(go.to_owned(), value.unwrap_or_else(|| "".into()));
        }
    }
    event
}

/// `TIME TYPE ACTION ID (key=value, …)`
fn text(event: &Value) -> String {
    let of = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let nanos = event
        .get("timeNano")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let time = jiff::Timestamp::from_nanosecond(nanos.into()).unwrap_or_default();
    let time = time.strftime("%Y-%m-%dT%H:%M:%S.%9f%:z");
    let attributes = event
        .pointer("/Actor/Attributes")
        .and_then(Value::as_object);
    let attributes: Vec<_> = attributes
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let shown = match attributes.is_empty() {
        true => String::new(),
        false => format!(" ({})", attributes.join(", ")),
    };
    format!(
        "{time} {} {} {}{shown}",
        of("/Type"),
        of("/Action"),
        of("/Actor/ID")
    )
}
