//! Sizes, durations and times, read and written as docker does.

use jiff::Timestamp;

const MULTIPLES: [char; 6] = ['k', 'm', 'g', 't', 'p', 'e'];

/// Reads `512`, `10k`, `1.5g`, `64MiB`: binary multiples, as docker reads memory sizes.
pub(crate) fn bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let trimmed = text.trim();
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, suffix) = trimmed.split_at(digits);
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let suffix = suffix.trim().to_ascii_lowercase();
    let power = match suffix.as_str() {
        "" | "b" => 0,
        suffix => {
            let mut letters = suffix.chars();
            let first = letters.next().ok_or_else(invalid)?;
            let rest = letters.as_str();
            if !matches!(rest, "" | "b" | "ib") {
                return Err(invalid());
            }
            let place = MULTIPLES.iter().position(|m| *m == first);
            place.ok_or_else(invalid)? + 1
        }
    };
    let value = (0..power).fold(number, |value, _| value * 1024.0);
    whole(value).ok_or_else(invalid)
}

/// As [`bytes`], and -1.
pub(crate) fn bytes_or_unlimited(text: &str) -> Result<i64, String> {
    match text {
        "-1" => Ok(-1),
        text => bytes(text),
    }
}

/// The integer part of `value`, if it fits.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole(value: f64) -> Option<i64> {
    (value.is_finite() && value.abs() < 9.2e18).then_some(value as i64)
}

/// Reads a number of processors, `1.5`, as billionths.
pub(crate) fn processors(text: &str) -> Result<i64, String> {
    let invalid = || format!("failed to parse {text} as a rational number");
    let (numerator, denominator) = match text.split_once('/') {
        Some((numerator, denominator)) => (numerator, denominator.parse::<f64>()),
        None => (text, Ok(1.0)),
    };
    let numerator: f64 = numerator.trim().parse().map_err(|_| invalid())?;
    let value = numerator / denominator.map_err(|_| invalid())?;
    let nanos = (value * 1e9).round();
    if (value * 1e9 - nanos).abs() > 1e-3 {
        return Err("value is too precise".into());
    }
    whole(nanos).ok_or_else(invalid)
}

/// Reads Go's durations, `1h2m3.5s`, as nanoseconds.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let mut rest = text;
    let mut total = 0.0;
    if rest.is_empty() {
        return Err(invalid());
    }
    if rest == "0" {
        return Ok(0);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = rest
            .split_at(digits.ok_or_else(|| format!("time: missing unit in duration {text:?}"))?);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(unit.unwrap_or(after.len()));
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        total += number * scale;
        rest = after;
    }
    whole(total).ok_or_else(invalid)
}

/// Decimal multiples with four significant digits, as docker writes sizes: `1.98MB`.
pub(crate) fn size(bytes: i64) -> String {
    scaled(bytes, 1000.0, ["B", "kB", "MB", "GB", "TB", "PB", "EB"], 4)
}

/// As [`size`] with three digits, as `images` writes them.
pub(crate) fn short_size(bytes: i64) -> String {
    scaled(bytes, 1000.0, ["B", "kB", "MB", "GB", "TB", "PB", "EB"], 3)
}

/// Binary multiples: `1.5MiB`.
pub(crate) fn binary_size(bytes: i64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    scaled(bytes, 1024.0, units, 4)
}

#[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
fn scaled(bytes: i64, base: f64, units: [&str; 7], digits: i32) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit < units.len() - 1 {
        value /= base;
        unit += 1;
    }
    let unit = units.get(unit).copied().unwrap_or_default();
    format!("{}{unit}", significant(value, digits))
}

/// As Go's `%.Ng`, for numbers below 10000.
fn significant(value: f64, digits: i32) -> String {
    let before: i32 = match value.abs() {
        v if v >= 1000.0 => 4,
        v if v >= 100.0 => 3,
        v if v >= 10.0 => 2,
        _ => 1,
    };
    let after = usize::try_from((digits - before).max(0)).unwrap_or(0);
    let text = format!("{value:.after$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// How long, for people: `About a minute`, `3 hours`.
pub(crate) fn human_duration(seconds: i64) -> String {
    let plural = |count: i64, unit: &str| format!("{count} {unit}s");
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600;
    match seconds {
        ..1 => "Less than a second".into(),
        1 => "1 second".into(),
        2..60 => plural(seconds, "second"),
        _ if minutes == 1 => "About a minute".into(),
        _ if minutes < 60 => plural(minutes, "minute"),
        _ if hours == 1 => "About an hour".into(),
        _ if hours < 48 => plural(hours, "hour"),
        _ if hours < 24 * 7 * 2 => plural(hours / 24, "day"),
        _ if hours < 24 * 30 * 2 => plural(hours / 24 / 7, "week"),
        _ if hours < 24 * 365 * 2 => plural(hours / 24 / 30, "month"),
        _ => plural(hours / 24 / 365, "year"),
    }
}

/// `3 hours ago`, from seconds since the epoch.
pub(crate) fn ago(then: i64) -> String {
    let seconds = Timestamp::now().as_second() - then;
    format!("{} ago", human_duration(seconds))
}

/// Seconds since the epoch as docker's lists show them: `2026-11-22 03:00:00 +0000 UTC`.
pub(crate) fn created_at(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| seconds.to_string(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
    )
}

/// A point in time for `--since` and `--until`: RFC 3339, a date, seconds since the epoch, or
/// how long ago. The API wants seconds, with nanoseconds after a dot.
pub(crate) fn moment(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain {
        return Ok(text.to_owned());
    }
    if let Ok(nanos) = duration(text) {
        let now = Timestamp::now().as_nanosecond();
        return Ok(dotted(now - i128::from(nanos)));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(dotted(time.as_nanosecond()));
    }
    let zoned = text
        .parse::<jiff::civil::DateTime>()
        .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC));
    zoned
        .map(|time| dotted(time.timestamp().as_nanosecond()))
        .map_err(|_| format!("failed to parse value as time or duration: {text:?}"))
}

fn dotted(nanos: i128) -> String {
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_binary_multiples() {
        for (text, value) in [
            ("0", 0),
            ("10", 10),
            ("10b", 10),
            ("1k", 1024),
            ("1.5m", 1_572_864),
            ("64MiB", 64 << 20),
            ("2 GB", 2 << 30),
        ] {
            assert_eq!(bytes(text), Ok(value), "{text}");
        }
        for text in ["", "m", "-1", "1x", "1kk", "9999999e"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_written_with_significant_digits() {
        assert_eq!(size(0), "0B");
        assert_eq!(size(1_983_456), "1.983MB");
        assert_eq!(short_size(1_983_456), "1.98MB");
        assert_eq!(short_size(123_456_789), "123MB");
        assert_eq!(binary_size(1536), "1.5KiB");
        assert_eq!(size(999), "999B");
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        assert_eq!(duration("1h2m3.5s"), Ok(3_723_500_000_000));
        assert_eq!(duration("100ms"), Ok(100_000_000));
        assert!(duration("5").is_err());
        assert!(duration("5x").is_err());
        assert!(duration("").is_err());
    }

    #[test]
    fn durations_are_written_for_people() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (125, "2 minutes"),
            (3_600, "About an hour"),
            (7_200, "2 hours"),
            (86_400 * 3, "3 days"),
            (86_400 * 20, "2 weeks"),
            (86_400 * 90, "3 months"),
            (86_400 * 800, "2 years"),
        ] {
            assert_eq!(human_duration(seconds), text);
        }
    }

    #[test]
    fn processors_are_billionths() {
        assert_eq!(processors("1.5"), Ok(1_500_000_000));
        assert_eq!(processors("1/2"), Ok(500_000_000));
        assert!(processors("x").is_err());
    }

    #[test]
    fn moments_are_seconds_with_a_fraction() {
        assert_eq!(moment("17"), Ok("17".into()));
        assert_eq!(moment("1970-01-01T00:00:01.5Z"), Ok("1.500000000".into()));
        assert_eq!(moment("1970-01-02"), Ok("86400.000000000".into()));
        assert!(moment("yesterday").is_err());
    }
}
