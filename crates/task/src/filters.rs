//! Filters of system calls, compiled once for all containers that ask for the same.

use oci::runtime::{Seccomp, Spec};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// So many different filters are kept.
const KEPT: usize = 16;

/// The filters compiled last.
#[derive(Debug, Default)]
pub(crate) struct Filters(Mutex<VecDeque<(Seccomp, Arc<Vec<u8>>)>>);

impl Filters {
    /// Takes the filter out of `spec` and gives it compiled: the flags, then the instructions.
    ///
    /// One that needs a supervisor stays, and so does one that cannot be compiled: the shim
    /// says why.
    pub(crate) fn take(&self, spec: &mut Spec) -> Option<Arc<Vec<u8>>> {
        let linux = spec.linux.as_mut()?;
        let asked = linux.seccomp.as_ref()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|(filter, _)| filter == asked);
        if let Some((_, compiled)) = found {
            let compiled = Arc::clone(compiled);
            linux.seccomp = None;
            return Some(compiled);
        }
        let program = seccomp::compile(asked).ok()?;
        if program.listener() {
            return None;
        }
        let mut bytes = program.flags().to_ne_bytes().to_vec();
        bytes.extend(program.to_bytes());
        let compiled = Arc::new(bytes);
        kept.truncate(KEPT - 1);
        kept.push_front((linux.seccomp.take()?, Arc::clone(&compiled)));
        Some(compiled)
    }
}
