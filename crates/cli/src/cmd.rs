//! The commands, one a file.

pub(crate) mod attach;
pub(crate) mod commit;
pub(crate) mod completion;
pub(crate) mod cp;
pub(crate) mod create;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod image_inspect;
pub(crate) mod image_list;
pub(crate) mod image_prune;
pub(crate) mod image_remove;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod kill;
mod layout;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod logs;
pub(crate) mod network_connect;
pub(crate) mod network_create;
pub(crate) mod network_disconnect;
pub(crate) mod network_inspect;
pub(crate) mod network_list;
pub(crate) mod network_prune;
pub(crate) mod network_remove;
pub(crate) mod pause;
pub(crate) mod port;
pub(crate) mod progress;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod restart;
pub(crate) mod run;
pub(crate) mod save;
pub(crate) mod search;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod system_df;
pub(crate) mod system_doctor;
pub(crate) mod system_prune;
pub(crate) mod tag;
pub(crate) mod top;
pub(crate) mod unpause;
pub(crate) mod update;
pub(crate) mod version;
pub(crate) mod volume_create;
pub(crate) mod volume_inspect;
pub(crate) mod volume_list;
pub(crate) mod volume_prune;
pub(crate) mod volume_remove;
pub(crate) mod wait;

use crate::failure::{Failure, Result};
use crate::output;
use client::{Call, Client, encode};
use docker_schema::filters::Filters;
use std::io::{BufRead, Write};

/// `/containers/NAME` and what follows.
pub(crate) fn container(name: &str, rest: &str) -> String {
    format!("/containers/{}{rest}", encode(name))
}

/// `/networks/NAME` and what follows.
pub(crate) fn network(name: &str, rest: &str) -> String {
    format!("/networks/{}{rest}", encode(name))
}

/// Sends one request a name, prints each name that worked, and reports all that did not.
pub(crate) async fn each(client: &Client, names: &[String], call: impl Fn(&str) -> Call) -> Result {
    let mut failures = Vec::new();
    for name in names {
        match client.done(call(name)).await {
            Ok(()) => output::line(name)?,
            // One bad name must not stop the others; the status reports it.
            Err(error) => failures.push(Failure::from(error)),
        }
    }
    Failure::all(failures)?;
    Ok(0)
}

/// `--filter name=value`, each.
pub(crate) fn filters(list: &[String]) -> Result<Option<String>> {
    let mut filters = Filters::default();
    for text in list {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::text(
                125,
                format!("invalid argument {text:?} for \"-f, --filter\" flag: invalid filter {text:?}: expected key=value"),
            )
        })?;
        filters = filters.with(name.trim().to_lowercase().as_str(), value.trim());
    }
    encoded(&filters)
}

/// Filters as the query has them; none, if there are none.
pub(crate) fn encoded(filters: &Filters) -> Result<Option<String>> {
    match filters.is_empty() {
        true => Ok(None),
        false => serde_json::to_string(filters)
            .map(Some)
            .map_err(|error| anyhow::Error::new(error).into()),
    }
}

/// Asks on standard error and reads `y` from standard input.
pub(crate) fn confirm(warning: &str) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    write!(
        out,
        "WARNING! {warning}\nAre you sure you want to continue? [y/N] "
    )?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The first twelve digits of an id, without its algorithm.
pub(crate) fn short(id: &str) -> &str {
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.get(..12).unwrap_or(digits)
}

/// `text` cut to `length` characters, the last of them `…`.
pub(crate) fn ellipsis(text: &str, length: usize) -> String {
    match text.chars().count() > length {
        true => {
            let kept: String = text.chars().take(length.saturating_sub(1)).collect();
            format!("{kept}…")
        }
        false => text.to_owned(),
    }
}
