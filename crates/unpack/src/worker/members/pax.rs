//! PAX records: `LENGTH KEY=VALUE\n`, where LENGTH counts all of it and VALUE has any bytes.

/// The records before a member, in their order.
#[derive(Debug, Default)]
pub(crate) struct Records(Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    /// `None` if they are not as they should be.
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut records = Vec::new();
        // Some writers fill up with zeros.
        while bytes.iter().any(|byte| *byte != 0) {
            let space = bytes.iter().position(|byte| *byte == b' ')?;
            let length = usize::try_from(number(bytes.get(..space)?)?).ok()?;
            let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
            if key.is_empty() {
                return None;
            }
            records.push((key.to_vec(), value.to_vec()));
            bytes = bytes.get(length..)?;
        }
        Some(Self(records))
    }

    /// Of records with the same key, the last counts. An empty value takes a record back.
    pub(crate) fn last(&self, key: &[u8]) -> Option<&[u8]> {
        let last = self.0.iter().rev().find(|(other, _)| other == key);
        last.map(|(_, value)| &**value)
            .filter(|value| !value.is_empty())
    }

    /// Keys and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }
}

/// Decimal digits, and nothing else.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok()?;
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_any_bytes_and_lengths_are_believed_only_if_they_fit() {
        let records = Records::parse(b"9 a=b\nc=\n12 path=a/\xff\n8 size=\n").expect("records");
        assert_eq!(records.last(b"a"), Some(b"b\nc=".as_slice()));
        assert_eq!(records.last(b"path"), Some(b"a/\xff".as_slice()));
        assert_eq!(records.last(b"size"), None);
        for bad in [
            b"9 a=b\n".as_slice(),
            b"6 ab\nc\n",
            b"-6 a=b\n",
            b"6 a=bx",
            b"0 ",
            b"4 =b\n",
            b"99999999999999999999 a=b\n",
        ] {
            assert!(Records::parse(bad).is_none(), "{}", bad.escape_ascii());
        }
    }
}
