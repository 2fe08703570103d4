//! How a container's health is asked for.

use crate::{ContainerSpec, ExecSpec};
use oci::image::Healthcheck;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Takes from the image what the caller left to it.
pub(crate) fn inherit(own: &mut Option<Healthcheck>, image: Option<&Healthcheck>) {
    let Some(image) = image else { return };
    let Some(own) = own else {
        *own = Some(image.clone());
        return;
    };
    if own.test.is_empty() {
        own.test.clone_from(&image.test);
    }
    for (own, image) in [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.start_interval, image.start_interval),
        (&mut own.retries, image.retries),
    ] {
        if *own == 0 {
            *own = image;
        }
    }
}

/// A question for a container's health, with its defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// The words of the program that answers by its exit code.
    pub(crate) command: Vec<String>,
    /// From one answer to the next question.
    pub(crate) interval: Duration,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// How long after the start a failure does not count.
    pub(crate) start_period: Duration,
    /// From one answer to the next question until then.
    pub(crate) start_interval: Duration,
    /// So many failures in a row make it unhealthy.
    pub(crate) retries: u32,
}

impl Probe {
    /// The question of a container, if its health is to be asked for.
    pub(crate) fn of(spec: &ContainerSpec) -> Option<Self> {
        let health = spec.health.as_ref()?;
        let (kind, words) = health.test.split_first()?;
        let mut command = match kind.as_str() {
            "CMD" => Vec::new(),
            "CMD-SHELL" if spec.shell.is_empty() => SHELL.map(str::to_owned).to_vec(),
            "CMD-SHELL" => spec.shell.clone(),
            // COMPAT: docker ignores a kind that it does not know.
            _ => return None,
        };
        command.extend_from_slice(words);
        let or = |nanos: i64, default| match u64::try_from(nanos) {
            Ok(0) | Err(_) => default,
            Ok(nanos) => Duration::from_nanos(nanos),
        };
        let retries = u32::try_from(health.retries).unwrap_or_default();
        Some(Self {
            command,
            interval: or(health.interval, INTERVAL),
            timeout: or(health.timeout, TIMEOUT),
            start_period: or(health.start_period, Duration::ZERO),
            start_interval: or(health.start_interval, START_INTERVAL),
            retries: if retries == 0 { RETRIES } else { retries },
        })
    }

    /// The process that answers.
    pub(crate) fn exec(&self) -> ExecSpec {
        ExecSpec {
            command: self.command.clone(),
            attach_stdout: true,
            attach_stderr: true,
            ..ExecSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(test: &[&str]) -> Healthcheck {
        Healthcheck {
            test: test.iter().map(|word| (*word).to_owned()).collect(),
            ..Healthcheck::default()
        }
    }

    fn spec(health: Healthcheck) -> ContainerSpec {
        ContainerSpec {
            health: Some(health),
            ..ContainerSpec::default()
        }
    }

    #[test]
    fn what_the_caller_leaves_open_is_the_images() {
        let image = Healthcheck {
            interval: 7,
            retries: 2,
            ..check(&["CMD", "a"])
        };
        let mut own = None;
        inherit(&mut own, Some(&image));
        assert_eq!(own.as_ref(), Some(&image));
        let mut own = Some(Healthcheck {
            retries: 9,
            ..Healthcheck::default()
        });
        inherit(&mut own, Some(&image));
        let own = own.unwrap();
        assert_eq!((own.test, own.interval, own.retries), (image.test, 7, 9));
    }

    #[test]
    fn a_question_is_a_program_or_a_line_for_the_shell() {
        let probe = |test: &[&str]| Probe::of(&spec(check(test)));
        assert_eq!(probe(&["CMD", "a", "b"]).unwrap().command, ["a", "b"]);
        let line = probe(&["CMD-SHELL", "a b"]).unwrap();
        assert_eq!(line.command, ["/bin/sh", "-c", "a b"]);
        assert_eq!((line.interval, line.retries), (INTERVAL, RETRIES));
        for none in [&[][..], &["NONE"], &["NOPE", "a"]] {
            assert_eq!(probe(none), None, "{none:?}");
        }
        let mut own = spec(check(&["CMD-SHELL", "a"]));
        own.shell = vec!["/bin/ash".to_owned(), "-ec".to_owned()];
        let command = Probe::of(&own).unwrap().command;
        assert_eq!(command, ["/bin/ash", "-ec", "a"]);
    }
}
