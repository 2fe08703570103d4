//! Devices: `/dev/a[:/dev/b[:rwm]]`, and GPUs.

use super::key_value::{fields, map};
use docker_schema::container::{DeviceMapping, DeviceRequest};

/// Reads `HOST[:CONTAINER][:PERMISSIONS]`.
pub(super) fn mapping(text: &str) -> Result<DeviceMapping, String> {
    let invalid = || format!("invalid device specification: {text}");
    let parts: Vec<_> = text.split(':').collect();
    let (host, container, permissions) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, mode] if is_mode(mode) => (*host, *host, *mode),
        [host, container] => (*host, *container, "rwm"),
        [host, container, mode] if is_mode(mode) => (*host, *container, *mode),
        _ => return Err(invalid()),
    };
    if host.is_empty() || container.is_empty() {
        return Err(invalid());
    }
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: container.to_owned(),
        cgroup_permissions: permissions.to_owned(),
    })
}

fn is_mode(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b"rwm".contains(&b))
}

/// Reads `all`, `2`, `device=0,1`, `driver=nvidia,count=1,capabilities=utility`.
pub(super) fn gpus(text: &str) -> Result<DeviceRequest, String> {
    let mut request = DeviceRequest {
        count: 1,
        ..DeviceRequest::default()
    };
    let mut capabilities = vec!["gpu".to_owned()];
    for field in fields(text) {
        let (key, value) = field.split_once('=').unwrap_or(("count", &field));
        match key {
            "count" if value == "all" => request.count = -1,
            "count" => {
                let count = value.parse();
                request.count = count.map_err(|_| format!("invalid count ({value})"))?;
            }
            "driver" => value.clone_into(&mut request.driver),
            "device" => {
                request.count = 0;
                request.device_ids = Some(value.split(',').map(str::to_owned).collect());
            }
            "capabilities" => capabilities.extend(value.split(',').map(str::to_owned)),
            "options" => {
                let options: Vec<_> = value.split(',').map(str::to_owned).collect();
                request.options = Some(map(&options));
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    request.capabilities = Some(vec![capabilities]);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_in_every_form() {
        for (text, host, container, mode) in [
            ("/dev/a", "/dev/a", "/dev/a", "rwm"),
            ("/dev/a:r", "/dev/a", "/dev/a", "r"),
            ("/dev/a:/dev/b", "/dev/a", "/dev/b", "rwm"),
            ("/dev/a:/dev/b:rw", "/dev/a", "/dev/b", "rw"),
            (
                "vendor.com/class=x",
                "vendor.com/class=x",
                "vendor.com/class=x",
                "rwm",
            ),
        ] {
            let read = mapping(text).unwrap();
            assert_eq!(read.path_on_host, host);
            assert_eq!(read.path_in_container, container);
            assert_eq!(read.cgroup_permissions, mode);
        }
        for text in ["", ":", "/dev/a:/dev/b:x", "a:b:c:d"] {
            assert!(mapping(text).is_err(), "{text}");
        }
    }
}
