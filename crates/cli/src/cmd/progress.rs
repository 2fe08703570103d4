//! Progress of pulls and loads: on a terminal one line a layer, else one line an event.

use crate::failure::{Failure, Result};
use crate::{output, units};
use client::JsonStream;
use docker_schema::progress::{Message, Pushed};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::io::{IsTerminal, stderr, stdout};
use std::time::{Duration, Instant};

/// Where progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// With the results.
    Output,
    /// Beside them.
    Error,
    /// Nowhere; errors still end the command.
    Nowhere,
}

/// Shows all messages of `stream`; an error in it is a failure. Gives the last `aux` object.
pub(crate) async fn show(mut stream: JsonStream, to: To) -> Result<Option<Pushed>> {
    let mut shown = Shown::new(to);
    let mut last = None;
    while let Some(message) = stream.next::<Message>().await? {
        let failed = message.error_detail.as_ref().map(|detail| &detail.message);
        let failed = failed.unwrap_or(&message.error);
        if !failed.is_empty() {
            return Err(Failure::text(1, failed.clone()));
        }
        if message.aux.is_some() {
            last = message.aux;
            continue;
        }
        shown.message(&message)?;
    }
    Ok(last)
}

struct Shown {
    to: To,
    bars: Option<MultiProgress>,
    layers: HashMap<String, Layer>,
}

/// A layer's line, and since when it advances.
struct Layer {
    bar: ProgressBar,
    pace: Option<Pace>,
}

/// Where a transfer was when it was first heard of.
struct Pace {
    status: String,
    since: Instant,
    from: u64,
}

impl Shown {
    fn new(to: To) -> Self {
        let target = match to {
            To::Output if stdout().is_terminal() => Some(ProgressDrawTarget::stdout()),
            To::Error if stderr().is_terminal() => Some(ProgressDrawTarget::stderr()),
            _ => None,
        };
        Self {
            to,
            bars: target.map(MultiProgress::with_draw_target),
            layers: HashMap::new(),
        }
    }

    fn line(&self, text: &str) -> Result<()> {
        match (self.to, &self.bars) {
            (To::Nowhere, _) => {}
            (_, Some(bars)) => bars.println(text)?,
            (To::Output, None) => output::line(text)?,
            (To::Error, None) => output::error(text),
        }
        Ok(())
    }

    fn message(&mut self, message: &Message) -> Result<()> {
        if !message.stream.is_empty() {
            return self.line(message.stream.trim_end_matches('\n'));
        }
        if message.id.is_empty() {
            return self.line(&message.status);
        }
        let text = format!("{}: {}", message.id, message.status);
        let Some(bars) = &self.bars else {
            // Without a terminal only changes of status are worth a line.
            return match message
                .progress_detail
                .as_ref()
                .is_some_and(|d| d.current > 0)
            {
                true => Ok(()),
                false => self.line(&text),
            };
        };
        let layer = self.layers.entry(message.id.clone()).or_insert_with(|| {
            let bar = bars.add(ProgressBar::no_length());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            Layer { bar, pace: None }
        });
        let shown = match &message.progress_detail {
            Some(detail) if detail.total > 0 => {
                let pace = layer.pace(&message.status, detail.current);
                let pace = paced(pace, detail.total.saturating_sub(detail.current));
                format!("{text} {}{pace}", drawn(detail.current, detail.total))
            }
            Some(detail) if detail.current > 0 => {
                format!("{text} {}", units::size(signed(detail.current)))
            }
            _ => text,
        };
        layer.bar.set_message(shown);
        layer.bar.tick();
        Ok(())
    }
}

impl Layer {
    /// How many bytes came in how much time since the first word of this status.
    fn pace(&mut self, status: &str, current: u64) -> (u64, Duration) {
        if self.pace.as_ref().is_none_or(|pace| pace.status != status) {
            self.pace = Some(Pace {
                status: status.to_owned(),
                since: Instant::now(),
                from: current,
            });
        }
        self.pace.as_ref().map_or((0, Duration::ZERO), |pace| {
            (current.saturating_sub(pace.from), pace.since.elapsed())
        })
    }
}

/// `  3.4MB/s 12s`: how fast it goes, and how long for what is left; nothing while that is not
/// known.
fn paced((bytes, time): (u64, Duration), left: u64) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    if bytes == 0 || millis < 200 || left == 0 {
        return String::new();
    }
    let rate = (bytes.saturating_mul(1000) / millis).max(1);
    let (minutes, seconds) = (left / rate / 60, left / rate % 60);
    let left = match minutes {
        0 => format!("{seconds}s"),
        minutes => format!("{minutes}m{seconds:02}s"),
    };
    format!("  {}/s {left}", units::size(signed(rate)))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `[=====>     ]  1.2MB/3MB`
fn drawn(current: u64, total: u64) -> String {
    const WIDTH: u64 = 30;
    let filled = (current.min(total).saturating_mul(WIDTH) / total.max(1)).min(WIDTH);
    let filled = usize::try_from(filled).unwrap_or(0);
    let width = usize::try_from(WIDTH).unwrap_or(0);
    let bar = format!("{}>", "=".repeat(filled));
    format!(
        "[{bar:<w$}]  {}/{}",
        units::size(signed(current)),
        units::size(signed(total)),
        w = width + 1,
    )
}

impl Drop for Shown {
    fn drop(&mut self) {
        for layer in self.layers.values() {
            layer.bar.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_is_said_once_it_is_known() {
        let second = Duration::from_secs(1);
        assert_eq!(paced((2_000_000, second), 30_000_000), "  2MB/s 15s");
        assert_eq!(paced((1_000_000, second), 90_000_000), "  1MB/s 1m30s");
        for (pace, left) in [((0, second), 5), ((5, Duration::ZERO), 5), ((5, second), 0)] {
            assert_eq!(paced(pace, left), "");
        }
    }
}
