//! What happened, in order, until the daemon has recorded it.

use proto::shim::{Event, event};
use std::collections::VecDeque;
use types::Timestamp;

/// So many events are kept for a daemon that is away; older ones are in exit records and states.
const KEPT: usize = 4096;
/// So many are sent in one answer.
const SENT: usize = 256;

/// The sandbox's events.
#[derive(Debug)]
pub(crate) struct Events {
    last: u64,
    kept: VecDeque<Event>,
}

impl Events {
    /// None yet; the first will follow `last`.
    pub(crate) fn after(last: u64) -> Self {
        Self {
            last,
            kept: VecDeque::new(),
        }
    }

    /// Adds one, and gives it its number.
    pub(crate) fn push(&mut self, id: &str, exec: &str, at: Timestamp, kind: event::Kind) {
        self.last += 1;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Event {
            sequence: self.last,
            id: id.to_owned(),
            exec: exec.to_owned(),
            at: at.nanos(),
            kind: Some(kind),
        });
    }

    /// Those after number `after`, at most an answer's worth.
    pub(crate) fn since(&self, after: u64) -> Vec<Event> {
        let later = self.kept.iter().filter(|event| event.sequence > after);
        later.take(SENT).cloned().collect()
    }

    /// Forgets those up to number `sequence`.
    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        while self
            .kept
            .front()
            .is_some_and(|event| event.sequence <= sequence)
        {
            self.kept.pop_front();
        }
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }
}
