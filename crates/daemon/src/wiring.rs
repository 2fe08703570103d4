//! What exists and who gets what: constructors, called once, in this order.

use crate::settings::Settings;
use crate::{lock, machine, reload, users};
use anyhow::Context;
use api_docker::{Api, Services};
use engine::{Config, Engine, ImageUsers, LogSpec, NetworkMode};
use images::{Images, Options};
use rootless::Outside;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Makes every service.
pub(crate) async fn services(settings: &Settings) -> anyhow::Result<Api> {
    let paths = &settings.paths;
    let database = lock::open_database(&paths.database()).context("cannot open the database")?;
    let database = Arc::new(database);
    let images = Images::open(
        paths,
        Arc::clone(&database),
        Options {
            unpack: sibling("corten-unpack")?,
            hello: sibling("corten-hello").ok(),
            snapshotter: settings.storage_driver,
            registries: settings.registries.clone(),
            at_once: settings.at_once,
            users: Arc::new(ImageUsers::new(Arc::clone(&database))),
            steps: images::Steps::default(),
        },
    );
    let images = Arc::new(images.context("cannot open the images")?);
    let config = Config {
        network: NetworkMode::Named("bridge".to_owned()),
        networks: settings.networks.clone(),
        init: settings.init,
        users: users::maps(&settings.userns_remap)?,
        defaults: settings.defaults.clone(),
        cgroup_parent: settings.cgroup_parent.clone(),
        cgroup_driver: settings.cgroup_driver,
        ..Config::new(paths.clone(), sibling("corten-shim")?)
    };
    let mut config = with_log(config, settings);
    if let Some(outside) = &settings.outside {
        if let Err(reason) = outside.way_out() {
            tracing::warn!(reason, "containers reach nothing beyond the host");
        }
        config.binder = Arc::<Outside>::clone(outside);
    }
    let engine = Engine::open(config, database, images).await;
    Ok(Api::new(Services {
        engine: engine.context("cannot open the engine")?,
        tracker: TaskTracker::new(),
        stopping: CancellationToken::new(),
        about: RwLock::new(Arc::new(reload::about(
            settings,
            machine::id(&paths.root)?,
            machine::host(),
        ))),
    }))
}

fn with_log(mut config: Config, settings: &Settings) -> Config {
    if let Some(driver) = &settings.log_driver {
        config.log = LogSpec {
            driver: driver.clone(),
            ..LogSpec::default()
        };
    }
    config.log.options.extend(settings.log_opts.clone());
    config
}

/// An executable of ours, beside the running one.
pub(crate) fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the running executable")?;
    let path = own.with_file_name(name);
    anyhow::ensure!(path.exists(), "{} is missing", path.display());
    Ok(path)
}
