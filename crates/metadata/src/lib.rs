//! The daemon's database: versioned records of intent and the journal of events.
//!
//! It knows one file of tables and a log ahead of it, how records and versions are encoded,
//! and that a commit is durable when it returns. It must not know what any record means. Read first:
//! [`Database`], [`Record`], [`Batch`].

mod batch;
mod change;
mod database;
mod error;
mod journal;
mod lock;
mod log;
mod pending;
mod record;
mod store;
mod transaction;
mod version;

pub use batch::Batch;
pub use database::{Database, Mark};
pub use error::Error;
pub use journal::{Entry, JOURNAL_BOUND, Span};
pub use record::Record;
pub use transaction::{Read, Write};
pub use version::VERSION;
