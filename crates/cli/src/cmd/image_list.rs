//! `images`: what can be run.

use super::{filters, short};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::table::{Column, Row, Table, row};
use crate::{output, units};
use client::Call;
use docker_schema::image::Summary;

const COLUMNS: &[Column] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("VirtualSize", "SIZE"),
];
const NONE: &str = "<none>";

#[derive(Debug, clap::Args)]
pub(crate) struct ImageList {
    /// Show all images (default hides intermediate and dangling images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, value_name = "string")]
    format: Option<String>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    repository: Option<String>,
}

impl Action for ImageList {
    const ABOUT: &'static str = "List images";
    const USAGE: &'static str = "[OPTIONS] [REPOSITORY[:TAG]]";
    const TAKES: Takes = Takes::Between(0, 1);

    async fn run(self, cx: &Context) -> Result {
        let mut wanted = self.filter.clone();
        wanted.extend(
            self.repository
                .as_ref()
                .map(|name| format!("reference={name}")),
        );
        let call = Call::get("/images/json")
            .flag("all", self.all)
            .optional("filters", filters(&wanted)?);
        let mut found: Vec<Summary> = cx.client().await?.json(call).await?;
        found.sort_by_key(|image| std::cmp::Reverse(image.created));
        if self.quiet && self.format.is_none() {
            // COMPAT: an image is listed once a name.
            for image in &found {
                for _ in names(image) {
                    output::line(self.id(image))?;
                }
            }
            return Ok(0);
        }
        let mut shown = vec!["Repository", "Tag", "ID", "CreatedSince", "Size"];
        if self.digests {
            shown.insert(2, "Digest");
        }
        let rows = found
            .iter()
            .flat_map(|image| names(image).into_iter().map(|name| self.row(image, &name)));
        let table = Table {
            columns: COLUMNS,
            shown,
            rows: rows.collect(),
        };
        table.print(self.format.as_deref())?;
        Ok(0)
    }
}

impl ImageList {
    fn id<'a>(&self, image: &'a Summary) -> &'a str {
        match self.no_trunc {
            true => &image.id,
            false => short(&image.id),
        }
    }

    fn row(&self, image: &Summary, name: &Name) -> Row {
        row([
            ("Repository", name.repository.as_str().into()),
            ("Tag", name.tag.as_str().into()),
            ("Digest", name.digest.as_str().into()),
            ("ID", self.id(image).into()),
            ("CreatedSince", since(image.created).into()),
            ("CreatedAt", units::created_at(image.created).into()),
            ("Size", units::short_size(image.size).into()),
            ("Containers", counted(image.containers).into()),
            ("SharedSize", sized(image.shared_size).into()),
            ("UniqueSize", sized(unique(image)).into()),
            ("VirtualSize", units::short_size(image.size).into()),
        ])
    }
}

/// COMPAT: an image without a time was made "N/A".
fn since(created: i64) -> String {
    match created {
        ..=0 => "N/A".into(),
        created => units::ago(created),
    }
}

/// -1 is what nobody counted.
fn counted(count: i64) -> String {
    match count {
        -1 => "N/A".into(),
        count => count.to_string(),
    }
}

fn sized(bytes: i64) -> String {
    match bytes {
        -1 => "N/A".into(),
        bytes => units::short_size(bytes),
    }
}

fn unique(image: &Summary) -> i64 {
    match image.shared_size {
        -1 => -1,
        shared => image.size - shared,
    }
}

/// One of an image's names.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    repository: String,
    tag: String,
    digest: String,
}

/// A name for each tag; for digests without a tag; at least one.
fn names(image: &Summary) -> Vec<Name> {
    let empty = Vec::new();
    let tags = image.repo_tags.as_ref().unwrap_or(&empty);
    let digests = image.repo_digests.as_ref().unwrap_or(&empty);
    let digests: Vec<_> = digests.iter().filter_map(|d| d.split_once('@')).collect();
    let name = |repository: &str, tag: &str, digest: &str| Name {
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        digest: digest.to_owned(),
    };
    let mut names: Vec<_> = tags
        .iter()
        .filter_map(|tag| tag.rsplit_once(':'))
        .filter(|(repository, _)| *repository != NONE)
        .map(|(repository, tag)| {
            let digest = digests.iter().find(|(of, _)| *of == repository);
            name(repository, tag, digest.map_or(NONE, |(_, digest)| digest))
        })
        .collect();
    if names.is_empty() {
        names.extend(
            digests
                .iter()
                .map(|(repository, digest)| name(repository, NONE, digest)),
        );
    }
    if names.is_empty() {
        names.push(name(NONE, NONE, NONE));
    }
    names
}
