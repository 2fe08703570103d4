//! Limits of block devices: `/dev/sda:1mb`.

use crate::units;
use docker_schema::container::{ThrottleDevice, WeightDevice};

fn split(text: &str) -> Result<(&str, &str), String> {
    let pair = text
        .split_once(':')
        .ok_or_else(|| format!("bad format: {text}"))?;
    match pair.0.starts_with("/dev/") {
        true => Ok(pair),
        false => Err(format!("bad format for device path: {text}")),
    }
}

/// Reads devices with a relative weight.
pub(super) fn weights(list: &[String]) -> Result<Vec<WeightDevice>, String> {
    let devices = list.iter().map(|text| {
        let (path, weight) = split(text)?;
        let weight = weight.parse().ok().filter(|w| matches!(w, 0 | 10..=1000));
        Ok(WeightDevice {
            path: path.to_owned(),
            weight: weight.ok_or_else(|| format!("invalid weight for device: {text}"))?,
        })
    });
    devices.collect()
}

/// Reads devices with bytes a second.
pub(super) fn bytes(list: &[String]) -> Result<Vec<ThrottleDevice>, String> {
    throttles(list, |rate| {
        units::bytes(rate)
            .ok()
            .and_then(|rate| u64::try_from(rate).ok())
    })
}

/// Reads devices with operations a second.
pub(super) fn operations(list: &[String]) -> Result<Vec<ThrottleDevice>, String> {
    throttles(list, |rate| rate.parse().ok())
}

fn throttles(
    list: &[String],
    rate: impl Fn(&str) -> Option<u64>,
) -> Result<Vec<ThrottleDevice>, String> {
    let devices = list.iter().map(|text| {
        let (path, value) = split(text)?;
        let value = rate(value).ok_or_else(|| format!("invalid rate for device: {text}"))?;
        Ok(ThrottleDevice {
            path: path.to_owned(),
            rate: value,
        })
    });
    devices.collect()
}
