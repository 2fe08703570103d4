//! A container's state for people, and durations as docker words them.

use engine::{ContainerState, Status};
use std::time::Duration;
use types::Timestamp;

/// `Up 2 minutes`, `Exited (0) 3 days ago`.
pub(crate) fn status(state: &ContainerState, now: Timestamp) -> String {
    let since = |time: Option<Timestamp>| human(now.since(time.unwrap_or(now)));
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => format!(
            "Up {}{}",
            since(state.started),
            super::health::suffix(state)
        ),
        Status::Paused => format!("Up {} (Paused)", since(state.started)),
        Status::Restarting => {
            format!(
                "Restarting ({}) {} ago",
                state.exit_code,
                since(state.finished)
            )
        }
        Status::Removing => "Removal In Progress".to_owned(),
        Status::Dead => "Dead".to_owned(),
        Status::Exited if state.finished.is_none() => String::new(),
        Status::Exited => format!("Exited ({}) {} ago", state.exit_code, since(state.finished)),
    }
}

/// A duration as docker words it, by its largest unit.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let hours = (duration.as_secs_f64() / 3600.0 + 0.5).floor();
    let minutes = seconds / 60;
    let exact_hours = seconds / 3600;
    match (seconds, minutes) {
        (0, _) => return "Less than a second".to_owned(),
        (1, _) => return "1 second".to_owned(),
        (2..60, _) => return format!("{seconds} seconds"),
        (_, 1) => return "About a minute".to_owned(),
        (_, 2..60) => return format!("{minutes} minutes"),
        _ => {}
    }
    match hours {
        hours if hours < 2.0 => "About an hour".to_owned(),
        hours if hours < 48.0 => format!("{hours} hours"),
        hours if hours < 24.0 * 14.0 => format!("{} days", (hours / 24.0).floor()),
        hours if hours < 24.0 * 60.0 => format!("{} weeks", (hours / 168.0).floor()),
        hours if hours < 24.0 * 730.0 => format!("{} months", (hours / 720.0).floor()),
        _ => format!("{} years", exact_hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_worded_as_docker_words_them() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3_599, "59 minutes"),
            (3_600, "About an hour"),
            (7_200, "2 hours"),
            (47 * 3_600, "47 hours"),
            (48 * 3_600, "2 days"),
            (14 * 86_400, "2 weeks"),
            (60 * 86_400, "2 months"),
            (730 * 86_400, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), words, "{seconds}");
        }
    }
}
