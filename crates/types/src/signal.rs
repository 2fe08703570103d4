//! Signals by number and name, as Linux on x86-64 and aarch64 numbers them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The first 31, from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Other names for some of them.
const ALIASES: [(&str, u8); 3] = [("IOT", 6), ("CLD", 17), ("POLL", 29)];
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

/// A signal's number, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Signal(u8);

/// Why a text is no signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalError(String);

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid signal: {}", self.0)
    }
}

impl std::error::Error for SignalError {}

impl Signal {
    /// Ends a process at once.
    pub const KILL: Self = Self(9);
    /// Asks a process to end.
    pub const TERM: Self = Self(15);
    /// Interrupts, as ctrl-c does.
    pub const INT: Self = Self(2);
    /// The terminal's size changed.
    pub const WINCH: Self = Self(28);

    /// The number, 1 to 64.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }
}

impl TryFrom<u8> for Signal {
    type Error = SignalError;
    fn try_from(number: u8) -> Result<Self, SignalError> {
        match number {
            1..=RTMAX => Ok(Self(number)),
            _ => Err(SignalError(number.to_string())),
        }
    }
}

impl From<Signal> for u8 {
    fn from(signal: Signal) -> Self {
        signal.0
    }
}

impl FromStr for Signal {
    type Err = SignalError;

    /// A number, or a name in any case with or without `SIG`; `RTMIN+n` and `RTMAX-n` too.
    fn from_str(text: &str) -> Result<Self, SignalError> {
        let invalid = || SignalError(text.chars().take(80).collect());
        if let Ok(number) = text.parse::<u8>() {
            return Self::try_from(number).map_err(|_| invalid());
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        named(name)
            .or_else(|| realtime(name))
            .map(Self)
            .ok_or_else(invalid)
    }
}

fn named(name: &str) -> Option<u8> {
    let plain = (1_u8..).zip(NAMES).find(|(_, known)| *known == name);
    let alias = ALIASES.iter().find(|(known, _)| *known == name);
    plain
        .map(|(number, _)| number)
        .or(alias.map(|(_, number)| *number))
}

fn realtime(name: &str) -> Option<u8> {
    let number = match name {
        "RTMIN" => RTMIN,
        "RTMAX" => RTMAX,
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(n), _) => RTMIN.checked_add(n.parse().ok()?)?,
            (_, Some(n)) => RTMAX.checked_sub(n.parse().ok()?)?,
            _ => return None,
        },
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0 - 1)) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_read_by_number_and_name() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("sigterm", 15),
            ("SIGRTMIN+3", 37),
            ("RTMAX", 64),
            ("POLL", 29),
        ] {
            assert_eq!(
                text.parse::<Signal>().map(Signal::number),
                Ok(number),
                "{text}"
            );
        }
        for text in ["", "0", "65", "SIG", "SIGFOO", "RTMIN+31", "-1"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}
