//! The sandbox: everything the shim holds, and the loop that serves it.

use crate::ahead::{Ahead, Rest};
use crate::connection::{Call, Connection};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::place::Place;
use crate::poll::{Interest, Poll, Ready, Token};
use crate::process::{Life, Process, reap_orphans};
use crate::streams::{Notice, Streams};
use cgroup::{Cgroup, Hierarchies};
use proto::{Response, Status};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long nothing must happen before memory is given back.
const IDLE: Duration = Duration::from_millis(50);
/// How long the path socket may be missing while there is a caller anyway: a short container has
/// ended by then, and the socket is never made. Whoever looks for it meanwhile waits.
const UNHEARD: Duration = Duration::from_millis(20);

/// A container of the sandbox.
#[derive(Debug)]
pub(crate) struct Container {
    /// Its init's key.
    pub init: u32,
    /// Its further processes' keys.
    pub execs: BTreeMap<String, u32>,
    /// The directory of its configuration.
    pub bundle: PathBuf,
    /// Its own directory, which gets the exit record.
    pub directory: Option<PathBuf>,
    /// Its limits.
    pub cgroup: Cgroup,
    /// It is frozen.
    pub paused: bool,
    /// It has a pid namespace of its own, which ends with its init.
    pub own_pids: bool,
    /// How often the kernel had killed for want of memory when it was last looked.
    pub oom_kills: u64,
    /// Its mount namespace, if nothing of the host's is mounted there: who holds it to the end
    /// takes the mounts apart, which is not to be waited for.
    pub mounts: Option<OwnedFd>,
    /// It is removed by its end: its exit record need not outlive a loss of power.
    pub auto_remove: bool,
    /// What of its files is written once it runs.
    pub unwritten: Option<Unwritten>,
}

/// Files of a container that only others than its own start need.
#[derive(Debug)]
pub(crate) struct Unwritten {
    /// The OCI configuration.
    pub config: Option<Vec<u8>>,
    /// The compiled filter.
    pub seccomp: Option<Vec<u8>>,
}

/// A call that is answered when something happens.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Whose call.
    pub connection: u32,
    /// Which of its calls.
    pub stream: u32,
    /// For what.
    pub what: Awaited,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The end of a process.
    Exit(u32),
    /// An event after this number.
    Event(u64),
}

/// What a call is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// This, with descriptors.
    Now(Response, Vec<OwnedFd>),
    /// Once this has happened.
    When(Awaited),
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) place: Place,
    pub(crate) poll: Rc<Poll>,
    pub(crate) streams: Streams,
    pub(crate) events: Events,
    // Boxed: a map of few has room for eleven.
    pub(crate) containers: BTreeMap<Rc<str>, Box<Container>>,
    pub(crate) processes: BTreeMap<u32, Box<Process>>,
    pub(crate) connections: BTreeMap<u32, Box<Connection>>,
    pub(crate) waiters: Vec<Waiter>,
    /// The last key given to anything.
    keys: u32,
    /// It has had a container, or failed to make one.
    pub(crate) used: bool,
    /// A caller asked it to end.
    pub(crate) shutdown: bool,
    /// Where cgroups are, once that was looked for.
    pub(crate) hierarchies: Option<Hierarchies>,
    /// What the first container need not make.
    pub(crate) ahead: Option<Ahead>,
    /// What of that it has: to be let go when there is time.
    pub(crate) spent: Option<Rest>,
    children: OwnedFd,
    orphans: bool,
    listener: Option<OwnedFd>,
}

/// What a sandbox needs whichever it is.
#[derive(Debug)]
pub(crate) struct Parts {
    poll: Rc<Poll>,
    children: OwnedFd,
    streams: Streams,
}

impl Parts {
    /// Makes what must be there.
    pub(crate) fn make() -> Result<Self> {
        let failed = |action| Error::io(action, Path::new("the event loop"));
        let poll = Rc::new(Poll::new().map_err(failed("make"))?);
        let children = sys::children::watch().map_err(failed("watch children in"))?;
        poll.add(&children, Token::Children, Interest::READ)
            .map_err(failed("watch children in"))?;
        let streams = Streams::new(Rc::clone(&poll)).map_err(failed("make buffers of"))?;
        Ok(Self {
            poll,
            children,
            streams,
        })
    }
}

impl Sandbox {
    /// An empty one, at its place.
    pub(crate) fn new(place: Place, parts: Parts) -> Self {
        Self {
            place,
            poll: parts.poll,
            streams: parts.streams,
            events: Events::after(0),
            containers: BTreeMap::new(),
            processes: BTreeMap::new(),
            connections: BTreeMap::new(),
            waiters: Vec::new(),
            keys: 0,
            used: false,
            shutdown: false,
            hierarchies: None,
            ahead: None,
            spent: None,
            children: parts.children,
            orphans: false,
            listener: None,
        }
    }

    /// A key that nothing else has.
    pub(crate) fn key(&mut self) -> u32 {
        self.keys = self.keys.wrapping_add(1);
        self.keys
    }

    /// Serves a caller at the other end of `socket`.
    pub(crate) fn connect(&mut self, socket: OwnedFd) -> Result<()> {
        let key = self.key();
        self.poll
            .add(&socket, Token::Connection(key), Interest::READ)
            .map_err(Error::io("watch", Path::new("a connection")))?;
        self.connections
            .insert(key, Box::new(Connection::new(socket)));
        Ok(())
    }

    /// Serves callers of the path socket too.
    fn listen(&mut self) -> Result<()> {
        let listener = self.place.listen()?;
        self.poll
            .add(&listener, Token::Listener, Interest::READ)
            .map_err(Error::io("watch", Path::new("the path socket")))?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Serves until there is nothing to hold any more.
    //
    // What it calls is never inlined: the stack that creating a container needs would be part of
    // the frame that waits, and stay with every idle shim.
    pub(crate) fn run(&mut self) -> Result<()> {
        let (mut events, mut ready) = (Vec::with_capacity(32), Vec::with_capacity(32));
        let mut since = None;
        while !self.is_finished() {
            let unheard = self.is_unheard();
            let timeout = match unheard {
                true => Some(UNHEARD),
                false => self.timeout(),
            };
            since = unheard.then(|| since.unwrap_or_else(Instant::now));
            self.poll
                .wait(&mut events, &mut ready, timeout)
                .map_err(Error::io("wait for", Path::new("events")))?;
            self.attend(&ready);
            if ready.is_empty() && !unheard {
                self.rest()?;
                sys::memory::trim_stack();
            }
            let waited = since.is_some_and(|since| since.elapsed() >= UNHEARD);
            let asked = ready.is_empty() || waited || self.connections.is_empty();
            if unheard && asked && self.is_unheard() {
                self.listen()?;
            }
        }
        Ok(())
    }

    /// Serves what is ready.
    #[inline(never)]
    fn attend(&mut self, ready: &[Ready]) {
        for ready in ready {
            self.serve(*ready);
        }
        self.end_drains();
        self.answer_waiters();
    }

    /// Whether it has a container, and callers of the path socket are not served yet.
    fn is_unheard(&self) -> bool {
        self.listener.is_none() && !self.containers.is_empty()
    }

    fn is_finished(&self) -> bool {
        let behind = self.connections.values().any(|held| held.is_behind());
        let served = self.containers.is_empty() && !self.streams.has_clients();
        let left = self.used || self.connections.is_empty();
        !behind && (self.shutdown || (served && left))
    }

    fn timeout(&self) -> Option<Duration> {
        let drains = self
            .processes
            .values()
            .filter_map(|process| match process.life {
                Life::Draining(_, until) => Some(until.saturating_duration_since(Instant::now())),
                _ => None,
            });
        let waiting = self
            .containers
            .values()
            .any(|held| held.unwritten.is_some() || self.has_spent_mounts(held));
        let waiting = waiting || self.spent.is_some();
        let idle = (self.streams.is_used() || self.orphans || waiting).then_some(IDLE);
        drains.chain(idle).min()
    }

    /// Does what can wait until nothing else is to be done.
    #[inline(never)]
    fn rest(&mut self) -> Result<()> {
        if self.orphans {
            self.orphans = false;
            let ours = |pid| self.processes.values().any(|process| process.pid == pid);
            reap_orphans(ours).map_err(Error::io("reap", Path::new("orphans")))?;
        }
        self.write_files();
        self.release_mounts();
        self.spent = None;
        for container in self.containers.values_mut() {
            container.cgroup.close_doors();
        }
        self.streams.release();
        sys::memory::trim_heap();
        Ok(())
    }

    fn serve(&mut self, ready: Ready) {
        match ready.token {
            Token::Listener => self.accept(),
            Token::Children => self.child_ended(),
            Token::Connection(key) => self.connection_ready(key, ready),
            Token::Process(key) => self.process_ready(key),
            Token::Memory(_) => {}
            Token::Stdout(_) | Token::Stderr(_) | Token::Stdin(_) | Token::Client(_) => {
                match self.streams.ready(ready) {
                    Ok(notices) => self.notice(notices),
                    Err(error) => self.place.report("cannot serve a stream", &error),
                }
            }
        }
    }

    pub(crate) fn notice(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            match notice {
                Notice::Drained(key) => self.finish_drained(key),
                Notice::Detached(key) => self.detached(key),
            }
        }
    }

    fn child_ended(&mut self) {
        let mut report = [0; 128];
        self.orphans |= rustix::io::read(&self.children, &mut report).is_ok();
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        let flags = rustix::net::SocketFlags::CLOEXEC;
        match rustix::net::accept_with(listener, flags) {
            Ok(socket) => {
                if let Err(error) = self.connect(socket) {
                    self.place.report("cannot serve a caller", &error);
                }
            }
            Err(error) => self.place.report("cannot accept a caller", &error),
        }
    }

    fn connection_ready(&mut self, key: u32, ready: Ready) {
        let served = self.serve_connection(key, ready);
        if served {
            return;
        }
        if let Some(connection) = self.connections.remove(&key) {
            drop(self.poll.remove(&connection));
        }
        self.waiters.retain(|waiter| waiter.connection != key);
    }

    /// False once the connection is of no use.
    fn serve_connection(&mut self, key: u32, ready: Ready) -> bool {
        if ready.write && !ready.gone && !self.send(key) {
            return false;
        }
        if !ready.read {
            return true;
        }
        let buffer = self.streams.buffer();
        let open = match self.connections.get_mut(&key) {
            Some(connection) => connection.receive(buffer).unwrap_or(false),
            None => return true,
        };
        loop {
            let Some(connection) = self.connections.get_mut(&key) else {
                return true;
            };
            match connection.next_call() {
                Ok(Some(call)) => self.call(key, call),
                Ok(None) => return open,
                Err(error) => {
                    self.place.report("cannot read a request", &error);
                    return false;
                }
            }
        }
    }

    fn call(&mut self, connection: u32, call: Call) {
        let stream = call.stream;
        match self.handle(connection, &call) {
            Ok(Answer::Now(response, descriptors)) => {
                self.answer(connection, stream, &response, descriptors);
            }
            Ok(Answer::When(what)) => self.waiters.push(Waiter {
                connection,
                stream,
                what,
            }),
            Err(status) => self.answer(connection, stream, &refusal(status), Vec::new()),
        }
    }

    fn handle(&mut self, connection: u32, call: &Call) -> std::result::Result<Answer, Status> {
        let request = &call.request;
        match request.service.as_str() {
            proto::service::SHIM => self.own_service(connection, request),
            proto::service::TASK_V2 | proto::service::TASK_V3 => self.task_service(request),
            other => Err(proto::failure(
                proto::Code::Unimplemented,
                format!("service {other} is not served by corten's shim"),
            )),
        }
    }

    /// Answers a call, if its caller is still there.
    pub(crate) fn answer(
        &mut self,
        key: u32,
        stream: u32,
        response: &Response,
        descriptors: Vec<OwnedFd>,
    ) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let answered = connection.answer(stream, response, descriptors);
        if answered.is_err() {
            drop(self.poll.remove(&*connection));
            self.connections.remove(&key);
            return;
        }
        self.watch_connection(key);
    }

    fn send(&mut self, key: u32) -> bool {
        let sent = match self.connections.get_mut(&key) {
            Some(connection) => connection.send().is_ok(),
            None => true,
        };
        self.watch_connection(key);
        sent
    }

    fn watch_connection(&mut self, key: u32) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.watch(&self.poll, Token::Connection(key));
        }
    }

    fn answer_waiters(&mut self) {
        let mut rest = Vec::new();
        for waiter in std::mem::take(&mut self.waiters) {
            match self.awaited(waiter.what) {
                Some(response) => {
                    self.answer(waiter.connection, waiter.stream, &response, Vec::new());
                }
                None => rest.push(waiter),
            }
        }
        self.waiters = rest;
    }

    fn awaited(&self, what: Awaited) -> Option<Response> {
        match what {
            Awaited::Exit(key) => self.awaited_exit(key),
            Awaited::Event(after) => {
                let events = self.events.since(after);
                let answer = proto::shim::EventsResponse { events };
                (!answer.events.is_empty()).then(|| proto::body(&answer))
            }
        }
    }
}

/// An answer that is an error.
fn refusal(status: Status) -> Response {
    Response {
        status: Some(status),
        payload: Vec::new(),
    }
}
