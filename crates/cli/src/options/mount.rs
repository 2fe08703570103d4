//! `--mount`, `--volume` and `--tmpfs`.

use super::key_value::fields;
use crate::units;
use docker_schema::Empty;
use docker_schema::mount::{BindOptions, ImageOptions, Mount, TmpfsOptions, VolumeOptions};
use docker_schema::volume::DriverConfig;
use std::collections::BTreeMap;
use std::path::Path;

/// What `--volume` says: binds of the host's paths and of volumes by name, and volumes without
/// a name.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    pub(super) binds: Vec<String>,
    pub(super) anonymous: BTreeMap<String, Empty>,
}

/// Reads `[SOURCE:]TARGET[:OPTIONS]`; a relative source is taken from our directory.
pub(super) fn volumes(list: &[String]) -> Result<Volumes, String> {
    let mut volumes = Volumes::default();
    for text in list {
        let parts: Vec<_> = text.split(':').collect();
        let invalid = || format!("invalid volume specification: '{text}'");
        match parts.as_slice() {
            [""] => return Err(invalid()),
            [target] => drop(volumes.anonymous.insert((*target).to_owned(), Empty {})),
            [source, target] | [source, target, _] if source.is_empty() || target.is_empty() => {
                return Err(format!("{}: empty section between colons", invalid()));
            }
            [source, rest @ ..] if rest.len() <= 2 => {
                let source = absolute(source)?;
                volumes.binds.push(format!("{source}:{}", rest.join(":")));
            }
            _ => return Err(invalid()),
        }
    }
    Ok(volumes)
}

fn absolute(source: &str) -> Result<String, String> {
    let relative =
        source == "." || source == ".." || source.starts_with("./") || source.starts_with("../");
    let home = source.strip_prefix("~/");
    let path = match (relative, home) {
        (true, _) => std::path::absolute(source).map_err(|error| error.to_string())?,
        (false, Some(rest)) => Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(rest),
        (false, None) => return Ok(source.to_owned()),
    };
    let path: std::path::PathBuf = normal(&path);
    path.into_os_string()
        .into_string()
        .map_err(|path| format!("{} is not UTF-8", Path::new(&path).display()))
}

/// Without `.` and `..`, by name alone.
fn normal(path: &Path) -> std::path::PathBuf {
    let mut normal = std::path::PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => drop(normal.pop()),
            std::path::Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

/// Reads `TARGET[:OPTIONS]`.
pub(super) fn tmpfs(list: &[String]) -> BTreeMap<String, String> {
    let pairs = list
        .iter()
        .map(|text| text.split_once(':').unwrap_or((text, "")));
    pairs
        .map(|(target, options)| (target.to_owned(), options.to_owned()))
        .collect()
}

/// Reads `type=bind,source=/a,target=/b,readonly`.
pub(super) fn mount(text: &str) -> Result<Mount, String> {
    let mut mount = Mount {
        r#type: "volume".into(),
        ..Mount::default()
    };
    for field in fields(text) {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
            None => (field.to_ascii_lowercase(), None),
        };
        apply(&mut mount, &key, value, &field)?;
    }
    check(&mount)?;
    Ok(mount)
}

fn apply(mount: &mut Mount, key: &str, value: Option<&str>, field: &str) -> Result<(), String> {
    let needed =
        || value.ok_or_else(|| format!("invalid field '{field}' must be a key=value pair"));
    let switch = || match value {
        None | Some("1" | "true") => Ok(true),
        Some("0" | "false") => Ok(false),
        Some(value) => Err(format!("invalid value for {key}: {value}")),
    };
    match key {
        "type" => mount.r#type = needed()?.to_ascii_lowercase(),
        "source" | "src" => mount.source = source(mount, needed()?)?,
        "target" | "dst" | "destination" => needed()?.clone_into(&mut mount.target),
        "readonly" | "ro" => mount.read_only = switch()?,
        "consistency" => mount.consistency = needed()?.to_ascii_lowercase(),
        "bind-propagation" => {
            bind(mount).propagation = needed()?.to_ascii_lowercase();
        }
        "bind-nonrecursive" => bind(mount).non_recursive = switch()?,
        "bind-recursive" => recursion(mount, needed()?)?,
        "bind-create-src" => bind(mount).create_mountpoint = switch()?,
        "volume-nocopy" => volume(mount).no_copy = switch()?,
        "volume-label" => {
            let (name, value) = needed()?.split_once('=').unwrap_or((needed()?, ""));
            let labels = volume(mount).labels.get_or_insert_default();
            labels.insert(name.to_owned(), value.to_owned());
        }
        "volume-subpath" => needed()?.clone_into(&mut volume(mount).subpath),
        "volume-driver" => needed()?.clone_into(&mut driver(mount).name),
        "volume-opt" => {
            let (name, value) = needed()?.split_once('=').unwrap_or((needed()?, ""));
            let options = driver(mount).options.get_or_insert_default();
            options.insert(name.to_owned(), value.to_owned());
        }
        "image-subpath" => {
            let image: &mut ImageOptions = mount.image_options.get_or_insert_default();
            needed()?.clone_into(&mut image.subpath);
        }
        "tmpfs-size" => tmpfs_options(mount).size_bytes = units::bytes(needed()?)?,
        "tmpfs-mode" => {
            let mode = u32::from_str_radix(needed()?, 8);
            tmpfs_options(mount).mode =
                mode.map_err(|_| format!("invalid value for {key}: {field}"))?;
        }
        _ => return Err(format!("unexpected key '{key}' in '{field}'")),
    }
    Ok(())
}

fn source(mount: &Mount, value: &str) -> Result<String, String> {
    match mount.r#type.as_str() {
        "bind" => absolute(value),
        // The type may still follow; only a path that begins with a dot is one in any case.
        _ if value.starts_with('.') => absolute(value),
        _ => Ok(value.to_owned()),
    }
}

fn recursion(mount: &mut Mount, value: &str) -> Result<(), String> {
    let options = bind(mount);
    match value {
        "enabled" => {}
        "disabled" => options.non_recursive = true,
        "writable" => options.read_only_non_recursive = true,
        "readonly" => options.read_only_force_recursive = true,
        _ => {
            return Err(format!(
                "invalid value for bind-recursive: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
            ));
        }
    }
    Ok(())
}

fn bind(mount: &mut Mount) -> &mut BindOptions {
    mount.bind_options.get_or_insert_default()
}

fn volume(mount: &mut Mount) -> &mut VolumeOptions {
    mount.volume_options.get_or_insert_default()
}

fn driver(mount: &mut Mount) -> &mut DriverConfig {
    volume(mount).driver_config.get_or_insert_default()
}

fn tmpfs_options(mount: &mut Mount) -> &mut TmpfsOptions {
    mount.tmpfs_options.get_or_insert_default()
}

fn check(mount: &Mount) -> Result<(), String> {
    if mount.target.is_empty() {
        return Err("target is required".into());
    }
    let strangers = [
        ("volume", "volume-*", mount.volume_options.is_some()),
        ("bind", "bind-*", mount.bind_options.is_some()),
        ("tmpfs", "tmpfs-*", mount.tmpfs_options.is_some()),
        ("image", "image-*", mount.image_options.is_some()),
    ];
    for (kind, options, given) in strangers {
        if given && mount.r#type != kind {
            return Err(format!(
                "cannot mix '{options}' options with mount type '{}'",
                mount.r#type
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_binds_or_anonymous() {
        let read = volumes(&["/a:/b:ro".into(), "name:/c".into(), "/d".into()]).unwrap();
        assert_eq!(read.binds, ["/a:/b:ro", "name:/c"]);
        assert!(read.anonymous.contains_key("/d"));
        let here = volumes(&["./x/../y:/b".into()]).unwrap();
        assert!(here.binds[0].ends_with("/y:/b"), "{:?}", here.binds);
        assert!(here.binds[0].starts_with('/'));
        for bad in ["", ":/b", "/a:", "a:b:c:d"] {
            assert!(volumes(&[bad.into()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mount_is_read_by_its_fields() {
        let read = mount("type=bind,src=/a,dst=/b,ro,bind-propagation=rslave").unwrap();
        assert_eq!((read.source.as_str(), read.target.as_str()), ("/a", "/b"));
        assert!(read.read_only);
        assert_eq!(read.bind_options.unwrap().propagation, "rslave");
        let read = mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap();
        let options = read.tmpfs_options.unwrap();
        assert_eq!((options.size_bytes, options.mode), (1 << 20, 0o1770));
        for bad in [
            "type=bind",
            "type=bind,target=/a,tmpfs-size=1",
            "target=/a,readonly=x",
            "target=/a,foo=bar",
            "target",
        ] {
            assert!(mount(bad).is_err(), "{bad}");
        }
    }
}
