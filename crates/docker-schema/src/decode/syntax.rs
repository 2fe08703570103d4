//! What is wrong with bytes that are no JSON, in the words of Go's reader.

use std::fmt::Write as _;

/// What ended the reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The document is broken.
    Broken(String),
    /// More stands after the document.
    Trailing,
}

type Scanned<T = ()> = Result<T, Fault>;

/// The first fault of `bytes`; none if they are JSON by this reading.
pub(super) fn fault(bytes: &[u8]) -> Option<Fault> {
    let mut scanner = Scanner { bytes, at: 0 };
    let whole = scanner.document().and_then(|()| match scanner.peek() {
        None => Ok(()),
        Some(_) => Err(Fault::Trailing),
    });
    whole.err()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    /// One value, whatever is in it; what it is in is kept beside, not on the stack.
    fn document(&mut self) -> Scanned {
        let mut open: Vec<u8> = Vec::new();
        loop {
            let opened = self.value(&mut open)?;
            if opened {
                continue;
            }
            // Whatever ends here ends; then what comes next begins.
            loop {
                let Some(kind) = open.last().copied() else {
                    return Ok(());
                };
                let (end, place) = match kind {
                    b'{' => (b'}', "after object key:value pair"),
                    _ => (b']', "after array element"),
                };
                match self.expect(place, |byte| byte == b',' || byte == end)? {
                    b',' if kind == b'{' => self.key()?,
                    b',' => {}
                    _ => {
                        open.pop();
                        continue;
                    }
                }
                break;
            }
        }
    }

    /// The beginning of a value, or all of a plain one; whether another value begins in it.
    fn value(&mut self, open: &mut Vec<u8>) -> Scanned<bool> {
        const PLACE: &str = "looking for beginning of value";
        let first = self.next_byte()?;
        match first {
            b'{' => {
                if self.peek() == Some(b'}') {
                    self.at += 1;
                    return Ok(false);
                }
                self.key()?;
                open.push(first);
                Ok(true)
            }
            b'[' => {
                if self.peek() == Some(b']') {
                    self.at += 1;
                    return Ok(false);
                }
                open.push(first);
                Ok(true)
            }
            b'"' => self.string().map(|()| false),
            b't' => self.literal("true").map(|()| false),
            b'f' => self.literal("false").map(|()| false),
            b'n' => self.literal("null").map(|()| false),
            b'-' | b'0'..=b'9' => self.number(first).map(|()| false),
            _ => Err(self.unexpected(PLACE)),
        }
    }

    fn key(&mut self) -> Scanned {
        self.expect("looking for beginning of object key string", |byte| {
            byte == b'"'
        })?;
        self.string()?;
        self.expect("after object key", |byte| byte == b':')
            .map(drop)
    }

    fn string(&mut self) -> Scanned {
        loop {
            match self.raw()? {
                b'"' => return Ok(()),
                b'\\' => match self.raw()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => self.code_point()?,
                    other => {
                        let shown = char::from(other);
                        let words = format!("invalid escape sequence `\\{shown}` in string");
                        return Err(Fault::Broken(words));
                    }
                },
                0..0x20 => return Err(self.unexpected("in string")),
                _ => {}
            }
        }
    }

    fn code_point(&mut self) -> Scanned {
        let from = self.at.saturating_sub(2);
        for _ in 0..4 {
            if !self.raw()?.is_ascii_hexdigit() {
                let text = self.bytes.get(from..self.at).unwrap_or_default();
                let text = String::from_utf8_lossy(text);
                let words = format!("invalid escape sequence `{text}` in string");
                return Err(Fault::Broken(words));
            }
        }
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Scanned {
        for expected in word.bytes().skip(1) {
            if self.raw()? != expected {
                let expected = char::from(expected);
                let place = format!("in literal {word} (expecting '{expected}')");
                return Err(self.unexpected(&place));
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Scanned {
        let digits = match first {
            b'-' => self.digit()?,
            digit => digit,
        };
        if digits != b'0' {
            self.digits();
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digit()?;
            self.digits();
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit()?;
            self.digits();
        }
        Ok(())
    }

    fn digit(&mut self) -> Scanned<u8> {
        let byte = self.raw()?;
        match byte.is_ascii_digit() {
            true => Ok(byte),
            false => Err(self.unexpected("in numeric literal")),
        }
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn expect(&mut self, place: &str, wanted: impl Fn(u8) -> bool) -> Scanned<u8> {
        let byte = self.next_byte()?;
        match wanted(byte) {
            true => Ok(byte),
            false => Err(self.unexpected(place)),
        }
    }

    /// The next byte that is no white space, left where it is.
    fn peek(&mut self) -> Option<u8> {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(blank).count();
        self.bytes.get(self.at).copied()
    }

    fn next_byte(&mut self) -> Scanned<u8> {
        self.peek();
        self.raw()
    }

    fn raw(&mut self) -> Scanned<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte.ok_or_else(|| Fault::Broken("unexpected EOF".to_owned()))
    }

    /// The fault of the byte that was read last.
    fn unexpected(&self, place: &str) -> Fault {
        let rest = self.bytes.get(self.at.saturating_sub(1)..);
        let rest = String::from_utf8_lossy(rest.unwrap_or_default());
        let byte = rest.chars().next().unwrap_or_default();
        Fault::Broken(format!("invalid character {} {place}", quoted(byte)))
    }
}

/// A character as Go quotes it.
fn quoted(character: char) -> String {
    match character {
        '\'' => r"'\''".to_owned(),
        '\\' => r"'\\'".to_owned(),
        '\n' => r"'\n'".to_owned(),
        '\r' => r"'\r'".to_owned(),
        '\t' => r"'\t'".to_owned(),
        other if other.is_control() => {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = write!(text, r"'\x{:02x}'", u32::from(other));
            text
        }
        other => format!("'{other}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_in_gos_words() {
        for (text, words) in [
            ("{", "unexpected EOF"),
            (r#"{"a":[1,"b"#, "unexpected EOF"),
            ("nul", "unexpected EOF"),
            ("x", "invalid character 'x' looking for beginning of value"),
            (
                "[1,]",
                "invalid character ']' looking for beginning of value",
            ),
            (
                r#"{"a":1,}"#,
                "invalid character '}' looking for beginning of object key string",
            ),
            (
                "{'a':1}",
                r"invalid character '\'' looking for beginning of object key string",
            ),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (
                r#"{"a":01}"#,
                "invalid character '1' after object key:value pair",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            (
                r#"{"a":tru}"#,
                "invalid character '}' in literal true (expecting 'e')",
            ),
            (r#"{"a":1e}"#, "invalid character '}' in numeric literal"),
            (r#"["\q"]"#, r"invalid escape sequence `\q` in string"),
            ("[\"\x01\"]", r"invalid character '\x01' in string"),
        ] {
            let found = fault(text.as_bytes());
            assert_eq!(found, Some(Fault::Broken(words.to_owned())), "{text}");
        }
        assert_eq!(fault(b"{} x"), Some(Fault::Trailing));
    }

    #[test]
    fn what_is_json_has_no_fault() {
        let text = br#" {"a":[{},[],1.5e-3,-0,true,null,"\u00e9\n"],"b":{"c":false}} "#;
        assert_eq!(fault(text), None);
        assert!(serde_json::from_slice::<serde_json::Value>(text).is_ok());
    }
}
