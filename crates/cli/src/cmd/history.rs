//! `history`: how an image was made.

use super::{ellipsis, short};
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::Result;
use crate::table::{Column, Row, Table, row};
use crate::{output, units};
use client::{Call, encode};
use docker_schema::image::HistoryItem;

const COLUMNS: &[Column] = &[
    ("ID", "IMAGE"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, value_name = "string")]
    format: Option<String>,
    /// Print sizes and dates in human readable format (default true)
    #[arg(short = 'H', long, action = clap::ArgAction::SetFalse)]
    human: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    #[arg(required = true, hide = true)]
    image: String,
}

impl Action for History {
    const ABOUT: &'static str = "Show the history of an image";
    const USAGE: &'static str = "[OPTIONS] IMAGE";
    const TAKES: Takes = Takes::Exactly(1);

    async fn run(self, cx: &Context) -> Result {
        let call = Call::get(format!("/images/{}/history", encode(&self.image)));
        let items: Vec<HistoryItem> = cx.client().await?.json(call).await?;
        if self.quiet {
            for item in &items {
                output::line(self.id(item))?;
            }
            return Ok(0);
        }
        let table = Table {
            columns: COLUMNS,
            shown: vec!["ID", "CreatedSince", "CreatedBy", "Size", "Comment"],
            rows: items.iter().map(|item| self.row(item)).collect(),
        };
        table.print(self.format.as_deref())?;
        Ok(0)
    }
}

impl History {
    fn id<'a>(&self, item: &'a HistoryItem) -> &'a str {
        match self.no_trunc {
            true => &item.id,
            false => short(&item.id),
        }
    }

    fn row(&self, item: &HistoryItem) -> Row {
        let by = item.created_by.replace('\t', " ");
        let by = match self.no_trunc {
            true => by,
            false => ellipsis(&by, 45),
        };
        let since = match (item.created, self.human) {
            (..=0, _) => "N/A".into(),
            (created, true) => units::ago(created),
            (created, false) => units::created_at(created),
        };
        let size = match self.human {
            true => units::short_size(item.size),
            false => item.size.to_string(),
        };
        row([
            ("ID", self.id(item).into()),
            ("CreatedAt", units::created_at(item.created).into()),
            ("CreatedSince", since.into()),
            ("CreatedBy", by.into()),
            ("Size", size.into()),
            ("Comment", item.comment.as_str().into()),
        ])
    }
}
