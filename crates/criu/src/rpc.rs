//! CRIU's own messages, generated.
#![expect(
    missing_docs,
    clippy::doc_markdown,
    reason = "generated from CRIU's definitions, which document the fields"
)]

include!(concat!(env!("OUT_DIR"), "/rpc.rs"));
