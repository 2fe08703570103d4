//! Questions in bytes, and answers in bytes.

use super::*;
use crate::request::{Place, Resolver};
use domain::base::Rtype;
use domain::rdata::AllRecordData;

fn world(forwards: bool) -> (Sandbox, Names) {
    let place = |address: &str, names: &[&str]| Place {
        network: "n".to_owned(),
        network_name: "front".to_owned(),
        addresses: vec![address.parse().unwrap()],
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Place::default()
    };
    let sandbox = |id: String, place: Place| Sandbox {
        id,
        places: vec![place],
        resolver: Resolver {
            forwards,
            ..Resolver::default()
        },
    };
    let mut names = Names::default();
    let own = sandbox("own".to_owned(), place("10.0.0.1", &["own"]));
    names.add(&own);
    for n in 2..60 {
        let address = format!("10.0.0.{n}");
        names.add(&sandbox(n.to_string(), place(&address, &["many"])));
    }
    (own, names)
}

fn question(name: &str, kind: Rtype, edns: Option<u16>) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec().question();
    builder.header_mut().set_id(7);
    builder.header_mut().set_rd(true);
    let name: Name<Vec<u8>> = name.parse().unwrap();
    builder.push((name, kind)).unwrap();
    let mut builder = builder.additional();
    if let Some(size) = edns {
        let sized = builder.opt(|opt| {
            opt.set_udp_payload_size(size);
            Ok(())
        });
        sized.unwrap();
    }
    builder.finish()
}

fn ask(query: &[u8], transport: Transport, turn: usize) -> Message<Vec<u8>> {
    let (sandbox, names) = world(false);
    match answer(query, transport, (&sandbox, &names), turn) {
        Outcome::Answer(bytes) => Message::from_octets(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn records(message: &Message<Vec<u8>>) -> Vec<String> {
    let records = message.answer().unwrap().limit_to::<AllRecordData<_, _>>();
    records
        .map(|record| record.unwrap().data().to_string())
        .collect()
}

#[test]
fn an_answer_repeats_the_question_and_says_that_others_are_asked() {
    let message = ask(&question("OWN", Rtype::A, None), Transport::Datagram, 0);
    assert_eq!(records(&message), ["10.0.0.1"]);
    let header = message.header();
    assert!(header.qr() && header.ra() && header.rd() && header.id() == 7);
    let asked = message.sole_question().unwrap();
    assert_eq!(asked.qname().to_string(), "OWN");
}

#[test]
fn a_name_without_an_address_of_the_family_has_an_empty_answer() {
    for kind in [Rtype::AAAA, Rtype::MX] {
        let message = ask(&question("own", kind, None), Transport::Datagram, 0);
        assert_eq!(message.header().rcode(), Rcode::NOERROR);
        assert!(records(&message).is_empty());
    }
}

#[test]
fn an_address_leads_back_to_the_name_in_its_network() {
    let query = question("1.0.0.10.in-addr.arpa", Rtype::PTR, None);
    let message = ask(&query, Transport::Datagram, 0);
    assert_eq!(records(&message), ["own.front."]);
}

#[test]
fn what_does_not_fit_is_cut_and_asked_for_by_stream() {
    let small = ask(&question("many", Rtype::A, None), Transport::Datagram, 0);
    assert!(small.header().tc());
    assert!(small.as_slice().len() <= 512);
    let query = question("many", Rtype::A, Some(4096));
    let large = ask(&query, Transport::Datagram, 0);
    assert!(!large.header().tc());
    assert_eq!(records(&large).len(), 58);
    assert_eq!(large.opt().unwrap().udp_payload_size(), OURS);
    let stream = ask(&question("many", Rtype::A, None), Transport::Stream, 0);
    assert_eq!(records(&stream).len(), 58);
}

#[test]
fn several_addresses_take_turns_to_be_the_first() {
    let query = question("many", Rtype::A, Some(4096));
    let first = |turn| records(&ask(&query, Transport::Datagram, turn))[0].clone();
    assert_ne!(first(0), first(1));
    assert_eq!(first(0), first(58));
}

#[test]
fn what_nobody_in_the_networks_is_called_is_others_to_answer_if_there_are_any() {
    let query = question("example.com", Rtype::from_int(65_280), None);
    let closed = ask(&query, Transport::Datagram, 0);
    assert_eq!(closed.header().rcode(), Rcode::SERVFAIL);
    let (mut sandbox, names) = world(true);
    let outcome = answer(&query, Transport::Datagram, (&sandbox, &names), 0);
    assert_eq!(outcome, Outcome::Forward);
    sandbox.resolver.single_labels_stay = true;
    let outcome = |name| {
        let query = question(name, Rtype::A, None);
        answer(&query, Transport::Datagram, (&sandbox, &names), 0)
    };
    assert_eq!(outcome("a.b"), Outcome::Forward);
    assert!(matches!(outcome("single"), Outcome::Answer(_)));
}

#[test]
fn what_is_no_question_is_refused_or_passed_over() {
    let (sandbox, names) = world(true);
    let outcome = |bytes: &[u8]| answer(bytes, Transport::Datagram, (&sandbox, &names), 0);
    assert_eq!(outcome(b"short"), Outcome::Nothing);
    let mut response = question("own", Rtype::A, None);
    response[2] |= 0x80;
    assert_eq!(outcome(&response), Outcome::Nothing);
    let query = question("own", Rtype::A, None);
    for length in 12..query.len() {
        assert!(matches!(outcome(&query[..length]), Outcome::Answer(_)));
    }
    // A name that points at itself.
    let mut looped = query[..12].to_vec();
    looped.extend([0xc0, 12, 0, 1, 0, 1]);
    assert!(matches!(outcome(&looped), Outcome::Answer(_)));
}

#[test]
fn reversed_names_are_whole_addresses_or_nothing() {
    let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.";
    assert_eq!(reversed(v6), Some("fd00::1".parse().unwrap()));
    for bad in [
        "0.10.in-addr.arpa",
        "1.2.3.4.5.in-addr.arpa",
        "10.in-addr.arpa",
        "a.b",
        "1.ip6.arpa",
    ] {
        assert_eq!(reversed(bad), None, "{bad}");
    }
}
