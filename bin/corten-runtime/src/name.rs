//! The name by which this program was called.

use std::path::Path;

/// The name by which this program was called: in runc's place it speaks of itself as runc does.
pub(crate) fn of_program() -> String {
    let called = std::env::args_os().next();
    let name = called.as_deref().map(Path::new).and_then(Path::file_name);
    name.map_or_else(
        || env!("CARGO_PKG_NAME").to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}
