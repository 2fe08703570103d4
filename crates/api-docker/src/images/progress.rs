//! Progress in the API's lines.

use docker_schema::progress::{Detail, Message, Pushed};
use images::Event;

/// A line of progress.
pub(crate) fn message(event: Event) -> Message {
    match event {
        Event::Text(stream) => Message {
            stream,
            ..Message::default()
        },
        Event::Status { id, status } => {
            // COMPAT: a layer's line has figures, even if there are none.
            let layer = id.is_some() && !status.starts_with("Pulling from");
            Message {
                progress_detail: layer.then(Detail::default),
                id: id.unwrap_or_default(),
                ..Message::status(status)
            }
        }
        Event::Pushed { tag, digest, size } => Message {
            progress_detail: Some(Detail::default()),
            aux: Some(Pushed {
                tag,
                digest: digest.to_string(),
                size,
            }),
            ..Message::default()
        },
        Event::Advance {
            id,
            status,
            current,
            total,
        } => Message {
            progress_detail: Some(Detail {
                current,
                total,
                ..Detail::default()
            }),
            progress: bar(current, total),
            id,
            ..Message::status(status)
        },
    }
}

/// The bar as docker's daemon draws it.
fn bar(current: u64, total: u64) -> String {
    if total == 0 {
        return format!("{:>8}", size(current));
    }
    let halves = current.saturating_mul(50) / total;
    let done = usize::try_from(halves.min(50)).unwrap_or(50);
    let bar = format!("[{}>{}] ", "=".repeat(done), " ".repeat(50 - done));
    if current > total {
        return format!("{bar}{:>8}", size(current));
    }
    format!("{bar}{:>8}/{}", size(current), size(total))
}

/// A size in four digits.
#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1000.0 {
        let Some(larger) = units.next() else { break };
        unit = larger;
        value /= 1000.0;
    }
    let decimals = match value {
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        _ => 3,
    };
    let digits = format!("{value:.decimals$}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_drawn_as_docker_draws_them() {
        let first = "[=>                                                 ]  36.45kB/1.08MB";
        assert_eq!(bar(36_445, 1_080_164), first);
        let last = "[==================================================>]   1.08MB/1.08MB";
        assert_eq!(bar(1_080_164, 1_080_164), last);
        assert_eq!(bar(5, 0), "      5B");
    }

    #[test]
    fn only_layers_have_empty_figures() {
        let status = |id: Option<&str>, status: &str| {
            let line = message(Event::Status {
                id: id.map(str::to_owned),
                status: status.to_owned(),
            });
            serde_json::to_string(&line).unwrap()
        };
        assert_eq!(
            status(Some("two"), "Pulling from bb"),
            r#"{"status":"Pulling from bb","id":"two"}"#
        );
        assert_eq!(
            status(Some("1cf9"), "Pull complete"),
            r#"{"status":"Pull complete","progressDetail":{},"id":"1cf9"}"#
        );
        assert_eq!(status(None, "Digest: x"), r#"{"status":"Digest: x"}"#);
    }
}
