//! Rows as docker prints them: a table, JSON, or a template for each.

use crate::failure::Result;
use crate::output;
use crate::template::Format;
use serde_json::{Map, Value};
use std::fmt::Write;

/// A column: the field's name, and its heading.
pub(crate) type Column = (&'static str, &'static str);

/// A row's fields by name.
pub(crate) type Row = Map<String, Value>;

/// Cells are at least this wide, with this much space after them.
const CELL: usize = 10;
const SPACE: usize = 3;

/// What is listed.
#[derive(Debug)]
pub(crate) struct Table {
    /// Every field that a template may use, with its heading.
    pub(crate) columns: &'static [Column],
    /// The fields of the default table, in order.
    pub(crate) shown: Vec<&'static str>,
    /// The rows.
    pub(crate) rows: Vec<Row>,
}

/// Makes a row of names and values.
pub(crate) fn row<const N: usize>(fields: [(&str, Value); N]) -> Row {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl Table {
    /// Prints in the format that was asked for.
    pub(crate) fn print(self, format: Option<&str>) -> Result<()> {
        output::text(&self.render(format)?)?;
        Ok(())
    }

    /// The text in the format that was asked for.
    pub(crate) fn render(self, format: Option<&str>) -> Result<String> {
        match format {
            None | Some("" | "table") => {
                let cells = self.rows.iter().map(|row| self.cells(row)).collect();
                Ok(aligned(Some(self.headings()), cells))
            }
            Some("json") => self.each(&Format::parse("{{json .}}")?),
            Some(text) => match text.strip_prefix("table") {
                Some(rest) => self.by_template(rest.trim_start()),
                None => self.each(&Format::parse(text)?),
            },
        }
    }

    fn headings(&self) -> Vec<String> {
        let heading = |name: &&str| {
            let column = self.columns.iter().find(|(column, _)| column == name);
            column.map_or(String::new(), |(_, heading)| (*heading).to_owned())
        };
        self.shown.iter().map(heading).collect()
    }

    fn cells(&self, row: &Row) -> Vec<String> {
        let cell = |name: &&str| match row.get(*name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        self.shown.iter().map(cell).collect()
    }

    fn each(self, format: &Format) -> Result<String> {
        let mut text = String::new();
        for row in self.rows {
            text.push_str(&format.render(&Value::Object(row))?);
            text.push('\n');
        }
        Ok(text)
    }

    fn by_template(self, template: &str) -> Result<String> {
        let format = Format::parse(template)?;
        let headings = self
            .columns
            .iter()
            .map(|(name, heading)| ((*name).to_owned(), (*heading).into()));
        let split = |line: String| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
        let headings = split(format.render(&Value::Object(headings.collect()))?);
        let mut cells = Vec::new();
        for row in self.rows {
            cells.push(split(format.render(&Value::Object(row))?));
        }
        Ok(aligned(Some(headings), cells))
    }
}

/// Columns as Go's tabwriter aligns them for docker; the last cell of a line is not padded.
pub(crate) fn aligned(headings: Option<Vec<String>>, rows: Vec<Vec<String>>) -> String {
    spaced(CELL, SPACE, headings.into_iter().chain(rows).collect())
}

fn spaced(cell: usize, space: usize, lines: Vec<Vec<String>>) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns)
        .map(|column| {
            let cells = lines.iter().filter(|line| line.len() > column + 1);
            let widest = cells
                .filter_map(|line| line.get(column))
                .map(|c| c.chars().count());
            (widest.max().unwrap_or(0) + space).max(cell)
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        let last = line.len().saturating_sub(1);
        for (index, (cell, width)) in line.iter().zip(&widths).enumerate() {
            // Writing to a String cannot fail.
            let _infallible = match index == last {
                true => writeln!(text, "{cell}"),
                false => write!(text, "{cell:width$}"),
            };
        }
    }
    text
}

/// Columns as `top` has them: cells at least 20 wide.
pub(crate) fn loose(headings: Vec<String>, rows: Vec<Vec<String>>) -> String {
    spaced(20, 1, std::iter::once(headings).chain(rows).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            columns: &[("ID", "CONTAINER ID"), ("Names", "NAMES")],
            shown: vec!["ID", "Names"],
            rows: vec![
                row([("ID", "abc".into()), ("Names", "web".into())]),
                row([("ID", "0123456789ab".into()), ("Names", "a".into())]),
            ],
        }
    }

    #[test]
    fn a_table_is_aligned_as_docker_does() {
        assert_eq!(
            table().render(None).unwrap(),
            "CONTAINER ID   NAMES\nabc            web\n0123456789ab   a\n"
        );
        assert_eq!(
            table().render(Some("table {{.Names}}\\t{{.ID}}")).unwrap(),
            "NAMES     CONTAINER ID\nweb       abc\na         0123456789ab\n"
        );
    }

    #[test]
    fn rows_are_printed_as_json_and_by_template() {
        assert_eq!(
            table().render(Some("json")).unwrap().lines().next(),
            Some(r#"{"ID":"abc","Names":"web"}"#)
        );
        assert_eq!(table().render(Some("{{.Names}}!")).unwrap(), "web!\na!\n");
    }
}
