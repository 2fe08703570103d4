//! Names of containers: which are allowed, and one for those whose caller gives none.

use crate::Error;

const ADJECTIVES: [&str; 64] = [
    "agile", "amber", "ample", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid",
    "clear", "clever", "cosmic", "crisp", "curious", "daring", "deft", "eager", "early", "earnest",
    "fair", "fearless", "fleet", "fluent", "frank", "gentle", "glad", "golden", "grand", "hardy",
    "honest", "humble", "keen", "kind", "lively", "lucid", "mellow", "merry", "modest", "nimble",
    "noble", "patient", "placid", "plucky", "polite", "proud", "quick", "quiet", "robust",
    "rustic", "serene", "sharp", "silent", "sober", "steady", "sturdy", "subtle", "sunny", "swift",
    "tidy", "trusty", "upbeat", "vivid", "witty",
];

/// People of metal, ships, trade and computing.
const SURNAMES: [&str; 64] = [
    "agricola",
    "bardeen",
    "bessemer",
    "biringuccio",
    "boulton",
    "brunel",
    "burks",
    "cochrane",
    "cort",
    "darby",
    "dyer",
    "eads",
    "easley",
    "eiffel",
    "ellet",
    "ericsson",
    "faraday",
    "fourdrinier",
    "froude",
    "fulton",
    "gantt",
    "gilchrist",
    "goldstine",
    "hadfield",
    "harrison",
    "harvey",
    "heroult",
    "huntsman",
    "kelly",
    "kilburn",
    "krupp",
    "lamport",
    "lighthill",
    "martens",
    "maudslay",
    "mclean",
    "merrick",
    "mushet",
    "naur",
    "newcomen",
    "parsons",
    "paxton",
    "percy",
    "plimsoll",
    "rankine",
    "reaumur",
    "rennie",
    "roebling",
    "roebuck",
    "savery",
    "siemens",
    "smeaton",
    "sorby",
    "stephenson",
    "strachey",
    "strauss",
    "telford",
    "thomas",
    "trevithick",
    "watt",
    "wheeler",
    "whitworth",
    "wilkes",
    "wilkinson",
];

/// A name made of a random number; `attempt` above 0 adds a digit, as names are found taken.
pub(crate) fn generate(random: u64, attempt: u32) -> String {
    let pick = |list: &[&'static str; 64], bits: u64| {
        list.get(usize::try_from(bits % 64).unwrap_or(0))
            .copied()
            .unwrap_or("brave")
    };
    let adjective = pick(&ADJECTIVES, random);
    let surname = pick(&SURNAMES, random >> 6);
    match attempt {
        0 => format!("{adjective}_{surname}"),
        1..=8 => format!("{adjective}_{surname}{}", (random >> 12) % 10),
        _ => format!("{adjective}_{surname}{}", (random >> 12) % 1_000_000),
    }
}

/// The name without its slash, if it is one: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(crate) fn check(name: &str) -> Result<&str, Error> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let first = bare
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = bare
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if first && rest && (2..=255).contains(&bare.len()) {
        return Ok(bare);
    }
    let shown: String = name.chars().take(160).collect();
    Err(Error::invalid(
        "container name",
        format!("({shown}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_is_at_least_two_allowed_characters() {
        for (name, bare) in [
            ("web", "web"),
            ("/web", "web"),
            ("a1", "a1"),
            ("A_b.c-d", "A_b.c-d"),
        ] {
            assert_eq!(check(name).unwrap(), bare);
        }
        for name in [
            "",
            "/",
            "a",
            "_a",
            "-x",
            "a b",
            "a/b",
            "//a",
            "é1",
            &"x".repeat(256),
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn generated_names_are_allowed_and_differ() {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let names: BTreeSet<String> = (1..2_000)
            .map(|n| generate(step.wrapping_mul(n), 0))
            .collect();
        assert!(names.len() > 1_000, "{}", names.len());
        assert!(names.iter().all(|name| check(name).is_ok()));
        let lists: BTreeSet<&str> = ADJECTIVES.into_iter().chain(SURNAMES).collect();
        assert_eq!(lists.len(), 128, "a word is there twice");
    }
}
