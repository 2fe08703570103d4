//! What a container changed of its image's files.
#![expect(missing_docs, reason = "fields bear the Engine API's own names")]

use serde::{Deserialize, Serialize};

/// A file that is not as in the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct FilesystemChange {
    pub path: String,
    /// 0: modified, 1: added, 2: deleted.
    pub kind: u8,
}
