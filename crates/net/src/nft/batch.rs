//! Changes that are carried out together.

use super::{Element, Expression, Set};
use crate::Error;
use netlink::{Attributes, Flags, Message, Socket};
use std::io;

const SUBSYSTEM: u16 = 10 << 8;
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;
const NEWTABLE: u16 = SUBSYSTEM;
const DELTABLE: u16 = SUBSYSTEM | 2;
const NEWCHAIN: u16 = SUBSYSTEM | 3;
const NEWRULE: u16 = SUBSYSTEM | 6;
const DELRULE: u16 = SUBSYSTEM | 8;
const NEWSET: u16 = SUBSYSTEM | 9;
const NEWSETELEM: u16 = SUBSYSTEM | 12;
const GETSETELEM: u16 = SUBSYSTEM | 13;
const DELSETELEM: u16 = SUBSYSTEM | 14;
/// The first attribute of every message of a table's parts: the table's name.
const TABLE: u16 = 1;

/// `struct nfgenmsg` of a batch's begin and end: the subsystem, in network byte order.
const WHOLE: [u8; 4] = [0, 0, 0, 10];

/// Which packets a table sees (`NFPROTO_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Those of IPv4 and IPv6 (`inet`).
    Internet = 1,
    /// Those that bridges pass on.
    Bridge = 7,
}

/// A table of chains and sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table<'a> {
    /// What it sees.
    pub layer: Layer,
    /// Its name; each layer has its own.
    pub name: &'a str,
}

impl Table<'_> {
    /// The start of a message about a part of it: `struct nfgenmsg`, and its name.
    fn part(&self, kind: u16, flags: Flags) -> Message {
        Message::new(kind, flags, &[self.layer as u8, 0, 0, 0]).with_text(TABLE, self.name)
    }
}

impl<'a> From<&'a str> for Table<'a> {
    /// The table of the Internet's layer.
    fn from(name: &'a str) -> Self {
        let layer = Layer::Internet;
        Self { layer, name }
    }
}

/// Where packets pass a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// As they arrive.
    Prerouting = 0,
    /// On their way to a local program.
    Input = 1,
    /// From one link to another.
    Forward = 2,
    /// From a local program.
    Output = 3,
    /// As they leave.
    Postrouting = 4,
}

/// A chain of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain<'a> {
    /// One that others jump to.
    Regular(&'a str),
    /// One that packets pass by themselves; it accepts what no rule decides.
    Base {
        /// Its name.
        name: &'a str,
        /// `filter`, `nat` or `route`.
        kind: &'a str,
        /// Where packets pass it.
        hook: Hook,
        /// Its place among the chains of that hook, the lowest first.
        priority: i32,
    },
}

/// Changes to one table.
#[derive(Debug)]
pub struct Batch<'a> {
    table: Table<'a>,
    messages: Vec<Message>,
}

impl<'a> Batch<'a> {
    /// No changes yet to `table`.
    pub fn new(table: impl Into<Table<'a>>) -> Self {
        Self {
            table: table.into(),
            messages: vec![Message::new(BEGIN, Flags::BATCH, &WHOLE)],
        }
    }

    fn part(&self, kind: u16, flags: Flags) -> Message {
        self.table.part(kind, flags)
    }

    /// Makes the table; nothing if it is there.
    #[must_use]
    pub fn table(mut self) -> Self {
        self.messages.push(self.part(NEWTABLE, Flags::ENSURE));
        self
    }

    /// Makes the table empty, whether it was there or not.
    #[must_use]
    pub fn fresh_table(self) -> Self {
        self.table().delete_table().table()
    }

    /// Removes the table and all in it.
    #[must_use]
    pub fn delete_table(mut self) -> Self {
        self.messages.push(self.part(DELTABLE, Flags::CHANGE));
        self
    }

    /// Makes a chain; nothing if it is there.
    #[must_use]
    pub fn chain(mut self, chain: Chain<'_>) -> Self {
        let message = self.part(NEWCHAIN, Flags::ENSURE);
        self.messages.push(match chain {
            Chain::Regular(name) => message.with_text(3, name),
            Chain::Base {
                name,
                kind,
                hook,
                priority,
            } => message
                .with_text(3, name)
                .with_nested(4, |m| {
                    m.with_be32(1, hook as u32)
                        .with_be32(2, priority.cast_unsigned())
                })
                .with_text(7, kind),
        });
        self
    }

    /// Adds a rule at the end of `chain`.
    #[must_use]
    pub fn rule(mut self, chain: &str, expressions: &[Expression<'_>]) -> Self {
        let message = self.part(NEWRULE, Flags::APPEND).with_text(2, chain);
        self.messages
            .push(message.with_nested(4, |m| expressions.iter().fold(m, |m, e| e.write(m))));
        self
    }

    /// Removes every rule of `chain`.
    #[must_use]
    pub fn flush(mut self, chain: &str) -> Self {
        self.messages
            .push(self.part(DELRULE, Flags::CHANGE).with_text(2, chain));
        self
    }

    /// Makes a set or map; nothing if it is there.
    #[must_use]
    pub fn set(mut self, set: &Set<'_>) -> Self {
        self.messages
            .push(set.write(self.part(NEWSET, Flags::ENSURE)));
        self
    }

    /// Removes every element of a set.
    #[must_use]
    pub fn empty(mut self, set: &str) -> Self {
        self.messages
            .push(self.part(DELSETELEM, Flags::CHANGE).with_text(2, set));
        self
    }

    /// Adds elements to a set; an error if one is there with other data.
    #[must_use]
    pub fn add(mut self, set: &str, elements: &[Element]) -> Self {
        let message = self.part(NEWSETELEM, Flags::ENSURE).with_text(2, set);
        self.messages.push(Element::write_all(message, elements));
        self
    }

    /// Removes elements from a set; an error if one is not there.
    #[must_use]
    pub fn remove(mut self, set: &str, elements: &[Element]) -> Self {
        let message = self.part(DELSETELEM, Flags::CHANGE).with_text(2, set);
        self.messages.push(Element::write_all(message, elements));
        self
    }

    /// Carries all of it out, or none.
    pub fn commit(mut self, socket: &mut Socket) -> Result<(), Error> {
        self.messages.push(Message::new(END, Flags::BATCH, &WHOLE));
        let table = self.table.name.to_owned();
        socket
            .transaction(self.messages)
            .map_err(|refused| Error::Firewall {
                table,
                change: refused.index,
                source: refused.source,
            })
    }
}

/// The elements of a set; none if there is no such table or set.
pub fn elements(socket: &mut Socket, table: Table<'_>, set: &str) -> Result<Vec<Element>, Error> {
    let mut found = Vec::new();
    let message = table.part(GETSETELEM, Flags::DUMP).with_text(2, set);
    let told = socket.dump(message, |_, body| {
        let attributes = Attributes::new(body.get(WHOLE.len()..).unwrap_or_default());
        found.extend(Element::read_all(&attributes));
    });
    match told {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::Ask {
            what: "a set of its firewall",
            source,
        }),
        Ok(()) => Ok(found),
    }
}
