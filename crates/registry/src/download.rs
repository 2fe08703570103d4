//! A blob on its way: a big one by several requests at once.

pub(crate) mod part;

use crate::{Error, Repository, Split};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use oci::image::Descriptor;
use part::Part;
use std::collections::VecDeque;
use tokio_util::task::AbortOnDropHandle;

/// A blob on its way. Its bytes come in order and exactly once; whoever stores them verifies
/// the digest.
#[derive(Debug)]
pub struct Download {
    repository: Repository,
    descriptor: Descriptor,
    split: Split,
    /// What comes chunk by chunk.
    first: Part,
    /// The stretches after it, each a task that collects its own.
    others: FuturesOrdered<AbortOnDropHandle<Result<Vec<Bytes>, Error>>>,
    /// Where the next stretch begins.
    next: u64,
    /// Chunks of a stretch that is complete.
    collected: VecDeque<Bytes>,
    /// Bytes given so far, with those that were there before.
    at: u64,
}

impl Download {
    pub(crate) fn new(repository: Repository, descriptor: Descriptor, from: u64) -> Self {
        let split = repository.http().settings().split.clone();
        let left = descriptor.size.saturating_sub(from);
        let end = match left >= split.least {
            true => from
                .saturating_add(split.stretch.max(1))
                .min(descriptor.size),
            false => descriptor.size,
        };
        Self {
            first: Part::new(&repository, &descriptor, from..end).extending(),
            others: FuturesOrdered::new(),
            next: end,
            collected: VecDeque::new(),
            at: from,
            repository,
            descriptor,
            split,
        }
    }

    /// Bytes that are here.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next bytes; `None` when all have come.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = self.ordered().await?;
        self.at += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(chunk)
    }

    async fn ordered(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(chunk) = self.first.chunk().await? {
            // Only an answer says whether the server knows ranges.
            self.next = self.next.max(self.first.end());
            self.go_ahead();
            return Ok(Some(chunk));
        }
        loop {
            if let Some(chunk) = self.collected.pop_front() {
                return Ok(Some(chunk));
            }
            self.go_ahead();
            let Some(stretch) = self.others.next().await else {
                return Ok(None);
            };
            let gone = |error: tokio::task::JoinError| Error::Unreachable {
                method: "Get",
                url: self.descriptor.digest.to_string(),
                reason: error.to_string(),
            };
            self.collected.extend(stretch.map_err(gone)??);
        }
    }

    /// Begins stretches, as many as may be on their way.
    fn go_ahead(&mut self) {
        let size = self.descriptor.size;
        while self.others.len() < self.split.ahead && self.next < size {
            let end = self
                .next
                .saturating_add(self.split.stretch.max(1))
                .min(size);
            let part = Part::new(&self.repository, &self.descriptor, self.next..end);
            let collecting = tokio::spawn(part.all());
            self.others.push_back(AbortOnDropHandle::new(collecting));
            self.next = end;
        }
    }
}
