//! `system df`: what is on disk.

use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::table::{Column, Row, Table, row};
use crate::units;
use client::Call;
use docker_schema::system::DiskUsage;

const COLUMNS: &[Column] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

#[derive(Debug, clap::Args)]
pub(crate) struct SystemDf {
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, value_name = "string")]
    format: Option<String>,
}

impl Action for SystemDf {
    const ABOUT: &'static str = "Show disk usage";
    const USAGE: &'static str = "[OPTIONS]";
    const TAKES: Takes = Takes::None;

    async fn run(self, cx: &Context) -> Result {
        let usage: DiskUsage = cx.client().await?.json(Call::get("/system/df")).await?;
        let table = Table {
            columns: COLUMNS,
            shown: vec!["Type", "TotalCount", "Active", "Size", "Reclaimable"],
            rows: vec![images(&usage), containers(&usage), volumes(&usage)],
        };
        table.print(self.format.as_deref())?;
        Ok(0)
    }
}

fn line(kind: &str, count: usize, active: usize, size: i64, free: i64) -> Row {
    let reclaimable = match size {
        0 => units::short_size(free),
        size => format!(
            "{} ({}%)",
            units::short_size(free),
            free.saturating_mul(100) / size
        ),
    };
    row([
        ("Type", kind.into()),
        ("TotalCount", count.to_string().into()),
        ("Active", active.to_string().into()),
        ("Size", units::short_size(size).into()),
        ("Reclaimable", reclaimable.into()),
    ])
}

fn images(usage: &DiskUsage) -> Row {
    let images: Vec<_> = usage.images.iter().flatten().collect();
    let active: Vec<_> = images.iter().filter(|image| image.containers > 0).collect();
    let used: i64 = active
        .iter()
        .map(|image| image.size - image.shared_size.max(0))
        .sum();
    let size = usage.layers_size.unwrap_or_default();
    let free = (size - used).max(0);
    line("Images", images.len(), active.len(), size, free)
}

fn containers(usage: &DiskUsage) -> Row {
    let containers: Vec<_> = usage.containers.iter().flatten().collect();
    let is_active = |state: &str| matches!(state, "running" | "paused" | "restarting");
    let active = containers.iter().filter(|one| is_active(&one.state));
    let size = containers.iter().map(|one| one.size_rw).sum();
    let free = containers.iter().filter(|one| !is_active(&one.state));
    line(
        "Containers",
        containers.len(),
        active.count(),
        size,
        free.map(|one| one.size_rw).sum(),
    )
}

fn volumes(usage: &DiskUsage) -> Row {
    let volumes: Vec<_> = usage.volumes.iter().flatten().collect();
    let data: Vec<_> = volumes
        .iter()
        .filter_map(|volume| volume.usage_data.as_ref())
        .collect();
    let free = data.iter().filter(|data| data.ref_count == 0);
    line(
        "Local Volumes",
        volumes.len(),
        data.iter().filter(|data| data.ref_count > 0).count(),
        data.iter().map(|data| data.size).sum(),
        free.map(|data| data.size).sum(),
    )
}
