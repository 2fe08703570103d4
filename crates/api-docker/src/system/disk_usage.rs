//! What objects take on disk, by kind.

use crate::compat::Rule;
use crate::version::ApiVersion;
use docker_schema::system::{DiskUsage, Usage};

/// The version that brought sums by kind.
pub(super) const SINCE: ApiVersion = ApiVersion::new(1, 52);

/// COMPAT: lists of their own are left out for who did not ask, and not null.
pub(super) const RULES: [Rule; 1] = [Rule::null(
    SINCE,
    "",
    &["Images", "Containers", "Volumes", "BuildCache"],
)];

/// Adds the sums. Who asks for all of it gets no lists but in them; others get both.
pub(super) fn sum_up(document: &mut DiskUsage, verbose: bool) {
    let lists = DiskUsage {
        layers_size: document.layers_size,
        images: document.images.clone(),
        containers: document.containers.clone(),
        volumes: document.volumes.clone(),
        build_cache: document.build_cache.clone(),
        ..DiskUsage::default()
    };
    if verbose {
        *document = DiskUsage::default();
    }
    let total = lists.layers_size.unwrap_or_default();
    document.image_usage = lists.images.map(|items| {
        let unused = items.iter().filter(|image| image.containers == 0);
        Usage {
            active_count: count(items.iter().filter(|image| image.containers > 0)),
            reclaimable: unused.map(|image| image.size - image.shared_size).sum(),
            total_size: total,
            ..whole(items)
        }
    });
    document.container_usage = lists.containers.map(|items| {
        let active = |state: &str| matches!(state, "running" | "paused" | "restarting");
        let ended = items.iter().filter(|container| !active(&container.state));
        Usage {
            active_count: count(items.iter().filter(|container| active(&container.state))),
            reclaimable: ended.map(|container| container.size_rw).sum(),
            total_size: items.iter().map(|container| container.size_rw).sum(),
            ..whole(items)
        }
    });
    document.volume_usage = lists.volumes.map(|items| {
        let known = items.iter().filter_map(|volume| volume.usage_data.as_ref());
        let known = known.filter(|usage| usage.size >= 0);
        let unused = known.clone().filter(|usage| usage.ref_count == 0);
        Usage {
            active_count: count(items.iter()) - count(unused.clone()),
            reclaimable: unused.map(|usage| usage.size).sum(),
            total_size: known.map(|usage| usage.size).sum(),
            ..whole(items)
        }
    });
    document.build_cache_usage = lists.build_cache.map(whole);
}

fn count(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

fn whole<T>(items: Vec<T>) -> Usage<T> {
    Usage {
        active_count: 0,
        total_count: count(items.iter()),
        reclaimable: 0,
        total_size: 0,
        items,
    }
}
