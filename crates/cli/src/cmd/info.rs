//! `info`: the daemon, its store and what its kernel can do.

use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::template::Format;
use crate::{output, units};
use client::Call;
use docker_schema::system::Info as Document;
use serde_json::Value;
use std::fmt::Write;

#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// Format output using a custom template: 'json' or a Go template
    #[arg(short, long, value_name = "string")]
    format: Option<String>,
}

impl Action for Info {
    const ABOUT: &'static str = "Display system-wide information";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let client = cx.client().await?;
        let call = Call::get("/info");
        match self.format.as_deref() {
            None | Some("") => {
                let info: Document = client.json(call).await?;
                output::text(&text(&info))?;
                for warning in info.warnings.iter().flatten() {
                    output::error(warning);
                }
            }
            Some(format) => {
                let info: Value = client.json(call).await?;
                let format = if format == "json" {
                    "{{json .}}"
                } else {
                    format
                };
                output::line(&Format::parse(format)?.render(&info)?)?;
            }
        }
        Ok(0)
    }
}

fn text(info: &Document) -> String {
    let mut text = format!(
        "Client:\n Version:    {}\n Context:    default\n\nServer:\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut line = |depth: usize, name: &str, value: &str| {
        let indent = " ".repeat(depth);
        let _infallible = writeln!(text, "{}", format!("{indent}{name}: {value}").trim_end());
    };
    line(1, "Containers", &info.containers.to_string());
    line(2, "Running", &info.containers_running.to_string());
    line(2, "Paused", &info.containers_paused.to_string());
    line(2, "Stopped", &info.containers_stopped.to_string());
    line(1, "Images", &info.images.to_string());
    line(1, "Server Version", &info.server_version);
    line(1, "Storage Driver", &info.driver);
    for [name, value] in info.driver_status.iter().flatten() {
        line(2, name, value);
    }
    line(1, "Logging Driver", &info.logging_driver);
    line(1, "Cgroup Driver", &info.cgroup_driver);
    line(1, "Cgroup Version", &info.cgroup_version);
    line(1, "Plugins", "");
    let joined =
        |list: &Option<Vec<String>>| list.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    line(2, "Volume", &joined(&info.plugins.volume));
    line(2, "Network", &joined(&info.plugins.network));
    line(2, "Log", &joined(&info.plugins.log));
    let runtimes: Vec<_> = info
        .runtimes
        .iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    line(1, "Runtimes", &runtimes.join(" "));
    line(1, "Default Runtime", &info.default_runtime);
    line(1, "Security Options", "");
    for option in info.security_options.iter().flatten() {
        for (index, part) in option.split(',').enumerate() {
            let (key, value) = part.split_once('=').unwrap_or(("", part));
            match index {
                0 => line(2, value, ""),
                _ => line(3, key, value),
            }
        }
    }
    line(1, "Kernel Version", &info.kernel_version);
    line(1, "Operating System", &info.operating_system);
    line(1, "OSType", &info.os_type);
    line(1, "Architecture", &info.architecture);
    line(1, "CPUs", &info.n_cpu.to_string());
    line(1, "Total Memory", &units::binary_size(info.mem_total));
    line(1, "Name", &info.name);
    line(1, "ID", &info.id);
    line(1, "Docker Root Dir", &info.docker_root_dir);
    line(1, "Debug Mode", &info.debug.to_string());
    line(1, "Experimental", &info.experimental_build.to_string());
    line(
        1,
        "Live Restore Enabled",
        &info.live_restore_enabled.to_string(),
    );
    text
}
