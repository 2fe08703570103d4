//! Health checks, and what they found.

use crate::error::{Error, Result};
use docker_schema::container::{Health, HealthConfig, HealthResult, HealthSummary};
use engine::{ContainerState, HealthStatus, Healthcheck};

/// The shortest time that a check may name, in nanoseconds.
const SHORTEST: i64 = 1_000_000;

/// The check of a request, with dockerd's words for what cannot be.
pub(crate) fn check(asked: &HealthConfig) -> Result<Healthcheck> {
    let long_enough = |name: &str, nanos: i64| match nanos {
        0 | SHORTEST.. => Ok(nanos),
        _ => Err(Error::bad_request(format!(
            "{name} in Healthcheck cannot be less than 1ms"
        ))),
    };
    let interval = long_enough("Interval", asked.interval)?;
    let timeout = long_enough("Timeout", asked.timeout)?;
    if asked.retries < 0 {
        return Err(Error::bad_request(
            "Retries in Healthcheck cannot be negative",
        ));
    }
    Ok(Healthcheck {
        test: asked.test.clone(),
        interval,
        timeout,
        start_period: long_enough("StartPeriod", asked.start_period)?,
        start_interval: long_enough("StartInterval", asked.start_interval)?,
        retries: asked.retries,
    })
}

/// A container's health in a list.
pub(crate) fn summary(state: &ContainerState) -> HealthSummary {
    match state.health.as_ref().map(show) {
        Some(health) => HealthSummary {
            status: health.status,
            failing_streak: health.failing_streak,
        },
        None => HealthSummary {
            status: "none".to_owned(),
            failing_streak: 0,
        },
    }
}

/// The check as inspect shows it.
pub(crate) fn show_check(check: &Healthcheck) -> HealthConfig {
    HealthConfig {
        test: check.test.clone(),
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        start_interval: check.start_interval,
        retries: check.retries,
    }
}

/// What was found, as inspect shows it.
pub(crate) fn show(health: &engine::Health) -> Health {
    let result = |result: &engine::HealthResult| HealthResult {
        start: result.start.to_string(),
        end: result.end.to_string(),
        exit_code: result.exit_code.into(),
        output: result.output.clone(),
    };
    Health {
        status: health.status.name().to_owned(),
        failing_streak: health.failing_streak.into(),
        log: Some(health.log.iter().map(result).collect()),
    }
}

/// The word that lists filter by.
pub(crate) fn word(state: &ContainerState) -> &'static str {
    let health = state.health.as_ref();
    health.map_or("none", |health| health.status.name())
}

/// What a list adds to `Up 2 minutes`.
pub(crate) fn suffix(state: &ContainerState) -> &'static str {
    match state.health.as_ref().map(|health| health.status) {
        None => "",
        Some(HealthStatus::Starting) => " (health: starting)",
        Some(HealthStatus::Healthy) => " (healthy)",
        Some(HealthStatus::Unhealthy) => " (unhealthy)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_cannot_be_is_told_in_dockers_words() {
        let check = |change: fn(&mut HealthConfig)| {
            let mut config = HealthConfig::default();
            change(&mut config);
            check(&config).map(drop).map_err(|error| error.to_string())
        };
        let short = |name| Err(format!("{name} in Healthcheck cannot be less than 1ms"));
        assert_eq!(check(|c| c.interval = 10), short("Interval"));
        assert_eq!(check(|c| c.timeout = -1), short("Timeout"));
        assert_eq!(check(|c| c.start_period = 10), short("StartPeriod"));
        assert_eq!(check(|c| c.start_interval = 10), short("StartInterval"));
        let negative = "Retries in Healthcheck cannot be negative".to_owned();
        assert_eq!(check(|c| c.retries = -1), Err(negative));
        assert_eq!(check(|c| c.interval = SHORTEST), Ok(()));
    }
}
