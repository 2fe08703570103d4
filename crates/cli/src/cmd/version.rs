//! `version`: of the client and the server.

use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::output;
use crate::template::Format;
use client::Call;
use serde_json::{Value, json};
use std::fmt::Write;

#[derive(Debug, clap::Args)]
pub(crate) struct Version {
    /// Format output using a custom template: 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
}

impl Action for Version {
    const ABOUT: &'static str = "Show the corten version information";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let client = json!({
            "Version": env!("CARGO_PKG_VERSION"),
            "ApiVersion": client::api_version(),
            "DefaultAPIVersion": client::DEFAULT_API_VERSION,
            "Os": std::env::consts::OS,
            "Arch": architecture(),
            "Context": "default",
        });
        let server = match cx.client().await {
            Ok(client) => client
                .json::<Value>(Call::get("/version"))
                .await
                .map_err(Into::into),
            Err(failure) => Err(failure),
        };
        let (server, failure) = match server {
            Ok(server) => (server, None),
            Err(failure) => (Value::Null, Some(failure)),
        };
        match self.format.as_deref() {
            None | Some("") => output::text(&text(&client, &server))?,
            Some("json") => {
                let document = json!({"Client": client, "Server": server});
                output::line(&document.to_string())?;
            }
            Some(format) => {
                let document = json!({"Client": client, "Server": server});
                output::line(&Format::parse(format)?.render(&document)?)?;
            }
        }
        failure.map_or(Ok(0), Err)
    }
}

/// As Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn text(client: &Value, server: &Value) -> String {
    let of = |document: &Value, key: &str| {
        document
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut text = String::from("Client:\n");
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _infallible = writeln!(text, " {name:<18}{value}");
        }
    };
    line("Version:", of(client, "Version"));
    line("API version:", of(client, "ApiVersion"));
    line(
        "OS/Arch:",
        format!("{}/{}", of(client, "Os"), of(client, "Arch")),
    );
    line("Context:", of(client, "Context"));
    if server.is_null() {
        return text;
    }
    let platform = server.pointer("/Platform/Name").and_then(Value::as_str);
    let platform = platform.filter(|name| !name.is_empty());
    let _infallible = writeln!(
        text,
        "\nServer:{}",
        platform.map_or(String::new(), |p| format!(" {p}"))
    );
    let _infallible = writeln!(text, " Engine:");
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _infallible = writeln!(text, "  {name:<17}{value}");
        }
    };
    line("Version:", of(server, "Version"));
    let minimum = of(server, "MinAPIVersion");
    line(
        "API version:",
        format!("{} (minimum version {minimum})", of(server, "ApiVersion")),
    );
    line("Git commit:", of(server, "GitCommit"));
    line("Built:", of(server, "BuildTime"));
    line(
        "OS/Arch:",
        format!("{}/{}", of(server, "Os"), of(server, "Arch")),
    );
    line("Kernel:", of(server, "KernelVersion"));
    text
}
