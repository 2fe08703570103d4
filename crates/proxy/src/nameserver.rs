//! Serving a sandbox's name server.

use crate::forward::{forward, read_framed, upstreams, write_framed};
use crate::message::{Outcome, Transport, answer, refuse};
use crate::sandbox::Shared;
use domain::base::iana::Rcode;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// Questions of one sandbox that others are asked at a time. COMPAT: as many as dockerd.
const FORWARDED: usize = 1024;
/// Connections of one sandbox at a time.
const CONNECTIONS: usize = 128;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// Longer questions are none.
const QUESTION: usize = 4096;

/// A sandbox's name server: it is served as long as this is there.
#[derive(Debug)]
pub(crate) struct Nameserver {
    _tasks: JoinSet<()>,
}

/// What its tasks share.
struct Service {
    shared: Shared,
    sandbox: String,
    netns: Rc<OwnedFd>,
}

impl Nameserver {
    /// Serves `udp` and the connections to `tcp`.
    pub(crate) fn serve(
        shared: Shared,
        sandbox: &str,
        (udp, tcp, netns): (OwnedFd, OwnedFd, OwnedFd),
    ) -> io::Result<Self> {
        let udp = std::net::UdpSocket::from(udp);
        udp.set_nonblocking(true)?;
        let tcp = std::net::TcpListener::from(tcp);
        tcp.set_nonblocking(true)?;
        let udp = UdpSocket::from_std(udp)?;
        let tcp = TcpListener::from_std(tcp)?;
        let service = Rc::new(Service {
            shared,
            sandbox: sandbox.to_owned(),
            netns: Rc::new(netns),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn_local(datagrams(Rc::clone(&service), Rc::new(udp)));
        tasks.spawn_local(connections(service, tcp));
        Ok(Self { _tasks: tasks })
    }
}

impl Service {
    /// The answer that can be given at once, or else whom to ask.
    fn look(&self, query: &[u8], transport: Transport) -> Outcome {
        let mut server = self.shared.borrow_mut();
        server.turn = server.turn.wrapping_add(1);
        let turn = server.turn;
        match server.sandbox(&self.sandbox) {
            Some(sandbox) => answer(query, transport, (&sandbox, &server.names), turn),
            None => Outcome::Nothing,
        }
    }

    /// The answer of others.
    async fn ask_others(&self, query: Rc<[u8]>, transport: Transport) -> Outcome {
        let upstreams = {
            let mut server = self.shared.borrow_mut();
            let Some(sandbox) = server.sandbox(&self.sandbox) else {
                return Outcome::Nothing;
            };
            upstreams(&sandbox.resolver, server.host.now(), &self.netns)
        };
        match forward(Rc::clone(&query), transport, upstreams).await {
            Some(answer) => Outcome::Answer(answer),
            None => refuse(&query, Rcode::SERVFAIL),
        }
    }
}

async fn datagrams(service: Rc<Service>, socket: Rc<UdpSocket>) {
    let mut forwarded = JoinSet::new();
    // The socket is gone only with the sandbox.
    while socket.readable().await.is_ok() {
        let mut bytes = [0; QUESTION];
        let Ok((length, from)) = socket.try_recv_from(&mut bytes) else {
            continue;
        };
        while forwarded.try_join_next().is_some() {}
        let query = &bytes[..length];
        match service.look(query, Transport::Datagram) {
            Outcome::Answer(answer) => say(&socket, &answer, from),
            Outcome::Forward if forwarded.len() < FORWARDED => {
                let (service, socket) = (Rc::clone(&service), Rc::clone(&socket));
                let query: Rc<[u8]> = query.into();
                forwarded.spawn_local(async move {
                    let asked = service.ask_others(query, Transport::Datagram).await;
                    if let Outcome::Answer(answer) = asked {
                        say(&socket, &answer, from);
                    }
                });
            }
            Outcome::Forward | Outcome::Nothing => {}
        }
    }
}

/// An answer that does not fit into the socket's queue is lost, as datagrams are.
fn say(socket: &UdpSocket, answer: &[u8], to: SocketAddr) {
    drop(socket.try_send_to(answer, to));
}

async fn connections(service: Rc<Service>, listener: TcpListener) {
    let mut connected = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, mostly: others must be given up first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while connected.try_join_next().is_some() {}
        if connected.len() < CONNECTIONS {
            let service = Rc::clone(&service);
            connected.spawn_local(async move {
                // An asker that goes away early is not answered.
                drop(connection(&service, stream).await);
            });
        }
    }
}

async fn connection(service: &Service, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let read = tokio::time::timeout(SILENCE, read_framed(&mut stream)).await;
        let Some(query) = read.map_err(|_| io::ErrorKind::TimedOut)?? else {
            return Ok(());
        };
        let mut outcome = service.look(&query, Transport::Stream);
        if outcome == Outcome::Forward {
            outcome = service.ask_others(query.into(), Transport::Stream).await;
        }
        match outcome {
            Outcome::Answer(answer) => write_framed(&mut stream, &answer).await?,
            Outcome::Forward | Outcome::Nothing => return Ok(()),
        }
    }
}
