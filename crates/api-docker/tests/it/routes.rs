//! Every operation of the API is served, or has a reason why not.

use api_docker::ROUTES;
use std::collections::BTreeSet;

const OPERATIONS: &str = include_str!("operations.txt");

#[test]
fn every_operation_is_served_or_has_a_reason() {
    let served: BTreeSet<String> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.pattern.replace("...", "")))
        .collect();
    let mut known = BTreeSet::new();
    for line in OPERATIONS.lines().filter(|line| !line.starts_with('#')) {
        let (operation, reason) = match line.split_once(" : ") {
            Some((operation, reason)) => (operation, Some(reason)),
            None => (line, None),
        };
        known.insert(operation.to_owned());
        match reason {
            None => assert!(served.contains(operation), "{operation} is not served"),
            Some(reason) => {
                assert!(
                    !served.contains(operation),
                    "{operation} is served: drop its reason"
                );
                assert!(!reason.is_empty(), "{operation} has no reason");
            }
        }
    }
    let beyond: Vec<_> = served.difference(&known).collect();
    // COMPAT: docker's client asks for the list of networks with a slash, too.
    assert_eq!(beyond, ["GET /networks/"]);
}
