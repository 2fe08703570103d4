//! What Prometheus asks for: counts and times in its text form, under docker's names.

use crate::server::Api;
use crate::stream::Stream;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The bounds of what is counted by time, in seconds.
const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Operations that are timed, by what they work on.
struct Group {
    name: &'static str,
    help: &'static str,
    /// Each with what docker calls it.
    actions: &'static [(&'static str, &'static str)],
}

const GROUPS: [Group; 2] = [
    Group {
        name: "engine_daemon_container_actions_seconds",
        help: "The number of seconds it takes to process each container action",
        actions: &[
            ("GET /containers/{id...}/changes", "changes"),
            ("POST /commit", "commit"),
            ("POST /containers/create", "create"),
            ("DELETE /containers/{id...}", "delete"),
            ("POST /containers/{id...}/start", "start"),
        ],
    },
    Group {
        name: "engine_daemon_image_actions_seconds",
        help: "The number of seconds it takes to process each image action",
        actions: &[
            ("DELETE /images/{name...}", "delete"),
            ("GET /images/{name...}/history", "history"),
            ("POST /images/create", "pull"),
            ("POST /images/{name...}/push", "push"),
        ],
    },
];
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long operations took, by their methods and paths. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Actions(Arc<Mutex<BTreeMap<&'static str, Times>>>);

/// An operation that is timed until this goes.
#[derive(Debug)]
pub(crate) struct Timed {
    actions: Actions,
    operation: &'static str,
    began: Instant,
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.actions.count(self.operation, self.began.elapsed());
    }
}

#[derive(Clone, Debug, Default)]
struct Times {
    /// How many took at most so long.
    within: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

impl Actions {
    /// Begins to time an operation, if it is one that is timed.
    pub(crate) fn begin(&self, method: &Method, pattern: &str) -> Option<Timed> {
        let is = |operation: &str| {
            let (said, path) = operation.split_once(' ').unwrap_or_default();
            method == said && pattern == path
        };
        let mut all = GROUPS.iter().flat_map(|group| group.actions);
        let (operation, _) = all.find(|(operation, _)| is(operation))?;
        Some(Timed {
            actions: self.clone(),
            operation,
            began: Instant::now(),
        })
    }

    fn count(&self, operation: &'static str, took: Duration) {
        let mut actions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = actions.entry(operation).or_default();
        let seconds = took.as_secs_f64();
        for (count, bound) in times.within.iter_mut().zip(BOUNDS) {
            *count += u64::from(seconds <= bound);
        }
        times.count += 1;
        times.seconds += seconds;
    }

    fn write(&self, text: &mut String) {
        let actions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for group in &GROUPS {
            head(text, group.name, "histogram", group.help);
            for (operation, action) in group.actions {
                let times = actions.get(operation).cloned().unwrap_or_default();
                times.write(text, group.name, action);
            }
        }
    }
}

impl Times {
    fn write(&self, text: &mut String, name: &str, action: &str) {
        for (bound, count) in BOUNDS.iter().zip(self.within) {
            line(
                text,
                &format!("{name}_bucket{{action=\"{action}\",le=\"{bound}\"}}"),
                count,
            );
        }
        line(
            text,
            &format!("{name}_bucket{{action=\"{action}\",le=\"+Inf\"}}"),
            self.count,
        );
        line(
            text,
            &format!("{name}_sum{{action=\"{action}\"}}"),
            self.seconds,
        );
        line(
            text,
            &format!("{name}_count{{action=\"{action}\"}}"),
            self.count,
        );
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let written = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    written.expect("a string takes all that is written to it");
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    writeln!(text, "{name} {value}").expect("a string takes all that is written to it");
}

fn one(text: &mut String, about: (&str, &str, &str), value: impl std::fmt::Display) {
    let (name, kind, help) = about;
    head(text, name, kind, help);
    line(text, name, value);
}

impl Api {
    /// Serves `GET /metrics`, and nothing else, on a connection.
    ///
    /// # Errors
    /// If the client breaks the protocol or goes away in the middle of it.
    pub async fn serve_metrics(&self, stream: Stream) -> hyper::Result<()> {
        let api = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.metrics(&request)) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            served = connection => served,
            () = self.stopping.cancelled() => Ok(()),
        }
    }

    fn metrics(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/metrics" || request.method() != Method::GET {
            let mut response = Response::new(Full::from("404 page not found\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        }
        let mut response = Response::new(Full::from(self.measure()));
        let text = HeaderValue::from_static(TEXT);
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    }

    fn measure(&self) -> String {
        let mut text = String::with_capacity(8 << 10);
        self.actions.write(&mut text);
        self.states(&mut text);
        self.info(&mut text);
        let about = self.about();
        let host = &about.host;
        let (events, subscribers) = self.engine.events().counts();
        let (probes, failed) = self.engine.system().probes();
        for (name, kind, help, value) in [
            (
                "engine_cpus_cpus",
                "gauge",
                "The number of cpus that the host system of the engine has",
                host.cpus as u64,
            ),
            (
                "engine_memory_bytes",
                "gauge",
                "The number of bytes of memory that the host system of the engine has",
                host.memory,
            ),
            (
                "events_total",
                "counter",
                "The number of events logged",
                events,
            ),
            (
                "events_subscribers_total",
                "gauge",
                "The number of current subscribers to events",
                subscribers as u64,
            ),
            (
                "health_checks_total",
                "counter",
                "The total number of health checks",
                probes,
            ),
            (
                "health_checks_failed_total",
                "counter",
                "The total number of failed health checks",
                failed,
            ),
        ] {
            one(
                &mut text,
                (&format!("engine_daemon_{name}"), kind, help),
                value,
            );
        }
        process(&mut text);
        text
    }

    fn info(&self, text: &mut String) {
        const NAME: &str = "engine_daemon_engine_info";
        const HELP: &str = "The information related to the engine and the OS it is running on";
        let about = self.about();
        let host = &about.host;
        let labels = [
            ("architecture", std::env::consts::ARCH),
            ("commit", ""),
            ("daemon_id", &about.id),
            ("graphdriver", self.engine.images().snapshotter().name()),
            ("kernel", &host.kernel),
            ("os", &host.system),
            ("os_type", "linux"),
            ("os_version", &host.system_version),
            ("version", env!("CARGO_PKG_VERSION")),
        ];
        let labels = labels.map(|(name, value)| format!("{name}={value:?}"));
        head(text, NAME, "gauge", HELP);
        line(text, &format!("{NAME}{{{}}}", labels.join(",")), 1);
    }

    fn states(&self, text: &mut String) {
        const NAME: &str = "engine_daemon_container_states_containers";
        head(
            text,
            NAME,
            "gauge",
            "The count of containers in various states",
        );
        let counts = self.engine.system().counts();
        for (state, count) in [
            ("paused", counts.paused),
            ("running", counts.running),
            ("stopped", counts.stopped),
        ] {
            line(text, &format!("{NAME}{{state=\"{state}\"}}"), count);
        }
    }
}

/// What every program of Prometheus tells of itself.
fn process(text: &mut String) {
    let read = |name: &str| {
        let path = format!("/proc/self/{name}");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let (stat, status) = (read("stat"), read("status"));
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<&str> = fields.split(' ').collect();
    // Numbered as in proc(5), where the state is field 3.
    let number = |field: usize| {
        let text = fields.get(field - 3);
        text.and_then(|text| text.parse::<f64>().ok())
            .unwrap_or_default()
    };
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let limits = read("limits");
    let [files, memory] = ["Max open files", "Max address space"].map(|of| limit(&limits, of));
    for (name, kind, help, value) in [
        (
            "cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            (number(14) + number(15)) / 100.0,
        ),
        (
            "resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            resident.unwrap_or_default() * 1024.0,
        ),
        (
            "virtual_memory_bytes",
            "gauge",
            "Virtual memory size in bytes.",
            number(23),
        ),
        (
            "virtual_memory_max_bytes",
            "gauge",
            "Maximum amount of virtual memory available in bytes.",
            memory,
        ),
        (
            "max_fds",
            "gauge",
            "Maximum number of open file descriptors.",
            files,
        ),
        (
            "start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            booted() + number(22) / 100.0,
        ),
        (
            "threads",
            "gauge",
            "Number of OS threads in the process.",
            number(20),
        ),
    ] {
        one(text, (&format!("process_{name}"), kind, help), value);
    }
    let descriptors = (
        "process_open_fds",
        "gauge",
        "Number of open file descriptors.",
    );
    one(text, descriptors, open);
}

/// A limit of the process; without one as large as Prometheus says it.
fn limit(limits: &str, of: &str) -> f64 {
    let line = limits.lines().find_map(|line| line.strip_prefix(of));
    let current = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    current.unwrap_or(18_446_744_073_709_551_615.0)
}

/// When the machine started, in seconds.
fn booted() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|text| text.trim().parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_by_time() {
        let actions = Actions::default();
        let create = "POST /containers/create";
        actions.count(create, Duration::from_millis(7));
        actions.count(create, Duration::from_secs(60));
        assert!(actions.begin(&Method::GET, "/containers/create").is_none());
        drop(actions.begin(&Method::POST, "/images/create"));
        let mut text = String::new();
        actions.write(&mut text);
        let has = |line: &str| {
            let line = format!("engine_daemon_{line}");
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        };
        has("container_actions_seconds_bucket{action=\"create\",le=\"0.005\"} 0");
        has("container_actions_seconds_bucket{action=\"create\",le=\"0.01\"} 1");
        has("container_actions_seconds_bucket{action=\"create\",le=\"10\"} 1");
        has("container_actions_seconds_bucket{action=\"create\",le=\"+Inf\"} 2");
        has("container_actions_seconds_count{action=\"create\"} 2");
        has("container_actions_seconds_count{action=\"start\"} 0");
        has("image_actions_seconds_count{action=\"pull\"} 1");
        has("image_actions_seconds_count{action=\"push\"} 0");
    }
}
