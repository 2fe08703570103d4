//! A name server of the host's, or beside it.

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::message_builder::AnswerBuilder;
use domain::base::{Message, MessageBuilder, Ttl, UnknownRecordData};
use domain::rdata::{A, Aaaa, Txt};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use testing::TestHost;

/// A name server in a host's network. It knows one domain.
pub(super) struct Upstream {
    askers: Arc<Mutex<BTreeSet<String>>>,
}

impl Upstream {
    /// Where the machine's `resolv.conf` says that the host's name server is.
    pub(super) fn of_host(host: &TestHost) -> Self {
        let text = std::fs::read_to_string("/etc/resolv.conf").expect("it is there");
        let server = text
            .lines()
            .find_map(|line| line.strip_prefix("nameserver "));
        let server = server.expect("the machine has a name server").trim();
        let loopback = "ip link set lo up; ip addr replace";
        host.in_network(&format!("{loopback} {server}/32 dev lo || true"))
            .success();
        Self::at(host, server)
    }

    /// At an address that the host has.
    pub(super) fn at(host: &TestHost, address: &str) -> Self {
        let askers = Arc::new(Mutex::new(BTreeSet::new()));
        let own: IpAddr = address.parse().expect("an address");
        let (udp, tcp) = host.within_network(move || {
            let udp = UdpSocket::bind((own, 53)).expect("a port");
            (udp, TcpListener::bind((own, 53)).expect("a port"))
        });
        let note = {
            let askers = Arc::clone(&askers);
            move |from: IpAddr| {
                let who = match from.is_loopback() || from == own {
                    true => "the host".to_owned(),
                    false => from.to_string(),
                };
                askers.lock().unwrap().insert(who);
            }
        };
        let note_stream = note.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut bytes) {
                note(from.ip());
                let answer = answer(&bytes[..length], false);
                udp.send_to(&answer, from).expect("it is sent");
            }
        });
        std::thread::spawn(move || {
            while let Ok((mut stream, from)) = tcp.accept() {
                note_stream(from.ip());
                let mut length = [0; 2];
                stream.read_exact(&mut length).expect("a question");
                let mut query = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut query).expect("a question");
                let answer = answer(&query, true);
                let length = u16::try_from(answer.len()).expect("a short answer");
                stream.write_all(&length.to_be_bytes()).expect("it is sent");
                stream.write_all(&answer).expect("it is sent");
            }
        });
        Self { askers }
    }

    /// Who has asked.
    pub(super) fn askers(&self) -> Vec<String> {
        self.askers.lock().unwrap().iter().cloned().collect()
    }
}

fn answer(query: &[u8], by_stream: bool) -> Vec<u8> {
    let message = Message::from_slice(query).expect("a message");
    let question = message.sole_question().expect("a question");
    let name = question.qname().to_string();
    let known = name == "example.com" || name == "large.example.com";
    let rcode = match known {
        true => Rcode::NOERROR,
        false => Rcode::NXDOMAIN,
    };
    let builder = MessageBuilder::new_vec();
    let mut builder = builder.start_answer(message, rcode).expect("there is room");
    let room = match (by_stream, message.opt()) {
        (true, _) => 65_535,
        (false, Some(opt)) => opt.udp_payload_size().max(512),
        (false, None) => 512,
    };
    builder.set_push_limit(room.into());
    if known && push(&mut builder, question.qtype(), &name).is_none() {
        builder.header_mut().set_tc(true);
    }
    builder.finish()
}

fn push(builder: &mut AnswerBuilder<Vec<u8>>, kind: Rtype, name: &str) -> Option<()> {
    let name: domain::base::Name<Vec<u8>> = name.parse().ok()?;
    let head = (name, Class::IN, Ttl::from_secs(1));
    let (own, class, ttl) = head;
    match kind {
        Rtype::A => builder
            .push((own, class, ttl, A::new([192, 0, 2, 7].into())))
            .ok(),
        Rtype::AAAA => {
            let address = "2001:db8::7".parse().ok()?;
            builder.push((own, class, ttl, Aaaa::new(address))).ok()
        }
        Rtype::TXT if own.to_string().starts_with("large") => (0..40).try_for_each(|n| {
            let text = format!("{n:0>60}");
            let data: Txt<Vec<u8>> = Txt::build_from_slice(text.as_bytes()).ok()?;
            builder.push((own.clone(), class, ttl, data)).ok()
        }),
        Rtype::TXT => {
            let data: Txt<Vec<u8>> = Txt::build_from_slice(b"text").ok()?;
            builder.push((own, class, ttl, data)).ok()
        }
        kind => {
            let data = UnknownRecordData::from_octets(kind, vec![1, 2, 3]).ok()?;
            builder.push((own, class, ttl, data)).ok()
        }
    }
}
