//! Questions to a container's name server, put from within its network.

use domain::base::iana::Rtype;
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::AllRecordData;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

const SERVER: &str = "127.0.0.11:53";
const PATIENCE: Duration = Duration::from_secs(20);

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// 0: no error, 2: the server failed, 3: there is no such name.
    pub(super) code: u8,
    pub(super) records: Vec<String>,
    pub(super) is_cut: bool,
}

fn question(name: &str, kind: &str, id: u16, edns: Option<u16>) -> Vec<u8> {
    let name: Name<Vec<u8>> = name.parse().expect("a name");
    let kind: Rtype = kind.parse().expect("a type");
    let mut builder = MessageBuilder::new_vec().question();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    builder.push((name, kind)).expect("there is room");
    let mut builder = builder.additional();
    if let Some(size) = edns {
        let sized = builder.opt(|opt| {
            opt.set_udp_payload_size(size);
            Ok(())
        });
        sized.expect("there is room");
    }
    builder.finish()
}

fn read(bytes: &[u8]) -> Answer {
    let message = Message::from_slice(bytes).expect("a message");
    let records = message.answer().expect("a section");
    let records = records.limit_to::<AllRecordData<_, _>>();
    Answer {
        code: message.header().rcode().to_int(),
        records: records
            .map(|record| record.expect("a record").data().to_string())
            .collect(),
        is_cut: message.header().tc(),
    }
}

/// Runs `work` in the network of the process `pid`.
fn within<T: Send + 'static>(pid: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let namespace = File::open(format!("/proc/{pid}/ns/net")).expect("it lives");
    let thread = std::thread::spawn(move || {
        let network = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(namespace.as_fd(), network)
            .expect("it may be joined");
        work()
    });
    thread.join().expect("it does not panic")
}

fn datagrams() -> UdpSocket {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a port");
    socket.connect(SERVER).expect("an address");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket
}

fn by_datagram(pid: &str, query: Vec<u8>) -> Answer {
    exchange(pid, query, PATIENCE).expect("an answer")
}

fn exchange(pid: &str, query: Vec<u8>, patience: Duration) -> Option<Answer> {
    let bytes = within(pid, move || {
        let socket = datagrams();
        let patience = Some(patience);
        socket.set_read_timeout(patience).expect("a socket");
        socket.send(&query).expect("it is sent");
        let mut bytes = vec![0; 65_536];
        let length = socket.recv(&mut bytes).ok()?;
        bytes.truncate(length);
        assert_eq!(bytes[..2], query[..2], "it is the answer to this question");
        Some(bytes)
    });
    bytes.map(|bytes| read(&bytes))
}

/// The answer, if one comes soon.
pub(super) fn ask_once(pid: &str, name: &str, kind: &str) -> Option<Answer> {
    exchange(
        pid,
        question(name, kind, 6, None),
        Duration::from_millis(500),
    )
}

pub(super) fn ask(pid: &str, name: &str, kind: &str) -> Answer {
    by_datagram(pid, question(name, kind, 7, None))
}

pub(super) fn ask_with_edns(pid: &str, name: &str, kind: &str, size: u16) -> Answer {
    by_datagram(pid, question(name, kind, 8, Some(size)))
}

pub(super) fn ask_by_stream(pid: &str, name: &str, kind: &str) -> Answer {
    let query = question(name, kind, 9, None);
    let bytes = within(pid, move || {
        let mut stream = TcpStream::connect(SERVER).expect("a connection");
        let length = u16::try_from(query.len()).expect("a short question");
        stream.write_all(&length.to_be_bytes()).expect("it is sent");
        stream.write_all(&query).expect("it is sent");
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("an answer");
        let mut bytes = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut bytes).expect("an answer");
        bytes
    });
    read(&bytes)
}

/// Addresses of both families, asked for at once from one socket.
pub(super) fn ask_both(pid: &str, name: &str) -> Vec<String> {
    let queries = [
        question(name, "A", 1, None),
        question(name, "AAAA", 2, None),
    ];
    let answers = within(pid, move || {
        let socket = datagrams();
        for query in &queries {
            socket.send(query).expect("it is sent");
        }
        let answer = || {
            let mut bytes = vec![0; 512];
            let length = socket.recv(&mut bytes).expect("an answer");
            bytes.truncate(length);
            bytes
        };
        let mut answers = [answer(), answer()];
        answers.sort();
        answers
    });
    answers
        .iter()
        .flat_map(|bytes| read(bytes).records)
        .collect()
}
