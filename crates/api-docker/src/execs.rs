//! Processes executed in running containers.

use crate::body::{self, Response};
use crate::call::Call;
use crate::containers;
use crate::error::{Error, Result};
use crate::hearing;
use crate::takeover::Socket;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_schema::IdResponse;
use docker_schema::exec::{CreateRequest, Inspect, ProcessConfig, StartRequest};
use engine::{Attach, DetachKeys, Exec, ExecSpec, ExecStart, Framing, Problem, Size};
use http::StatusCode;
use types::ExecId;

impl Call {
    /// The exec that the path names.
    fn exec(&self) -> Result<Exec> {
        let missing = || Error::not_found("exec", self.id());
        let id: ExecId = self.id().parse().map_err(|_| missing())?;
        Ok(self.api.engine.execs().inspect(&id)?)
    }
}

pub(crate) async fn create(call: Call) -> Result<Response> {
    let api = call.api.clone();
    let name = call.id().to_owned();
    let request: CreateRequest = call.document().await?;
    let command = request.cmd.unwrap_or_default();
    if command.is_empty() {
        return Err(Error::bad_request("No exec command specified"));
    }
    // Wrong keys are an error now, not when somebody attaches.
    let keys = containers::detach_keys(&request.detach_keys);
    keys.map_err(|error| {
        let words = format!("Invalid escape keys ({}) provided", request.detach_keys);
        error.worded(words)
    })?;
    let container = api.engine.containers().resolve(&name)?;
    let spec = ExecSpec {
        command,
        env: request.env.unwrap_or_default(),
        user: request.user,
        working_dir: request.working_dir,
        privileged: request.privileged,
        tty: request.tty,
        attach_stdin: request.attach_stdin,
        attach_stdout: request.attach_stdout,
        attach_stderr: request.attach_stderr,
        detach_keys: request.detach_keys,
        console_size: request.console_size.and_then(containers::console_size),
    };
    let created = api.engine.execs().create(&container, spec).await;
    let id = created.map_err(|error| match error {
        engine::Error::State {
            problem: Problem::Paused,
            ..
        } => Error::from(error).worded(format!(
            "Container {name} is paused, unpause the container before exec"
        )),
        error => error.into(),
    })?;
    let document = IdResponse { id: id.to_string() };
    Ok(body::json(StatusCode::CREATED, &document))
}

pub(crate) async fn start(mut call: Call) -> Result<Response> {
    // COMPAT: what is said is read first.
    let bytes = body::read_json(&call.headers, &mut call.body).await?;
    let request: StartRequest = if bytes.trim_ascii().is_empty() {
        StartRequest::default()
    } else {
        docker_schema::decode(&bytes).map_err(|error| body::invalid(&error))?
    };
    let exec = call.exec()?;
    let size = request.console_size.and_then(containers::console_size);
    let size = size.map(|(height, width)| Size { height, width });
    let execs = call.api.engine.execs().clone();
    execs.startable(&exec)?;
    if request.detach {
        let start = ExecStart { attach: None, size };
        let started = execs.start(&exec.id, start).await;
        started.map_err(|error| containers::exec_failure(&exec.id, error))?;
        return Ok(body::empty(StatusCode::OK));
    }
    let keys = containers::detach_keys(&exec.spec.detach_keys)?;
    // COMPAT: the framing is the start request's choice, whatever the exec has.
    let tty = request.tty;
    let media_type = containers::media_type(call.version, tty);
    let waits = hearing::is_deaf(&call.headers);
    let api = call.api.clone();
    let begun = call.takeover().begin(media_type, &api.tracker);
    let (response, pending) = begun.map_err(|error| containers::unable(&error))?;
    api.tracker.spawn(async move {
        match pending.socket().await {
            Ok(socket) => {
                if waits {
                    hearing::heard(&socket.fd).await;
                }
                run(&execs, &exec, (socket, tty), size, keys).await;
            }
            Err(error) => {
                tracing::debug!(exec.id = %exec.id, %error, "client went before the start")
            }
        }
    });
    Ok(response)
}

async fn run(
    execs: &engine::Execs,
    exec: &Exec,
    (socket, raw): (Socket, bool),
    size: Option<Size>,
    keys: DetachKeys,
) {
    let spec = &exec.spec;
    let report = socket.fd.try_clone();
    let attach = Attach {
        fd: socket.fd,
        unread: socket.unread,
        stdin: spec.attach_stdin,
        stdout: spec.attach_stdout,
        stderr: spec.attach_stderr,
        framing: if raw {
            Framing::Raw
        } else {
            Framing::Multiplexed
        },
        detach_keys: spec.tty.then_some(keys),
    };
    let start = ExecStart {
        attach: Some(attach),
        size,
    };
    if let (Err(error), Ok(report)) = (execs.start(&exec.id, start).await, report) {
        let error = containers::exec_failure(&exec.id, error);
        let message = format!("{}\r\n", error.message());
        // A client that is gone needs to hear nothing.
        drop(containers::report_failure(report, raw, &message));
    }
}

pub(crate) async fn resize(call: Call) -> Result<Response> {
    let size = containers::size(&call)?;
    let exec = call.exec()?;
    call.api.engine.execs().resize(&exec.id, size).await?;
    Ok(body::empty(StatusCode::OK))
}

pub(crate) async fn inspect(call: Call) -> Result<Response> {
    let exec = call.api.engine.execs().settled(&call.exec()?.id).await?;
    let spec = &exec.spec;
    let (program, arguments) = match spec.command.split_first() {
        Some((program, arguments)) => (program.clone(), arguments.to_vec()),
        None => (String::new(), Vec::new()),
    };
    Ok(body::ok(&Inspect {
        id: exec.id.to_string(),
        running: exec.running,
        exit_code: exec.exit_code.map(i64::from),
        process_config: Some(ProcessConfig {
            tty: spec.tty,
            entrypoint: program,
            arguments,
            privileged: Some(spec.privileged),
            user: spec.user.clone(),
        }),
        open_stdin: spec.attach_stdin,
        open_stderr: spec.attach_stderr,
        open_stdout: spec.attach_stdout,
        can_remove: false,
        container_id: exec.container.to_string(),
        // COMPAT: dockerd keeps what the terminal sends for them, as Go writes bytes.
        detach_keys: match spec.detach_keys.as_str() {
            "" => String::new(),
            keys => STANDARD.encode(containers::detach_keys(keys)?.as_bytes()),
        },
        pid: exec.pid.into(),
    }))
}
