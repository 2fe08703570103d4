//! Groups of flags that clap hears of only where one of them may be given.
//!
//! `run` has more than a hundred flags. To build, default and read all of them takes longer than
//! the rest of what the command does itself.

use clap::{ArgMatches, Args, Command, Error};
use std::ffi::OsString;

/// A group of flags. Its default is what is read where none of them is given.
pub(crate) trait Group: Args + Default {
    /// Every long name and every letter.
    const NAMES: &'static [&'static str];
}

/// The words after a command's name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Words<'a> {
    /// All that there could be, for help and completion.
    Any,
    /// These.
    Given(&'a [OsString]),
}

impl Words<'_> {
    /// Tells clap of a group, if one of its flags may be among the words.
    pub(crate) fn add<T: Group>(self, command: Command) -> Command {
        match self.may_name::<T>() {
            true => T::augment_args(command),
            false => command,
        }
    }

    /// Reads a group that clap was told of by [`Self::add`].
    pub(crate) fn read<T: Group>(self, matches: &mut ArgMatches) -> Result<T, Error> {
        match self.may_name::<T>() {
            true => T::from_arg_matches_mut(matches),
            false => Ok(T::default()),
        }
    }

    /// A word that is no flag but looks like one counts as well.
    fn may_name<T: Group>(self) -> bool {
        match self {
            Self::Any => true,
            Self::Given(words) => {
                let mut words = words.iter().map(|word| word.as_encoded_bytes());
                words.any(|word| may_be(word, T::NAMES))
            }
        }
    }
}

/// Whether a word is one of the flags with these names, or letters that hold one.
fn may_be(word: &[u8], names: &[&str]) -> bool {
    let among = |name: &[u8]| names.iter().any(|one| one.as_bytes() == name);
    match word {
        [b'-', b'-', long @ ..] => long.split(|byte| *byte == b'=').next().is_some_and(among),
        [b'-', letters @ ..] => letters.chunks(1).any(among),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::flags::GROUPS;

    #[test]
    fn every_name_of_every_group_is_known_and_defaults_are_what_is_read_of_nothing() {
        for group in GROUPS {
            assert_eq!((group.built)(), (group.named)());
            assert_eq!((group.read)(), (group.default)());
        }
    }

    #[test]
    fn a_word_may_be_a_flag_by_its_name_or_as_one_of_several_letters() {
        let names = &["memory", "m"];
        for word in ["--memory", "--memory=1g", "-m", "-itm", "-m1g"] {
            assert!(may_be(word.as_bytes(), names), "{word}");
        }
        for word in ["memory", "m", "--memory-swap", "-it", "--", "-", ""] {
            assert!(!may_be(word.as_bytes(), names), "{word}");
        }
    }
}
