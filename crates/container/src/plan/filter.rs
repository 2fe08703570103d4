//! The system call filter, and the agent that answers its notifications.

use crate::Error;
use oci::runtime::{ProcessState, Spec, State};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use sys::seccomp::Instruction;

/// A compiled filter, as it is loaded.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) flags: u32,
    pub(crate) agent: Option<Agent>,
}

/// A seccomp agent, which answers notifications.
#[derive(Debug)]
pub(crate) struct Agent {
    path: PathBuf,
    metadata: String,
}

impl Filter {
    pub(crate) fn plan(
        program: Option<&seccomp::Program>,
        spec: &Spec,
    ) -> Result<Option<Self>, Error> {
        let linux = spec.linux.as_ref();
        let requested = linux.and_then(|linux| linux.seccomp.as_ref());
        let field = "linux.seccomp.listenerPath";
        let Some(program) = program else {
            return Ok(None);
        };
        let flags = program.flags();
        let wanted = flags & sys::seccomp::NEW_LISTENER != 0;
        let agent = requested.filter(|requested| !requested.listener_path.is_empty());
        if wanted && agent.is_none() {
            return Err(Error::invalid(field, "missing, and the filter notifies"));
        }
        Ok(Some(Self {
            instructions: program.filter(),
            flags,
            agent: agent.filter(|_| wanted).map(|requested| Agent {
                path: PathBuf::from(&requested.listener_path),
                metadata: requested.listener_metadata.clone(),
            }),
        }))
    }
}

impl Agent {
    /// Hands the listener to the agent, with the state of the container.
    pub(crate) fn tell(&self, listener: &OwnedFd, pid: i32, state: &State) -> Result<(), Error> {
        let told = ProcessState {
            oci_version: state.oci_version.clone(),
            fds: vec![ProcessState::SECCOMP_FD.to_owned()],
            pid,
            metadata: self.metadata.clone(),
            state: State {
                pid,
                ..state.clone()
            },
        };
        // COMPAT: the words that callers match on.
        let socket = UnixStream::connect(&self.path).map_err(Error::host(
            "failed to connect with seccomp agent",
            &self.path,
        ))?;
        let send = || -> std::io::Result<()> {
            let document = serde_json::to_vec(&told)?;
            sys::socket::send(socket.as_fd(), &document, Some(listener.as_fd()))
        };
        send().map_err(Error::host("hand the seccomp listener to", &self.path))
    }
}
