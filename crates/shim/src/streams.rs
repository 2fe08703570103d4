//! All streams of a sandbox: from processes to logs and clients, from clients to processes.

use crate::client::{Client, Wants};
use crate::poll::{Poll, Ready, Token};
use crate::stdio::{Read, Stdio};
use logs::Stream;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use sys::memory::Pages;

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// How much stdin is read at once: it may have to wait here.
const TYPED: usize = 16 << 10;

/// Something that the sandbox must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A process's outputs have ended.
    Drained(u32),
    /// A client left a process by its keys.
    Detached(u32),
}

/// The streams of all processes, by the process's key, and their clients.
#[derive(Debug)]
pub(crate) struct Streams {
    poll: Rc<Poll>,
    stdio: BTreeMap<u32, Box<Stdio>>,
    clients: BTreeMap<u32, Box<Client>>,
    next_client: u32,
    buffer: Pages,
    /// The buffer was used since memory was given back.
    used: bool,
}

impl Streams {
    /// None yet.
    pub(crate) fn new(poll: Rc<Poll>) -> io::Result<Self> {
        Ok(Self {
            poll,
            stdio: BTreeMap::new(),
            clients: BTreeMap::new(),
            next_client: 0,
            buffer: Pages::new(CHUNK)?,
            used: false,
        })
    }

    /// The buffer, for whoever reads something now.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        self.used = true;
        self.buffer.bytes()
    }

    /// Whether there is memory to be given back.
    pub(crate) fn is_used(&self) -> bool {
        self.used
    }

    /// Gives back memory that only a burst needs.
    pub(crate) fn release(&mut self) {
        // The buffer is as good if the kernel keeps its pages.
        drop(self.buffer.release());
        self.stdio.values_mut().for_each(|stdio| stdio.release());
        self.used = false;
    }

    /// Takes up a process's streams; outputs are read from now on.
    pub(crate) fn add(&mut self, key: u32, stdio: Stdio) -> io::Result<()> {
        let stdio = self.stdio.entry(key).insert_entry(Box::new(stdio));
        stdio.into_mut().watch(&self.poll)
    }

    /// A process's streams.
    pub(crate) fn get(&self, key: u32) -> Option<&Stdio> {
        self.stdio.get(&key).map(Box::as_ref)
    }

    /// Forgets a process's streams. Its clients stay until they have read all.
    pub(crate) fn remove(&mut self, key: u32) {
        self.stdio.remove(&key);
    }

    /// Whether clients have still to be served.
    pub(crate) fn has_clients(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Attaches a client to the process `key`; `unread` was read from it before.
    pub(crate) fn attach(
        &mut self,
        key: u32,
        fd: OwnedFd,
        wants: Wants,
        unread: &[u8],
    ) -> io::Result<Vec<Notice>> {
        let mut client = Client::new(fd, key, wants)?;
        if !self.get(key).is_some_and(Stdio::has_input) {
            client.gives = false;
        }
        if self.get(key).is_none_or(Stdio::is_drained) {
            client.finish();
        }
        self.next_client = self.next_client.wrapping_add(1);
        let number = self.next_client;
        self.clients.insert(number, Box::new(client));
        let mut notices = Vec::new();
        if !unread.is_empty() {
            self.typed(number, unread, &mut notices)?;
        }
        self.settle(key)?;
        Ok(notices)
    }

    /// Ends a process's stdin.
    pub(crate) fn end_input(&mut self, key: u32) -> io::Result<()> {
        if let Some(stdio) = self.stdio.get_mut(&key) {
            stdio.end_input(&self.poll)?;
        }
        self.settle(key)
    }

    /// The process has ended: what it wrote is read to the end, however slow its clients are.
    pub(crate) fn process_ended(&mut self, key: u32) -> io::Result<()> {
        if let Some(stdio) = self.stdio.get_mut(&key) {
            stdio.ended = true;
        }
        self.settle(key)
    }

    /// Gives up waiting for an end of a process's outputs, which others keep open: what is
    /// there now is the last of it.
    pub(crate) fn abandon(&mut self, key: u32) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            while self.pump(key, stream) == Read::Bytes(CHUNK) {}
        }
        if let Some(stdio) = self.stdio.get_mut(&key) {
            stdio.abandon();
        }
        self.finish(key)
    }

    /// Serves what is ready.
    pub(crate) fn ready(&mut self, ready: Ready) -> io::Result<Vec<Notice>> {
        let mut notices = Vec::new();
        match ready.token {
            Token::Stdout(key) => self.output(key, Stream::Stdout, &mut notices)?,
            Token::Stderr(key) => self.output(key, Stream::Stderr, &mut notices)?,
            Token::Stdin(key) => {
                if let Some(stdio) = self.stdio.get_mut(&key) {
                    stdio.give_rest(&self.poll)?;
                }
                self.settle(key)?;
            }
            Token::Client(number) => self.client(number, ready, &mut notices)?,
            _ => {}
        }
        Ok(notices)
    }

    fn output(&mut self, key: u32, stream: Stream, notices: &mut Vec<Notice>) -> io::Result<()> {
        if self.pump(key, stream) == Read::End && self.get(key).is_some_and(Stdio::is_drained) {
            notices.push(Notice::Drained(key));
            return self.finish(key);
        }
        self.settle(key)
    }

    /// Moves what one read gives to the log and the clients.
    fn pump(&mut self, key: u32, stream: Stream) -> Read {
        let Some(stdio) = self.stdio.get_mut(&key) else {
            return Read::Nothing;
        };
        self.used = true;
        let buffer = self.buffer.bytes();
        let read = stdio.read(stream, buffer);
        if let Read::Bytes(length) = read {
            let bytes = buffer.get(..length).unwrap_or_default();
            stdio.log(stream, Some(bytes));
            for client in self.clients.values_mut() {
                if client.process == key {
                    client.send(stream, bytes);
                }
            }
        }
        read
    }

    /// No more output comes from this process.
    fn finish(&mut self, key: u32) -> io::Result<()> {
        for client in self.clients.values_mut() {
            if client.process == key {
                client.finish();
            }
        }
        self.settle(key)
    }

    fn client(&mut self, number: u32, ready: Ready, notices: &mut Vec<Notice>) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&number) else {
            return Ok(());
        };
        let key = client.process;
        if ready.write {
            client.flush();
        }
        if client.gives && ready.read {
            self.input(number, notices)?;
        } else if ready.gone {
            client.takes_no_more();
        }
        self.settle(key)
    }

    /// Moves what one read of a client gives to its process.
    fn input(&mut self, number: u32, notices: &mut Vec<Notice>) -> io::Result<()> {
        self.used = true;
        let Some(client) = self.clients.get_mut(&number) else {
            return Ok(());
        };
        let key = client.process;
        let buffer = self.buffer.bytes();
        let chunk = buffer.get_mut(..TYPED).unwrap_or_default();
        match client.read(chunk) {
            None => Ok(()),
            Some(0) => {
                client.gives = false;
                match self.stdio.get_mut(&key) {
                    Some(stdio) => stdio.client_ended(&self.poll),
                    None => Ok(()),
                }
            }
            Some(length) => {
                let typed = chunk.get(..length).unwrap_or_default().to_vec();
                self.typed(number, &typed, notices)
            }
        }
    }

    /// Gives what a client sent to its process.
    fn typed(&mut self, number: u32, bytes: &[u8], notices: &mut Vec<Notice>) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&number).filter(|client| client.gives) else {
            return Ok(());
        };
        let key = client.process;
        let mut passed = Vec::with_capacity(bytes.len());
        if client.filter(bytes, &mut passed) {
            client.gives = false;
            client.takes_no_more();
            notices.push(Notice::Detached(key));
        }
        match self.stdio.get_mut(&key) {
            Some(stdio) => stdio.give(&self.poll, &passed),
            None => Ok(()),
        }
    }

    /// Watches the process's outputs and clients for what can go on now, and closes clients
    /// that are done.
    fn settle(&mut self, key: u32) -> io::Result<()> {
        let stdio = self.stdio.get_mut(&key);
        let full = stdio.as_ref().is_none_or(|stdio| stdio.input_is_full());
        let mut behind = 0;
        let mut done = Vec::new();
        for (number, client) in &mut self.clients {
            if client.process != key {
                continue;
            }
            if client.is_done() {
                done.push(*number);
                continue;
            }
            behind = behind.max(client.behind());
            watch(&self.poll, *number, client, full)?;
        }
        for number in done {
            if let Some(client) = self.clients.remove(&number) {
                client.close();
            }
        }
        match stdio {
            Some(stdio) => stdio.balance(&self.poll, behind),
            None => Ok(()),
        }
    }
}

/// Watches a client for what it is to be watched for.
fn watch(poll: &Poll, number: u32, client: &mut Client, full: bool) -> io::Result<()> {
    let wanted = client.interest(full);
    let watched = *client.watched();
    let token = Client::token(number);
    match (watched, wanted) {
        (None, Some(interest)) => match poll.add(&*client, token, interest) {
            // A file takes everything at once, and has nothing to wait for.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            added => added?,
        },
        (Some(_), None) => poll.remove(&*client)?,
        (Some(was), Some(interest)) if was != interest => poll.change(&*client, token, interest)?,
        _ => {}
    }
    *client.watched() = wanted;
    Ok(())
}
