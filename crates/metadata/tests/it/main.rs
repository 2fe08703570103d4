//! The database over a file, over faults, and after crashes.

#![cfg(test)]

mod backend;
mod batches;
mod crash;
mod journal;
mod records;
mod versions;

use metadata::Record;
use serde::{Deserialize, Serialize};

/// A record of these tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Thing {
    name: String,
    count: u64,
}

impl Record for Thing {
    const TABLE: &'static str = "things";
    const VERSION: u16 = 2;

    fn upgrade(from: u16, mut document: serde_json::Value) -> Option<serde_json::Value> {
        if from != 1 {
            return None;
        }
        let object = document.as_object_mut()?;
        let count = object.remove("number")?;
        object.insert("count".to_owned(), count);
        Some(document)
    }
}

fn thing(count: u64) -> Thing {
    Thing {
        name: format!("thing {count}"),
        count,
    }
}
