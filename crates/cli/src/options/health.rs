//! Health checks.

use super::flags::Health;
use docker_schema::container::HealthConfig;

/// What the flags say, if they say anything.
pub(super) fn config(flags: &Health) -> Result<Option<HealthConfig>, String> {
    let times = [
        flags.health_interval,
        flags.health_timeout,
        flags.health_start_period,
        flags.health_start_interval,
        flags.health_retries,
    ];
    let said = flags.health_cmd.is_some() || times.iter().any(Option::is_some);
    if flags.no_healthcheck {
        return match said {
            true => Err("--no-healthcheck conflicts with --health-* options".into()),
            false => Ok(Some(HealthConfig {
                test: vec!["NONE".into()],
                ..HealthConfig::default()
            })),
        };
    }
    if times.iter().flatten().any(|value| *value < 0) {
        return Err("--health-* options cannot be negative".into());
    }
    let test = flags
        .health_cmd
        .as_ref()
        .map(|command| vec!["CMD-SHELL".to_owned(), command.clone()]);
    Ok(said.then(|| HealthConfig {
        test: test.unwrap_or_default(),
        interval: flags.health_interval.unwrap_or_default(),
        timeout: flags.health_timeout.unwrap_or_default(),
        start_period: flags.health_start_period.unwrap_or_default(),
        start_interval: flags.health_start_interval.unwrap_or_default(),
        retries: flags.health_retries.unwrap_or_default(),
    }))
}
