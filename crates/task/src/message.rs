//! Between our types and the shim's messages.

use crate::{AdoptedState, Attach, Event, EventKind, ExitStatus, Framing, StdinPolicy};
use proto::shim::{self, Attachment, event};
use std::os::fd::{AsFd as _, BorrowedFd};
use types::{ContainerId, ExecId, Timestamp};

/// What a client wants, and its descriptor beside that.
pub(crate) fn attachments(attach: &[Attach]) -> (Vec<Attachment>, Vec<BorrowedFd<'_>>) {
    attach
        .iter()
        .map(|client| (attachment(client), client.fd.as_fd()))
        .unzip()
}

fn attachment(client: &Attach) -> Attachment {
    let keys = client.detach_keys.as_ref();
    Attachment {
        stdin: client.stdin,
        stdout: client.stdout,
        stderr: client.stderr,
        multiplexed: client.framing == Framing::Multiplexed,
        unread: client.unread.clone(),
        detach_keys: keys.map_or_else(Vec::new, |keys| keys.as_bytes().to_vec()),
    }
}

/// A policy.
pub(crate) fn stdin(policy: StdinPolicy) -> i32 {
    let policy = match policy {
        StdinPolicy::Null => shim::Stdin::Null,
        StdinPolicy::Open => shim::Stdin::Open,
        StdinPolicy::Once => shim::Stdin::Once,
    };
    policy.into()
}

/// How a process ended.
pub(crate) fn exit(exit: &shim::Exit) -> ExitStatus {
    ExitStatus {
        code: exit.code.and_then(|code| u8::try_from(code).ok()),
        at: Timestamp::from_nanos(exit.at),
        oom_killed: exit.oom_killed,
    }
}

/// What a container does.
pub(crate) fn state(container: &shim::Container) -> AdoptedState {
    match (&container.exit, container.started_at) {
        (Some(ended), started) => AdoptedState::Exited {
            status: exit(ended),
            started: (started > 0).then(|| Timestamp::from_nanos(started)),
        },
        (None, 0) => AdoptedState::Created { pid: container.pid },
        (None, started) => AdoptedState::Running {
            pid: container.pid,
            started: Timestamp::from_nanos(started),
            paused: container.paused,
        },
    }
}

/// An event; `None` for one of a kind that a newer shim knows.
pub(crate) fn event(sandbox: &ContainerId, event: shim::Event) -> Option<Event> {
    let exec: Option<ExecId> = match event.exec.as_str() {
        "" => None,
        exec => Some(exec.parse().ok()?),
    };
    let kind = match (event.kind?, exec) {
        (event::Kind::Started(started), None) => EventKind::Started { pid: started.pid },
        (event::Kind::Started(started), Some(exec)) => EventKind::ExecStarted {
            exec,
            pid: started.pid,
        },
        (event::Kind::Exited(ended), None) => EventKind::Exited(exit(&ended)),
        (event::Kind::Exited(ended), Some(exec)) => EventKind::ExecExited {
            exec,
            status: exit(&ended),
        },
        (event::Kind::Oom(_), _) => EventKind::Oom,
        (event::Kind::Paused(_), _) => EventKind::Paused,
        (event::Kind::Resumed(_), _) => EventKind::Resumed,
        (event::Kind::Detached(_), exec) => EventKind::Detached { exec },
    };
    Some(Event {
        sandbox: sandbox.clone(),
        sequence: event.sequence,
        container: event.id.parse().ok()?,
        at: Timestamp::from_nanos(event.at),
        kind,
    })
}
