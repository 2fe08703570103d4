//! `list`: all containers.

use super::state::Document;
use super::{Context, print};
use crate::arguments::{Arguments, Flag, switch, value};
use anyhow::{Context as _, Result, bail};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

pub(super) const FLAGS: &[Flag] = &[value("format").or("f"), switch("quiet").or("q")];
const HEADINGS: [&str; 6] = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
/// A column's least width and the blanks after its longest word.
const COLUMN: usize = 12;
const PADDING: usize = 3;

pub(super) fn list(context: &Context, arguments: &Arguments) -> Result<u8> {
    let documents = documents(context)?;
    if arguments.on("quiet") {
        let ids: String = documents
            .iter()
            .map(|one| format!("{}\n", one.id))
            .collect();
        print(&ids)?;
        return Ok(0);
    }
    match arguments.find("format").unwrap_or("table") {
        "table" => print(&table(&documents))?,
        // COMPAT: Go writes an empty list as null.
        "json" if documents.is_empty() => print("null\n")?,
        "json" => print(&format!("{}\n", serde_json::to_string(&documents)?))?,
        _ => bail!("invalid format option"),
    }
    Ok(0)
}

fn documents(context: &Context) -> Result<Vec<Document>> {
    let store = context.store();
    let entries = match std::fs::read_dir(store.root()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !context.root_given => {
            return Ok(Vec::new());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("open {}", store.root().display()));
        }
    };
    let mut documents = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(metadata) = entry.metadata().ok().filter(std::fs::Metadata::is_dir) else {
            continue;
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        let document = store
            .load(&name)
            .and_then(|(place, record)| Document::of(&place, &record));
        match document {
            Ok(mut document) => {
                document.owner = owner(metadata.uid());
                documents.push(document);
            }
            // One that is being made or deleted must not hide the others.
            Err(error) => {
                drop(writeln!(
                    std::io::stderr(),
                    "load container {name}: {error:#}"
                ));
            }
        }
    }
    documents.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(documents)
}

/// A user's name by `/etc/passwd`, else `#` and the number.
fn owner(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(&number)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("#{uid}"))
}

fn table(documents: &[Document]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(documents.iter().map(|one| {
        [
            one.id.clone(),
            one.pid.to_string(),
            one.status.to_string(),
            one.bundle.clone(),
            one.created.clone(),
            one.owner.clone(),
        ]
    }));
    let mut text = String::new();
    for row in &rows {
        for (at, word) in row.iter().enumerate() {
            text.push_str(word);
            if at + 1 < row.len() {
                let longest = rows.iter().map(|row| row[at].chars().count()).max();
                let width = COLUMN.max(longest.unwrap_or(0) + PADDING);
                text.extend(std::iter::repeat_n(' ', width - word.chars().count()));
            }
        }
        text.push('\n');
    }
    text
}
