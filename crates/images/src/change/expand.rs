//! Words of instructions: quotes, backslashes and variables, as Docker's builder reads them.

use super::invalid;
use crate::Error;
use std::iter::Peekable;
use std::str::Chars;

/// The variables of an image: the last of a name counts.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a>(pub(super) &'a [String]);

impl Variables<'_> {
    fn find(&self, name: &str) -> Option<&str> {
        let mut known = self.0.iter().rev();
        known.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// One word, blanks and all, without its quotes and backslashes and with its variables.
    pub(super) fn word(self, text: &str) -> Result<String, Error> {
        let mut reader = Reader {
            chars: text.chars().peekable(),
            variables: self,
        };
        let word = reader.until(None);
        word.map_err(|wrong| invalid(format!("failed to process {text:?}: {wrong}")))
    }
}

/// Parts a text at blanks outside quotes; quotes and backslashes stay.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let mut list = Vec::new();
    let mut start: Option<usize> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() && quote.is_none() {
            list.extend(start.take().map(|start| &text[start..at]));
            continue;
        }
        start.get_or_insert(at);
        match (c, quote) {
            ('\\', None | Some('"')) => drop(chars.next()),
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            _ => {}
        }
    }
    list.extend(start.map(|start| &text[start..]));
    list
}

/// Why a word cannot be read.
type Wrong = String;

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    variables: Variables<'a>,
}

impl Reader<'_> {
    /// Reads up to `stop`, which is taken, or to the end.
    fn until(&mut self, stop: Option<char>) -> Result<String, Wrong> {
        let mut read = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                c if Some(c) == stop => return Ok(read),
                '\'' => self.single(&mut read)?,
                '"' => self.double(&mut read)?,
                '$' => read.push_str(&self.variable()?),
                '\\' => read.extend(self.chars.next()),
                c => read.push(c),
            }
        }
        match stop {
            None => Ok(read),
            Some(stop) => Err(format!(
                "unexpected end of statement while looking for matching {stop}"
            )),
        }
    }

    fn single(&mut self, read: &mut String) -> Result<(), Wrong> {
        for c in self.chars.by_ref() {
            match c {
                '\'' => return Ok(()),
                c => read.push(c),
            }
        }
        Err("unexpected end of statement while looking for matching single-quote".to_owned())
    }

    fn double(&mut self, read: &mut String) -> Result<(), Wrong> {
        while let Some(c) = self.chars.next() {
            match (c, self.chars.peek()) {
                ('"', _) => return Ok(()),
                ('$', _) => read.push_str(&self.variable()?),
                // Before any other letter it is one itself.
                ('\\', Some('"' | '$' | '\\')) => read.extend(self.chars.next()),
                (c, _) => read.push(c),
            }
        }
        Err("unexpected end of statement while looking for matching double-quote".to_owned())
    }

    /// What is after a `$`.
    fn variable(&mut self) -> Result<String, Wrong> {
        if self.chars.next_if_eq(&'{').is_some() {
            return self.braces();
        }
        let name = self.name();
        match name.as_str() {
            "" => Ok("$".to_owned()),
            name => Ok(self.variables.find(name).unwrap_or_default().to_owned()),
        }
    }

    /// A name, a number, or one of the shell's own letters, which are never set.
    fn name(&mut self) -> String {
        let mut name = String::new();
        let Some(first) = self.chars.peek().copied() else {
            return name;
        };
        if matches!(first, '@' | '*' | '#' | '?' | '-' | '$' | '!') {
            name.extend(self.chars.next());
            return name;
        }
        let digits = first.is_ascii_digit();
        let fits = |c: &char| match digits {
            true => c.is_ascii_digit(),
            false => c.is_alphanumeric() || *c == '_',
        };
        while let Some(c) = self.chars.next_if(fits) {
            name.push(c);
        }
        name
    }

    fn braces(&mut self) -> Result<String, Wrong> {
        let name = self.name();
        if name.is_empty() {
            return Err("syntax error: bad substitution".to_owned());
        }
        let value = self.variables.find(&name).map(str::to_owned);
        let unsupported =
            |letters: String| format!("unsupported modifier ({letters}) in substitution");
        // COMPAT: the end of the word is shown as no letter.
        let end = || unsupported(char::REPLACEMENT_CHARACTER.to_string());
        let letter = self.chars.next().ok_or_else(end)?;
        let (letter, colon) = match letter {
            '}' => return Ok(value.unwrap_or_default()),
            ':' => {
                let next = self.chars.next().ok_or_else(end)?;
                if !matches!(next, '+' | '-' | '?') {
                    return Err(unsupported(format!(":{next}")));
                }
                (next, true)
            }
            letter => (letter, false),
        };
        let set = value.clone().filter(|value| !colon || !value.is_empty());
        match letter {
            '-' => Ok(set.unwrap_or(self.until(Some('}'))?)),
            '+' => {
                let word = self.until(Some('}'))?;
                Ok(set.map(|_| word).unwrap_or_default())
            }
            '?' => {
                let word = self.until(Some('}'))?;
                let what = match (word.is_empty(), value.is_some()) {
                    (false, _) => word,
                    (true, true) => "is not allowed to be empty".to_owned(),
                    (true, false) => "is not allowed to be unset".to_owned(),
                };
                set.ok_or_else(|| format!("{name}: {what}"))
            }
            '#' | '%' => {
                let longest = self.chars.next_if_eq(&letter).is_some();
                let pattern = self.until(Some('}'))?;
                Ok(trim(
                    &value.unwrap_or_default(),
                    &pattern,
                    (letter, longest),
                ))
            }
            '/' => {
                let all = self.chars.next_if_eq(&'/').is_some();
                let pattern = self.until(Some('/'))?;
                let with = self.until(Some('}'))?;
                Ok(replace(&value.unwrap_or_default(), (&pattern, &with), all))
            }
            letter => Err(unsupported(letter.to_string())),
        }
    }
}

/// Where a text can be parted, from its beginning.
fn places(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    let inner = text.char_indices().map(|(at, _)| at);
    inner.chain([text.len()])
}

/// Takes away what fits the pattern at the beginning, `#`, or at the end, `%`.
fn trim(value: &str, pattern: &str, (letter, longest): (char, bool)) -> String {
    let mut places: Vec<usize> = places(value).collect();
    // The shortest part that is taken away comes first.
    if (letter == '%') != longest {
        places.reverse();
    }
    let left = places.into_iter().find_map(|at| {
        let (before, after) = value.split_at(at);
        match letter {
            '#' => fits(pattern, before).then_some(after),
            _ => fits(pattern, after).then_some(before),
        }
    });
    left.unwrap_or(value).to_owned()
}

/// Puts something in the place of the first part that fits the pattern, or of all.
fn replace(value: &str, (pattern, with): (&str, &str), all: bool) -> String {
    let mut replaced = String::new();
    let mut rest = value;
    while !rest.is_empty() {
        let longest = places(rest).rev().find(|end| fits(pattern, &rest[..*end]));
        match longest.filter(|end| *end > 0) {
            Some(end) => {
                replaced.push_str(with);
                rest = &rest[end..];
                if !all {
                    break;
                }
            }
            None => {
                let mut chars = rest.chars();
                replaced.extend(chars.next());
                rest = chars.as_str();
            }
        }
    }
    replaced + rest
}

/// Whether a text is as a pattern of `*` and `?` says.
fn fits(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('*') => places(text).any(|at| fits(letters.as_str(), &text[at..])),
        Some('?') => {
            let mut rest = text.chars();
            rest.next().is_some() && fits(letters.as_str(), rest.as_str())
        }
        Some(letter) => {
            let rest = text.strip_prefix(letter);
            rest.is_some_and(|rest| fits(letters.as_str(), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As docker 28 has them.
    #[test]
    fn variables_are_put_in_their_places() {
        let env = ["S=old", "Q=it's", "S=a b", "E="].map(str::to_owned);
        let word = |text| Variables(&env).word(text).map_err(|e| e.to_string());
        for (text, expected) in [
            ("$S", "a b"),
            ("\"$S\"", "a b"),
            ("'$S'", "$S"),
            ("\\$S", "$S"),
            ("\"\\$S \\n\"", "$S \\n"),
            ("$$S", "S"),
            ("$", "$"),
            ("$.", "$."),
            ("$1x", "x"),
            ("$-", ""),
            ("x$Qy", "x"),
            ("$Q", "it's"),
            ("${S+y}", "y"),
            ("${N+y}", ""),
            ("${E:+y}", ""),
            ("${N-$S}", "a b"),
            ("${E-x}", ""),
            ("${E:-x}", "x"),
            ("${N:-${S}}", "a b"),
            ("${S#a}", " b"),
            ("${S%b}", "a "),
            ("${S##* }", "b"),
            ("${S%% *}", "a"),
            ("${S/a/c}", "c b"),
            ("${S//?/x}", "xxx"),
            ("${S?}", "a b"),
        ] {
            assert_eq!(word(text), Ok(expected.to_owned()), "{text}");
        }
        for (text, wrong) in [
            ("${S", "unsupported modifier (\u{fffd}) in substitution"),
            ("${}", "syntax error: bad substitution"),
            ("${S:x}", "unsupported modifier (:x) in substitution"),
            ("${N:?gone}", "N: gone"),
            ("${N?}", "N: is not allowed to be unset"),
        ] {
            let expected = format!("failed to process {text:?}: {wrong}");
            assert_eq!(word(text), Err(expected), "{text}");
        }
    }
}
