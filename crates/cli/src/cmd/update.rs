//! `update`: change limits of containers.

use super::container;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::options::restart_policy;
use crate::{output, units};
use client::{Call, Client};
use docker_schema::container::{UpdateRequest, UpdateResponse};

#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable
    #[arg(long, value_name = "uint16", default_value = "0")]
    blkio_weight: u16,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "int", default_value = "0")]
    cpu_period: i64,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "int", default_value = "0")]
    cpu_quota: i64,
    /// Limit the CPU real-time period in microseconds
    #[arg(long, value_name = "int", default_value = "0")]
    cpu_rt_period: i64,
    /// Limit the CPU real-time runtime in microseconds
    #[arg(long, value_name = "int", default_value = "0")]
    cpu_rt_runtime: i64,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "int", default_value = "0")]
    cpu_shares: i64,
    /// Number of CPUs
    #[arg(long, value_name = "decimal", value_parser = units::processors)]
    cpus: Option<i64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    cpuset_cpus: String,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    cpuset_mems: String,
    /// Memory limit
    #[arg(short, long, value_name = "bytes", value_parser = units::bytes)]
    memory: Option<i64>,
    /// Memory soft limit
    #[arg(long, value_name = "bytes", value_parser = units::bytes)]
    memory_reservation: Option<i64>,
    /// Swap limit equal to memory plus swap: -1 to enable unlimited swap
    #[arg(long, value_name = "bytes", value_parser = units::bytes_or_unlimited)]
    memory_swap: Option<i64>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "int")]
    pids_limit: Option<i64>,
    /// Restart policy to apply when a container exits
    #[arg(long, value_name = "string")]
    restart: Option<String>,
    #[arg(required = true, hide = true)]
    containers: Vec<String>,
}

impl Action for Update {
    const ABOUT: &'static str = "Update configuration of one or more containers";
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let request = self.request()?;
        if request == UpdateRequest::default() {
            return Err(Failure::text(
                1,
                "you must provide one or more flags when using this command",
            ));
        }
        let client = cx.client().await?;
        let mut failures = Vec::new();
        for name in &self.containers {
            match one(client, name, &request).await {
                Ok(answer) => {
                    output::line(name)?;
                    for warning in answer.warnings.iter().flatten() {
                        output::error(warning);
                    }
                }
                Err(error) => failures.push(Failure::from(error)),
            }
        }
        Failure::all(failures)?;
        Ok(0)
    }
}

async fn one(
    client: &Client,
    name: &str,
    request: &UpdateRequest,
) -> client::Result<UpdateResponse> {
    let call = Call::post(container(name, "/update")).json(request)?;
    client.json(call).await
}

impl Update {
    fn request(&self) -> Result<UpdateRequest> {
        let restart = self.restart.as_deref().map(restart_policy).transpose();
        Ok(UpdateRequest {
            blkio_weight: self.blkio_weight,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpu_realtime_period: self.cpu_rt_period,
            cpu_realtime_runtime: self.cpu_rt_runtime,
            cpu_shares: self.cpu_shares,
            nano_cpus: self.cpus.unwrap_or_default(),
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            memory: self.memory.unwrap_or_default(),
            memory_reservation: self.memory_reservation.unwrap_or_default(),
            memory_swap: self.memory_swap.unwrap_or_default(),
            pids_limit: self.pids_limit,
            restart_policy: restart
                .map_err(|reason| Failure::text(125, reason))?
                .unwrap_or_default(),
            ..UpdateRequest::default()
        })
    }
}
