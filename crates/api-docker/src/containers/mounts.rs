//! `HostConfig.Mounts`: as they are asked for, and as inspect shows them.

use crate::error::{self, Error};
use docker_schema::mount::{
    BindOptions, ImageOptions, Mount as Asked, TmpfsOptions, VolumeOptions,
};
use docker_schema::volume::DriverConfig;
use engine::{ANONYMOUS, Mount, MountKind, ParseError, ReadOnlyRecursion};

/// A mount that is asked for.
pub(crate) fn read(asked: &Asked) -> error::Result<Mount> {
    let invalid = |reason: &str| {
        Error::bad_request(format!(
            "invalid mount config for type {:?}: {reason}",
            asked.r#type
        ))
    };
    strangers(asked).map_err(|field| match (asked.r#type.as_str(), field) {
        // COMPAT: this is told by another part of dockerd.
        ("bind", "VolumeOptions") => {
            Error::bad_request("VolumeOptions must not be specified on mount type \"bind\"")
        }
        _ => invalid(&format!("field {field} must not be specified")),
    })?;
    if asked.target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    let kind = match asked.r#type.as_str() {
        "bind" => bind(asked).map_err(|reason| invalid(&reason))?,
        "volume" => volume(asked).map_err(invalid)?,
        "tmpfs" => tmpfs(asked).map_err(|reason| invalid(&reason))?,
        "image" => image(asked).map_err(invalid)?,
        _ => {
            return Err(invalid("mount type unknown"));
        }
    };
    let mount = Mount {
        target: asked.target.clone(),
        read_only: asked.read_only,
        kind,
    };
    // COMPAT: what a volume may be called is told by who would make it.
    mount.check().map_err(|error| match error.what {
        Mount::NAME => Error::bad_request(error.reason),
        _ => invalid(&error.reason),
    })?;
    Ok(mount)
}

/// Options of other types than the mount's.
fn strangers(asked: &Asked) -> Result<(), &'static str> {
    let options = [
        ("bind", "BindOptions", asked.bind_options.is_some()),
        ("volume", "VolumeOptions", asked.volume_options.is_some()),
        ("tmpfs", "TmpfsOptions", asked.tmpfs_options.is_some()),
        ("image", "ImageOptions", asked.image_options.is_some()),
        ("cluster", "ClusterOptions", asked.cluster_options.is_some()),
    ];
    let stranger = options
        .iter()
        .find(|(kind, _, given)| *given && *kind != asked.r#type);
    stranger.map_or(Ok(()), |(_, field, _)| Err(*field))
}

fn bind(asked: &Asked) -> Result<MountKind, String> {
    if asked.source.is_empty() {
        return Err("field Source must not be empty".to_owned());
    }
    let options = asked.bind_options.clone().unwrap_or_default();
    let propagation = match options.propagation.as_str() {
        "" => None,
        text => {
            let wrong = |_: ParseError| format!("invalid propagation mode: {text}");
            Some(text.parse().map_err(wrong)?)
        }
    };
    let recursion = match (
        options.read_only_non_recursive,
        options.read_only_force_recursive,
    ) {
        // What contradicts itself is told at the start.
        _ if contradiction(asked).is_some() => ReadOnlyRecursion::All,
        (true, _) => ReadOnlyRecursion::None,
        (false, true) => ReadOnlyRecursion::Forced,
        (false, false) => ReadOnlyRecursion::All,
    };
    Ok(MountKind::Bind {
        source: asked.source.clone(),
        propagation,
        non_recursive: options.non_recursive,
        create_source: options.create_mountpoint,
        recursion,
    })
}

/// What is asked for and cannot be, in dockerd's words.
pub(super) fn contradiction(asked: &Asked) -> Option<String> {
    let options = asked.bind_options.as_ref()?;
    let other = match (options.read_only_non_recursive, asked.read_only) {
        _ if !options.read_only_force_recursive => return None,
        (_, false) => "!ReadOnly",
        (true, true) => "ReadOnlyNonRecursive",
        (false, true) => return None,
    };
    Some(format!(
        "mount options conflict: {other} && BindOptions.ReadOnlyForceRecursive"
    ))
}

fn volume(asked: &Asked) -> Result<MountKind, &'static str> {
    let options = asked.volume_options.clone().unwrap_or_default();
    if asked.source.is_empty() && !options.subpath.is_empty() {
        return Err("must not set Subpath when using anonymous volumes");
    }
    let mut depth = 0_i32;
    let mut outside = options.subpath.starts_with('/');
    for part in options.subpath.split('/') {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        outside |= depth < 0;
    }
    if outside {
        return Err("subpath must be a relative path within the volume");
    }
    let driver = options.driver_config.unwrap_or_default();
    Ok(MountKind::Volume {
        name: (!asked.source.is_empty()).then(|| asked.source.clone()),
        no_copy: options.no_copy,
        labels: options.labels,
        driver: driver.name,
        options: driver.options,
        subpath: options.subpath,
    })
}

fn tmpfs(asked: &Asked) -> Result<MountKind, String> {
    if !asked.source.is_empty() {
        return Err("field Source must not be specified".to_owned());
    }
    let options = asked.tmpfs_options.clone().unwrap_or_default();
    let mut exec = false;
    for words in options.options.iter().flatten() {
        match words.as_slice() {
            [word] if word == "exec" => exec = true,
            [word] if word == "noexec" => exec = false,
            words => return Err(format!("invalid option: {}", words.join("="))),
        }
    }
    let size = u64::try_from(options.size_bytes).map_err(|_| "size is negative".to_owned())?;
    Ok(MountKind::Tmpfs {
        size: (size > 0).then_some(size),
        mode: (options.mode > 0).then_some(options.mode),
        exec,
    })
}

fn image(asked: &Asked) -> Result<MountKind, &'static str> {
    if asked.source.is_empty() {
        return Err("field Source must not be empty");
    }
    let options = asked.image_options.clone().unwrap_or_default();
    Ok(MountKind::Image {
        image: asked.source.clone(),
        subpath: options.subpath,
    })
}

/// A mount as inspect shows it.
pub(crate) fn show(from: &Mount) -> Asked {
    let mut shown = Asked {
        target: from.target.clone(),
        read_only: from.read_only,
        ..Asked::default()
    };
    match &from.kind {
        MountKind::Bind { source, .. } => {
            shown.r#type = "bind".to_owned();
            shown.source.clone_from(source);
            shown.bind_options = bind_options(&from.kind);
        }
        MountKind::Volume { name, .. } => {
            shown.r#type = "volume".to_owned();
            shown.source = name.clone().unwrap_or_default();
            shown.volume_options = volume_options(&from.kind);
        }
        MountKind::Tmpfs { size, mode, exec } => {
            shown.r#type = "tmpfs".to_owned();
            let options = TmpfsOptions {
                size_bytes: size
                    .and_then(|size| i64::try_from(size).ok())
                    .unwrap_or_default(),
                mode: mode.unwrap_or_default(),
                options: exec.then(|| vec![vec!["exec".to_owned()]]),
            };
            shown.tmpfs_options = (options != TmpfsOptions::default()).then_some(options);
        }
        MountKind::Image { image, subpath } => {
            shown.r#type = "image".to_owned();
            shown.source.clone_from(image);
            shown.image_options = (!subpath.is_empty()).then(|| ImageOptions {
                subpath: subpath.clone(),
            });
        }
    }
    shown
}

/// COMPAT: dockerd marks volumes without a name in what it was asked for.
pub(super) fn mark(mounts: &mut [Asked]) {
    let unnamed = |asked: &&mut Asked| asked.r#type == "volume" && asked.source.is_empty();
    for asked in mounts.iter_mut().filter(unnamed) {
        let options = asked.volume_options.as_mut();
        if let Some(labels) = options.and_then(|options| options.labels.as_mut()) {
            labels.insert(ANONYMOUS.to_owned(), String::new());
        }
    }
}

fn bind_options(kind: &MountKind) -> Option<BindOptions> {
    let MountKind::Bind {
        propagation,
        non_recursive,
        create_source,
        recursion,
        ..
    } = kind
    else {
        return None;
    };
    let options = BindOptions {
        propagation: propagation.map(|p| p.name().to_owned()).unwrap_or_default(),
        non_recursive: *non_recursive,
        create_mountpoint: *create_source,
        read_only_non_recursive: *recursion == ReadOnlyRecursion::None,
        read_only_force_recursive: *recursion == ReadOnlyRecursion::Forced,
    };
    (options != BindOptions::default()).then_some(options)
}

fn volume_options(kind: &MountKind) -> Option<VolumeOptions> {
    let MountKind::Volume {
        no_copy,
        labels,
        driver,
        options,
        subpath,
        ..
    } = kind
    else {
        return None;
    };
    let driver = DriverConfig {
        name: driver.clone(),
        options: options.clone(),
    };
    let options = VolumeOptions {
        no_copy: *no_copy,
        labels: labels.clone(),
        subpath: subpath.clone(),
        driver_config: (driver != DriverConfig::default()).then_some(driver),
    };
    (options != VolumeOptions::default()).then_some(options)
}
