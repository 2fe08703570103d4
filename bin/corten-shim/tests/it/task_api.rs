//! containerd's Task API at the path socket.

use crate::host::Host;
use proto::containerd::task::v3 as api;
use proto::prost::Message;
use proto::{Code, Frame, Kind, Request, Response, Status};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use types::{ContainerId, Signal};

/// `O_NONBLOCK`: a reader that does not wait for a writer.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// A caller of one service, with one call at a time.
struct Caller {
    socket: UnixStream,
    service: &'static str,
    stream: u32,
}

impl Caller {
    fn of(host: &Host, sandbox: &ContainerId, service: &'static str) -> Self {
        let folder = fs::File::open(host.paths.shim(sandbox)).unwrap();
        let path = format!("/proc/self/fd/{}/shim.sock", folder.as_raw_fd());
        // It listens once it has answered its first request.
        while !Path::new(&path).exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let socket = loop {
            match UnixStream::connect(&path) {
                // It is bound and does not listen yet.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                connected => break connected.unwrap(),
            }
        };
        Self {
            socket,
            service,
            stream: 1,
        }
    }

    fn call<A: Message + Default>(
        &mut self,
        method: &str,
        ask: &impl Message,
    ) -> Result<A, Status> {
        let request = Request {
            service: self.service.to_owned(),
            method: method.to_owned(),
            payload: ask.encode_to_vec(),
            ..Request::default()
        };
        let mut bytes = Vec::new();
        Frame::encode(self.stream, Kind::Request, &request, &mut bytes).unwrap();
        self.socket.write_all(&bytes).unwrap();
        let mut read = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            if let Some((frame, _)) = Frame::decode(&read).unwrap() {
                assert_eq!(frame.stream, self.stream);
                self.stream += 2;
                let response = Response::decode(frame.payload).unwrap();
                return match response.status.filter(|status| status.code != 0) {
                    Some(status) => Err(status),
                    None => Ok(A::decode(response.payload.as_slice()).unwrap()),
                };
            }
            let length = self.socket.read(&mut chunk).unwrap();
            assert!(length > 0, "the shim closed the connection");
            read.extend_from_slice(&chunk[..length]);
        }
    }
}

fn fifo(path: &Path) -> String {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A bundle as containerd makes it; its id.
fn bundle(host: &mut Host, args: &[&str]) -> (ContainerId, api::CreateTaskRequest) {
    let create = host.container(args);
    let folder = host.paths.container(&create.id);
    let types::Rootfs::Directory(root) = &create.rootfs else {
        panic!("a directory");
    };
    let mut spec = create.spec.clone();
    spec.root = Some(oci::runtime::Root {
        path: root.to_str().unwrap().to_owned(),
        readonly: false,
    });
    fs::write(
        folder.join("config.json"),
        serde_json::to_vec(&spec).unwrap(),
    )
    .unwrap();
    let request = api::CreateTaskRequest {
        id: create.id.to_string(),
        bundle: folder.to_str().unwrap().to_owned(),
        stdin: fifo(&folder.join("0")),
        stdout: fifo(&folder.join("1")),
        stderr: format!("file://{}", folder.join("2").display()),
        ..api::CreateTaskRequest::default()
    };
    (create.id, request)
}

#[tokio::test]
async fn both_versions_drive_a_container_from_create_to_delete() {
    let mut host = Host::start();
    let keeper = host.container(&["sleep", "600"]);
    let sandbox = keeper.id.clone();
    host.tasks.run(keeper).await.unwrap();
    for service in [proto::service::TASK_V2, proto::service::TASK_V3] {
        let mut caller = Caller::of(&host, &sandbox, service);
        let (id, request) = bundle(&mut host, &["sh", "-c", "cat; echo err >&2; exit 6"]);
        let folder = host.paths.container(&id);
        let id = id.to_string();
        let made: api::CreateTaskResponse = caller.call("Create", &request).unwrap();
        let state = api::StateRequest {
            id: id.clone(),
            ..api::StateRequest::default()
        };
        let seen: api::StateResponse = caller.call("State", &state).unwrap();
        assert_eq!((seen.pid, seen.status), (made.pid, 1));

        let start = api::StartRequest {
            id: id.clone(),
            ..api::StartRequest::default()
        };
        let _: api::StartResponse = caller.call("Start", &start).unwrap();
        let mut reader = OpenOptions::new();
        let reader = reader.read(true).custom_flags(NONBLOCK);
        let mut stdout = reader.open(folder.join("1")).unwrap();
        let mut stdin = OpenOptions::new()
            .write(true)
            .open(folder.join("0"))
            .unwrap();
        stdin.write_all(b"in and out").unwrap();
        drop(stdin);
        let wait = api::WaitRequest {
            id: id.clone(),
            ..api::WaitRequest::default()
        };
        let ended: api::WaitResponse = caller.call("Wait", &wait).unwrap();
        assert_eq!(ended.exit_status, 6);
        let mut output = String::new();
        stdout.read_to_string(&mut output).unwrap();
        assert_eq!(output, "in and out");
        assert_eq!(fs::read(folder.join("2")).unwrap(), b"err\n");

        let delete = api::DeleteRequest {
            id: id.clone(),
            ..api::DeleteRequest::default()
        };
        let deleted: api::DeleteResponse = caller.call("Delete", &delete).unwrap();
        assert_eq!((deleted.pid, deleted.exit_status), (made.pid, 6));
        let gone = caller
            .call::<api::StateResponse>("State", &state)
            .unwrap_err();
        assert_eq!(Code::of(gone.code), Code::NotFound);
    }
    host.end().await;
}

#[tokio::test]
async fn what_the_shim_does_not_do_is_refused_by_name() {
    let mut host = Host::start();
    let keeper = host.container(&["sleep", "600"]);
    let sandbox = keeper.id.clone();
    host.tasks.run(keeper).await.unwrap();
    let mut caller = Caller::of(&host, &sandbox, proto::service::TASK_V3);
    let refused = caller.call::<()>("Checkpoint", &()).unwrap_err();
    assert_eq!(Code::of(refused.code), Code::Unimplemented);
    assert!(
        refused.message.contains("Checkpoint"),
        "{}",
        refused.message
    );
    caller.service = "containerd.runtime.sandbox.v1.Sandbox";
    let refused = caller.call::<()>("StartSandbox", &()).unwrap_err();
    assert!(refused.message.contains("Sandbox"), "{}", refused.message);
    host.end().await;
}

#[tokio::test]
async fn a_container_that_waits_is_deleted_and_a_further_process_is_waited_for() {
    let mut host = Host::start();
    let keeper = host.container(&["sleep", "600"]);
    let sandbox = keeper.id.clone();
    host.tasks.run(keeper).await.unwrap();
    let mut caller = Caller::of(&host, &sandbox, proto::service::TASK_V2);

    let (id, request) = bundle(&mut host, &["sleep", "600"]);
    let _: api::CreateTaskResponse = caller.call("Create", &request).unwrap();
    let delete = api::DeleteRequest {
        id: id.to_string(),
        ..api::DeleteRequest::default()
    };
    let deleted: api::DeleteResponse = caller.call("Delete", &delete).unwrap();
    assert_eq!(deleted.exit_status, 137);

    let process = crate::host::process(&["sh", "-c", "exit 8"]);
    let exec = api::ExecProcessRequest {
        id: sandbox.to_string(),
        exec_id: "further".to_owned(),
        spec: Some(proto::prost_types::Any {
            type_url: "types.containerd.io/opencontainers/runtime-spec/1/Process".to_owned(),
            value: serde_json::to_vec(&process).unwrap(),
        }),
        ..api::ExecProcessRequest::default()
    };
    let () = caller.call("Exec", &exec).unwrap();
    let start = api::StartRequest {
        id: sandbox.to_string(),
        exec_id: "further".to_owned(),
    };
    let _: api::StartResponse = caller.call("Start", &start).unwrap();
    let status = host
        .event(|event| match &event.kind {
            task::EventKind::ExecExited { status, .. } => Some(status.clone()),
            _ => None,
        })
        .await;
    assert_eq!(status.code, Some(8));
    host.tasks.kill(&sandbox, None, Signal::KILL).await.unwrap();
    host.exit(&sandbox).await;
    host.end().await;
}
