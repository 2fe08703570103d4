//! How long the restart policy waits.

use crate::RestartPolicy;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
/// A program that ran so long has started well.
const RAN_WELL: Duration = Duration::from_secs(10);

/// How long the restart policy waits: twice as long each time, from the start after a good run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff(Option<Duration>);

impl Backoff {
    /// The time until the next start, of a program that ran for `ran`.
    pub(super) fn next(&mut self, ran: Duration) -> Duration {
        let wait = match self.0 {
            Some(last) if ran < RAN_WELL => (last * 2).min(LONGEST),
            _ => FIRST,
        };
        self.0 = Some(wait);
        wait
    }

    pub(super) fn reset(&mut self) {
        self.0 = None;
    }
}

/// Whether a program that ended by itself is started again.
pub(crate) fn restarts(policy: RestartPolicy, exit_code: u8, restart_count: u32) -> bool {
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnFailure(maximum) => {
            exit_code != 0 && (maximum == 0 || restart_count < maximum)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_until_a_minute_and_begins_anew_after_a_good_run() {
        let mut backoff = Backoff::default();
        let short = Duration::from_secs(1);
        let waits: Vec<u128> = (0..12).map(|_| backoff.next(short).as_millis()).collect();
        let doubled = [
            100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000,
        ];
        assert_eq!(waits, doubled);
        assert_eq!(backoff.next(RAN_WELL), FIRST);
        assert_eq!(backoff.next(short), FIRST * 2);
        backoff.reset();
        assert_eq!(backoff.next(short), FIRST);
    }

    #[test]
    fn a_policy_decides_by_exit_code_and_count() {
        for (policy, code, count, again) in [
            (RestartPolicy::No, 1, 0, false),
            (RestartPolicy::Always, 0, 99, true),
            (RestartPolicy::UnlessStopped, 0, 99, true),
            (RestartPolicy::OnFailure(0), 0, 0, false),
            (RestartPolicy::OnFailure(0), 1, 99, true),
            (RestartPolicy::OnFailure(2), 1, 1, true),
            (RestartPolicy::OnFailure(2), 1, 2, false),
        ] {
            assert_eq!(
                restarts(policy, code, count),
                again,
                "{policy:?} {code} {count}"
            );
        }
    }
}
