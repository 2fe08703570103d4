//! Query parameters as Go's handlers read them.

use crate::error::{Error, Result};
use docker_schema::filters::Filters;
use http::StatusCode;
use types::Timestamp;

/// The parameters of a request, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        });
        Self(decoded.collect())
    }

    /// The first value; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or("")
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.0.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// COMPAT: everything is true but nothing, `0`, `no`, `false` and `none`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// As [`Self::flag`], with another answer if the parameter is not there.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.find(name) {
            None => default,
            Some(value) => {
                let value = value.trim().to_ascii_lowercase();
                !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
            }
        }
    }

    /// A number; `None` if there is none.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>> {
        match self.find(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                // COMPAT: dockerd passes strconv's words on, with this status.
                let message = format!("strconv.Atoi: parsing {text:?}: invalid syntax");
                Error::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            }),
        }
    }

    /// `filters`; those not in `known` are refused.
    pub(crate) fn filters(&self, known: &[&str]) -> Result<Filters> {
        let filters = Filters::parse(self.text("filters"))
            .map_err(|_| Error::bad_request("invalid filter"))?;
        match filters.unknown(known) {
            Some(name) => Err(Error::bad_request(format!("invalid filter '{name}'"))),
            None => Ok(filters),
        }
    }

    /// `filters`; those not in `known` say nothing.
    pub(crate) fn filters_among(&self, known: &[&str]) -> Result<Filters> {
        let mut filters = Filters::parse(self.text("filters"))
            .map_err(|_| Error::bad_request("invalid filter"))?;
        filters.keep(known);
        Ok(filters)
    }

    /// Seconds since the epoch, with a fraction; `None` for nothing and for 0.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let time = timestamp(text).ok_or_else(|| {
            // COMPAT: dockerd passes strconv's words on, with this status.
            let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
            let wrong = match seconds.parse::<i64>() {
                Ok(_) => fraction,
                Err(_) => seconds,
            };
            let message = format!("strconv.ParseInt: parsing {wrong:?}: invalid syntax");
            Error::new(StatusCode::INTERNAL_SERVER_ERROR, message)
        })?;
        Ok((time.nanos() > 0).then_some(time))
    }
}

/// `seconds[.fraction]`; a time before the epoch is the epoch.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    if text.starts_with('-') {
        let digits = text.trim_start_matches('-');
        let valid = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        return valid.then(Timestamp::default);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u64 = seconds.parse().ok()?;
    let digits = fraction.get(..9).unwrap_or(fraction);
    let nanos: u64 = match digits {
        "" => 0,
        digits => format!("{digits:0<9}").parse().ok()?,
    };
    let total = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
    Some(Timestamp::from_nanos(total))
}

/// Prune's `until`: a time, or how long ago, `1h30m`.
pub(crate) fn until(filters: &Filters) -> Result<Option<Timestamp>> {
    let mut values = filters.values("until");
    let (Some(text), more) = (values.next(), values.next()) else {
        return Ok(None);
    };
    let time = match more {
        None => timestamp(text).or_else(|| ago(text)),
        Some(_) => None,
    };
    let invalid = || {
        Error::bad_request(format!(
            "failed to parse value as time or duration: {text:?}"
        ))
    };
    time.map(Some).ok_or_else(invalid)
}

/// A Go duration before now.
fn ago(text: &str) -> Option<Timestamp> {
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = tail;
    }
    let now = Timestamp::now().nanos();
    (!text.is_empty()).then(|| Timestamp::from_nanos(now.saturating_sub(total)))
}

/// `%41` and `+`; what is no escape stays as it is.
pub(crate) fn unescape(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    unescape_path(&text.replace('+', " "))
}

/// `%41`; what is no escape stays as it is.
pub(crate) fn unescape_path(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let code = match (byte, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_go_reads_them() {
        let query = Query::parse("a=1&b=%7B%22x%22%7D&c=False&d&e=a+b&f=100%&n=12&a=2");
        assert!(query.flag("a") && !query.flag("c") && !query.flag("d") && !query.flag("z"));
        assert_eq!(query.text("b"), r#"{"x"}"#);
        assert_eq!((query.text("e"), query.text("f")), ("a b", "100%"));
        assert_eq!(query.number("n").unwrap(), Some(12));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert!(query.number("e").is_err());
    }

    #[test]
    fn times_are_read_with_fractions() {
        for (text, nanos) in [
            ("1", 1_000_000_000),
            ("1.5", 1_500_000_000),
            ("2.000000001", 2_000_000_001),
            ("-5", 0),
        ] {
            assert_eq!(
                timestamp(text),
                Some(Timestamp::from_nanos(nanos)),
                "{text}"
            );
        }
        assert_eq!(timestamp("x"), None);
        assert_eq!(timestamp("1.x"), None);
    }
}
