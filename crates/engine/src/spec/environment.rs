//! Environment variables: the later wins, a name alone takes away.

use std::collections::BTreeSet;

/// `base` with `over` put over it, in the order of their first appearance.
pub(crate) fn merge(base: &[String], over: &[String]) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut merged: Vec<String> = Vec::with_capacity(base.len() + over.len());
    for entry in base.iter().chain(over) {
        let place = merged.iter().position(|known| name(known) == name(entry));
        match (place, entry.contains('=')) {
            (Some(place), true) => {
                if let Some(known) = merged.get_mut(place) {
                    known.clone_from(entry);
                }
            }
            (Some(place), false) => drop(merged.remove(place)),
            (None, true) => merged.push(entry.clone()),
            (None, false) => {}
        }
    }
    merged
}

/// The caller's variables, then those of the image that the caller did not name.
///
/// COMPAT: a name alone stays, as inspect shows it; it takes away when the program is started.
pub(crate) fn inherit(own: &[String], image: &[String]) -> Vec<String> {
    let name = |entry: &String| entry.split('=').next().unwrap_or_default().to_owned();
    let named: BTreeSet<String> = own.iter().map(name).collect();
    let rest = image.iter().filter(|entry| !named.contains(&name(entry)));
    own.iter().chain(rest).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_variables_come_after_the_callers() {
        let list = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let own = list("Foo A=1 B=");
        assert_eq!(
            inherit(&own, &list("PATH=/bin B=2 Foo=3")),
            list("Foo A=1 B= PATH=/bin")
        );
    }

    #[test]
    fn the_later_wins_and_a_name_alone_takes_away() {
        let list =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        for (base, over, merged) in [
            ("A=1 B=2", "B=3 C=4", "A=1 B=3 C=4"),
            ("A=1 B=2", "A", "B=2"),
            ("", "A=x=y", "A=x=y"),
            ("AB=1", "A=2", "AB=1 A=2"),
            ("A=1", "A=", "A="),
        ] {
            assert_eq!(
                merge(&list(base), &list(over)),
                list(merged),
                "{base} + {over}"
            );
        }
    }
}
