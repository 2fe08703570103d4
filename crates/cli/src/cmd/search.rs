//! `search`: images that a registry has.

use super::{ellipsis, filters};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::table::{Column, Row, Table, row};
use client::Call;
use docker_schema::image::SearchResult;

const COLUMNS: &[Column] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
    ("IsAutomated", "AUTOMATED"),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    /// Pretty-print search using a Go template
    #[arg(long, value_name = "string")]
    format: Option<String>,
    /// Max number of search results
    #[arg(
        long,
        value_name = "int",
        default_value_t = 0,
        hide_default_value = true
    )]
    limit: u32,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(required = true, hide = true)]
    term: String,
}

impl Action for Search {
    const ABOUT: &'static str = "Search Docker Hub for images";
    const USAGE: &'static str = "[OPTIONS] TERM";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, cx: &Context) -> Result {
        let call = Call::get("/images/search")
            .query("term", &self.term)
            .optional("filters", filters(&self.filter)?);
        let call = match self.limit {
            0 => call,
            limit => call.query("limit", limit.to_string()),
        };
        let found: Vec<SearchResult> = cx.client().await?.json(call).await?;
        let table = Table {
            columns: COLUMNS,
            shown: vec!["Name", "Description", "StarCount", "IsOfficial"],
            rows: found.iter().map(|image| self.row(image)).collect(),
        };
        table.print(self.format.as_deref())?;
        Ok(0)
    }
}

impl Search {
    fn row(&self, image: &SearchResult) -> Row {
        let description = image.description.replace(['\n', '\r'], " ");
        let description = match self.no_trunc {
            true => description,
            false => ellipsis(&description, 45),
        };
        let mark = |is: bool| if is { "[OK]" } else { "" };
        row([
            ("Name", image.name.as_str().into()),
            ("Description", description.into()),
            ("StarCount", image.star_count.to_string().into()),
            ("IsOfficial", mark(image.is_official).into()),
            ("IsAutomated", mark(image.is_automated).into()),
        ])
    }
}
