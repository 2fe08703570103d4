//! Reading the times in records.

use types::Timestamp;

/// Days from 1970-01-01 to this day of the proleptic Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let shifted = (month + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + day_of_year;
    (year / 400 * 146_097 + day_of_era).checked_sub(719_468)
}

fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// The time that `text` writes as RFC 3339 in UTC, at most to the nanosecond.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(number);
    let days = days(date.next()??, date.next()??, date.next()??)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let width = u32::try_from(fraction.len()).ok()?;
    let nanos = number(fraction)? * 10_u64.pow(9_u32.checked_sub(width)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
    Some(Timestamp::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-11-22T03:06:32",
            "2026-13-22T03:06:32Z",
            "2026-11-22T24:06:32Z",
            "2026-11-22T03:06:32.1234567890Z",
            "2026-11-22T03:06:32.+1Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_that_was_written_is_read_back(nanos in 0..4_102_444_800_000_000_000_u64) {
            let time = Timestamp::from_nanos(nanos);
            prop_assert_eq!(parse(&time.to_string()), Some(time));
        }
    }
}
