//! JSON strings as Docker writes them: HTML's characters escaped too, bytes that are no UTF-8
//! as `\ufffd` each.

const HEX: [u8; 16] = *b"0123456789abcdef";
/// So many bytes are looked at together: the compiler makes vector instructions of it.
const STRIDE: usize = 32;

/// Whether a byte stands for itself.
const fn plain(byte: u8) -> bool {
    byte >= 0x20
        && byte < 0x80
        && byte != b'"'
        && byte != b'\\'
        && byte != b'<'
        && byte != b'>'
        && byte != b'&'
}

/// How many bytes at the beginning stand for themselves.
fn plain_prefix(bytes: &[u8]) -> usize {
    let mut length = 0;
    for chunk in bytes.chunks_exact(STRIDE) {
        if chunk.iter().fold(false, |any, byte| any | !plain(*byte)) {
            break;
        }
        length += STRIDE;
    }
    let rest = bytes.get(length..).unwrap_or_default();
    length + rest.iter().take_while(|byte| plain(**byte)).count()
}

/// Appends `bytes` as the inside of a JSON string.
pub(crate) fn escape(mut bytes: &[u8], to: &mut Vec<u8>) {
    loop {
        let (same, rest) = bytes.split_at(plain_prefix(bytes));
        to.extend_from_slice(same);
        let Some((&first, after)) = rest.split_first() else {
            return;
        };
        bytes = if first < 0x80 {
            escape_ascii(first, to);
            after
        } else {
            escape_wide(rest, to)
        };
    }
}

/// `bytes` as the characters of the same numbers.
pub(crate) fn characters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The bytes of the same numbers as the characters of `text`.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let byte = |character| u8::try_from(u32::from(character)).unwrap_or(b'?');
    text.chars().map(byte).collect()
}

fn escape_ascii(byte: u8, to: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
        b'\n' => to.extend_from_slice(b"\\n"),
        b'\r' => to.extend_from_slice(b"\\r"),
        _ => {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            to.extend_from_slice(b"\\u00");
            to.extend_from_slice(&[HEX[high], HEX[low]]);
        }
    }
}

/// Appends what begins with a byte above ASCII, up to the next that is ASCII; gives the rest.
fn escape_wide<'a>(bytes: &'a [u8], to: &mut Vec<u8>) -> &'a [u8] {
    let end = bytes.iter().position(u8::is_ascii).unwrap_or(bytes.len());
    let (wide, rest) = bytes.split_at(end);
    for chunk in wide.utf8_chunks() {
        let mut buffer = [0; 4];
        for character in chunk.valid().chars() {
            match character {
                // Line ends in JavaScript, not in JSON.
                '\u{2028}' => to.extend_from_slice(b"\\u2028"),
                '\u{2029}' => to.extend_from_slice(b"\\u2029"),
                _ => to.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes()),
            }
        }
        for _ in chunk.invalid() {
            to.extend_from_slice(b"\\ufffd");
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(bytes: &[u8]) -> String {
        let mut to = Vec::new();
        escape(bytes, &mut to);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn characters_are_escaped_as_docker_escapes_them() {
        for (bytes, text) in [
            (&b"plain"[..], "plain"),
            (b"a\"b\\c", "a\\\"b\\\\c"),
            (
                b"<&>\n\r\t\0\x1f\x7f",
                "\\u003c\\u0026\\u003e\\n\\r\\u0009\\u0000\\u001f\x7f",
            ),
            ("é\u{2028}\u{2029}😀".as_bytes(), "é\\u2028\\u2029😀"),
            (b"\xe2\x82x\xff\xfe", "\\ufffd\\ufffdx\\ufffd\\ufffd"),
        ] {
            assert_eq!(escaped(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back_as_lossy_utf8_of_each_byte(bytes: Vec<u8>) {
            let json = format!("\"{}\"", escaped(&bytes));
            let mut expected = String::new();
            for chunk in bytes.utf8_chunks() {
                expected.push_str(chunk.valid());
                expected.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
            }
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), expected);
        }

        #[test]
        fn long_plain_text_stays_as_it_is(text in "[ -!#-%'-;=?-\\[\\]-~]{0,200}") {
            prop_assert_eq!(escaped(text.as_bytes()), text);
        }
    }
}
