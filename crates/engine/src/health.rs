//! A container's health, as far as it was asked for.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use types::Timestamp;

/// How many answers are remembered.
const REMEMBERED: usize = 5;

/// What is thought of a container's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// No answer has decided it yet.
    #[default]
    Starting,
    /// The last answer was good.
    Healthy,
    /// Too many answers in a row were not, or nobody asks any more.
    Unhealthy,
}

impl HealthStatus {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A container's health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// In one word.
    pub status: HealthStatus,
    /// How many bad answers came since the last good one.
    pub failing_streak: u32,
    /// The last answers, the oldest first.
    pub log: VecDeque<HealthResult>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthResult {
    /// When it was asked.
    pub start: Timestamp,
    /// When the answer came.
    pub end: Timestamp,
    /// 0 is good; -1: the program could not be run, or took too long.
    pub exit_code: i32,
    /// What the program wrote.
    pub output: String,
}

impl Health {
    /// The container starts: what was thought of it is void.
    pub(crate) fn begin(&mut self) {
        self.status = HealthStatus::Starting;
        self.failing_streak = 0;
    }

    /// COMPAT: whom nobody asks any more is unhealthy.
    pub(crate) fn end(&mut self) {
        self.status = HealthStatus::Unhealthy;
    }

    /// Takes an answer; `retries` bad ones that count make it unhealthy.
    pub(crate) fn take(&mut self, result: HealthResult, counts: bool, retries: u32) {
        if result.exit_code == 0 {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else if counts {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        if self.log.len() >= REMEMBERED {
            self.log.pop_front();
        }
        self.log.push_back(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(exit_code: i32) -> HealthResult {
        HealthResult {
            start: Timestamp::from_nanos(1),
            end: Timestamp::from_nanos(2),
            exit_code,
            output: exit_code.to_string(),
        }
    }

    #[test]
    fn bad_answers_in_a_row_make_it_unhealthy_and_one_good_makes_it_healthy() {
        let mut health = Health::default();
        for (code, counts, status, streak) in [
            (1, false, HealthStatus::Starting, 0),
            (1, true, HealthStatus::Starting, 1),
            (0, true, HealthStatus::Healthy, 0),
            (-1, true, HealthStatus::Healthy, 1),
            (2, true, HealthStatus::Unhealthy, 2),
            (3, true, HealthStatus::Unhealthy, 3),
            (0, true, HealthStatus::Healthy, 0),
        ] {
            health.take(result(code), counts, 2);
            assert_eq!((health.status, health.failing_streak), (status, streak));
        }
        let kept: Vec<i32> = health.log.iter().map(|result| result.exit_code).collect();
        assert_eq!(kept, [0, -1, 2, 3, 0]);
    }
}
