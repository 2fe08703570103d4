//! nftables: tables, chains, rules and sets, changed by atomic batches over netlink.
//!
//! Facts: the kernel's `include/uapi/linux/netfilter/nf_tables.h`. A [`Batch`] is carried out
//! whole or not at all.

mod batch;
mod chains;
mod expression;
mod set;

pub use batch::{Batch, Chain, Hook, Layer, Table, elements};
pub use chains::{Based, based};
pub use expression::{
    Checksum, Compare, Direction, Expression, Family, Field, Meta, Register, Verdict,
};
pub use set::{Element, Key, Set};
