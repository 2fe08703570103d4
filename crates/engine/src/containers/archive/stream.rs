//! An archive on its way out.

use crate::Error;
use crate::context::blocking;
use std::io::{PipeReader, Read};
use tokio_util::sync::DropGuard;
use types::ContainerId;
use unpack::{Job, Packed};

/// Bytes read at once.
const PIECE: usize = 128 << 10;

/// An archive on its way out. Dropping it ends its worker; while it lives, a container that
/// does not run is not started, for a while: a start ends it.
#[derive(Debug)]
pub struct Archive {
    id: ContainerId,
    inner: Option<Inner>,
}

#[derive(Debug)]
struct Inner {
    pipe: PipeReader,
    job: Job<Packed>,
    _held: DropGuard,
}

impl Archive {
    pub(super) fn new(
        id: ContainerId,
        pipe: PipeReader,
        job: Job<Packed>,
        held: DropGuard,
    ) -> Result<Self, Error> {
        let inner = Some(Inner {
            pipe,
            job,
            _held: held,
        });
        Ok(Self { id, inner })
    }

    /// The next bytes; `None` at the archive's end.
    ///
    /// # Errors
    /// If the files cannot be read on: what was read so far is no whole archive.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some(mut inner) = self.inner.take() else {
            return Ok(None);
        };
        let id = self.id.clone();
        let read = blocking(move || {
            let mut piece = vec![0; PIECE];
            let read = inner.pipe.read(&mut piece);
            let count = read.map_err(Error::io("read the files of", id.as_str().as_ref()))?;
            if count == 0 {
                let packed = inner.job.wait();
                packed.map_err(Error::contents("read", &id))?;
                return Ok(None);
            }
            piece.truncate(count);
            Ok::<_, Error>(Some((piece, inner)))
        });
        Ok(read.await??.map(|(piece, inner)| {
            self.inner = Some(inner);
            piece
        }))
    }
}
