//! What a layer's entries are applied to.

use erofs::{Metadata, Node};
use std::io::Read;

use crate::error::Refusal;

/// What a name that begins with `.wh.` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// That something of a lower layer is hidden.
    AreWhiteouts,
    /// Nothing: it is a file's name like any other.
    AreFiles,
}

/// Takes entries in the archive's order, each applied as extraction would.
pub(super) trait Sink {
    fn marks(&self) -> Marks {
        Marks::AreWhiteouts
    }
    fn directory(&mut self, path: &[u8], metadata: Metadata) -> Result<(), Refusal>;
    fn file(
        &mut self,
        path: &[u8],
        metadata: Metadata,
        contents: &mut dyn Read,
    ) -> Result<(), Refusal>;
    fn symlink(&mut self, path: &[u8], target: &[u8], metadata: &Metadata) -> Result<(), Refusal>;
    fn node(&mut self, path: &[u8], node: Node, metadata: &Metadata) -> Result<(), Refusal>;
    fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Refusal>;
    fn whiteout(&mut self, path: &[u8]) -> Result<(), Refusal>;
    fn opaque(&mut self, path: &[u8]) -> Result<(), Refusal>;
}
