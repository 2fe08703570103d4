//! The events: kept in the journal, told to those who watch.

use crate::{Error, Event, EventType};
use metadata::{Batch, Database, Entry, Mark, Span};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::task::TaskTracker;
use types::Timestamp;

/// How many events a slow watcher may be behind before it reads the journal.
const BEHIND: usize = 1_024;

/// How long an event waits for another's commit.
const MOMENT: Duration = Duration::from_millis(50);

/// When what is kept is made durable, unless a commit does so before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durable {
    /// At once, while its caller goes on.
    Now,
    /// After a moment: nothing waits for it.
    Soon,
}

/// Events, and when each happened.
type Happened = Vec<(Timestamp, Event)>;

/// The events of this daemon and those before it on this root.
#[derive(Clone, Debug)]
pub struct Events {
    database: Arc<Database>,
    live: broadcast::Sender<Arc<Entry<Event>>>,
    tracker: TaskTracker,
    waiting: Arc<Mutex<Happened>>,
    told: Arc<AtomicU64>,
    /// Whether a task will make durable what is kept.
    syncing: Arc<AtomicBool>,
}

impl Events {
    pub(crate) fn new(database: Arc<Database>, tracker: TaskTracker) -> Self {
        Self {
            database,
            tracker,
            live: broadcast::Sender::new(BEHIND),
            waiting: Arc::default(),
            told: Arc::default(),
            syncing: Arc::default(),
        }
    }

    /// Records that objects without use were removed.
    pub fn record_prune(&self, of: EventType, reclaimed: u64) {
        self.record(Event::prune(of, reclaimed));
    }

    /// Records that the daemon's configuration was read again, and what holds now.
    pub fn record_reload(&self, daemon: &str, attributes: BTreeMap<String, String>) {
        self.record(Event {
            object: EventType::Daemon,
            action: "reload".to_owned(),
            id: daemon.to_owned(),
            attributes,
        });
    }

    /// How many events this daemon has told, and how many listen now.
    pub fn counts(&self) -> (u64, usize) {
        let told = self.told.load(Ordering::Relaxed);
        (told, self.live.receiver_count())
    }

    /// Past entries of `span`, then those to come until its end.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn subscribe(&self, span: Span) -> Result<Subscription, Error> {
        // First listen, then read: what happens between is in both, and told once.
        let live = self.live.subscribe();
        // COMPAT: an end alone asks for what was, too.
        let bounded = span.since.or(span.until).is_some();
        let past = if bounded || span.after.is_some() {
            self.past(&span)?
        } else {
            Vec::new()
        };
        let after = past.last().map(|entry| entry.sequence).or(span.after);
        Ok(Subscription {
            events: self.clone(),
            span,
            past: past.into(),
            after,
            live,
        })
    }

    /// The journal's entries of `span`, the oldest first.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn past(&self, span: &Span) -> Result<Vec<Entry<Event>>, Error> {
        self.database
            .read(|read| read.entries(span))
            .map_err(Error::store("read the events"))
    }

    /// Records an event of which nothing durable depends: the next commit takes it along, or
    /// one of its own after a moment.
    pub(crate) fn record_later(&self, event: Event) {
        let mut waiting = self.lock();
        waiting.push((Timestamp::now(), event));
        if waiting.len() > 1 {
            // Whoever came first sees to it.
            return;
        }
        drop(waiting);
        let events = self.clone();
        self.tracker.spawn(async move {
            tokio::time::sleep(MOMENT).await;
            if let Err(error) = events.keep(Batch::new(), Vec::new(), Durable::Soon) {
                tracing::warn!(%error, "cannot record an event");
            }
        });
    }

    /// Puts an event on record and tells it. What it tells of is done, whether a disk takes it
    /// or not.
    pub(crate) fn record(&self, event: Event) {
        if let Err(error) = self.keep(Batch::new(), vec![event], Durable::Soon) {
            tracing::warn!(%error, "cannot record an event");
        }
    }

    /// Makes the changes of `batch` durable with `events` and those that wait, then tells
    /// these.
    pub(crate) async fn commit(
        &self,
        batch: Batch,
        events: Vec<Event>,
    ) -> Result<(), metadata::Error> {
        let Some((batch, all)) = self.gather(batch, events)? else {
            return Ok(());
        };
        let database = Arc::clone(&self.database);
        let sequences = match crate::context::waiting(move || database.commit(batch)).await {
            Ok(committed) => committed?,
            Err(stopping) => return Err(metadata::Error::interrupted(stopping)),
        };
        self.tell(all, sequences);
        Ok(())
    }

    /// Like [`Self::commit`], but what outlives this daemon when this returns outlives a loss of
    /// power only later.
    pub(crate) fn keep(
        &self,
        batch: Batch,
        events: Vec<Event>,
        durable: Durable,
    ) -> Result<(), metadata::Error> {
        let Some((batch, all)) = self.gather(batch, events)? else {
            return Ok(());
        };
        let sequences = self.database.append(batch)?;
        self.tell(all, sequences);
        self.sync_behind(durable);
        Ok(())
    }

    /// Marks what was kept until now.
    pub(crate) fn mark(&self) -> Mark {
        self.database.mark()
    }

    /// Makes durable what was kept until `mark`.
    pub(crate) async fn sync(&self, mark: Mark) -> Result<(), metadata::Error> {
        if self.database.is_synced_to(mark) {
            return Ok(());
        }
        let database = Arc::clone(&self.database);
        match crate::context::waiting(move || database.sync_to(mark)).await {
            Ok(synced) => synced,
            Err(stopping) => Err(metadata::Error::interrupted(stopping)),
        }
    }

    fn sync_behind(&self, durable: Durable) {
        let database = Arc::clone(&self.database);
        match durable {
            // A thread begins at once: not only when this one has answered its caller.
            Durable::Now => drop(
                self.tracker
                    .spawn_blocking(move || settled(database.sync())),
            ),
            Durable::Soon => self.sync_soon(database),
        }
    }

    fn sync_soon(&self, database: Arc<Database>) {
        if self.syncing.swap(true, Ordering::Relaxed) {
            return;
        }
        let events = self.clone();
        self.tracker.spawn(async move {
            tokio::time::sleep(MOMENT).await;
            events.syncing.store(false, Ordering::Relaxed);
            let settle = move || database.sync().and_then(|()| database.checkpoint());
            if let Ok(done) = crate::context::blocking(settle).await {
                settled(done);
            }
        });
    }

    /// `batch` with `events` and those that wait, and when each happened; `None` if that is
    /// nothing.
    fn gather(
        &self,
        mut batch: Batch,
        events: Vec<Event>,
    ) -> Result<Option<(Batch, Happened)>, metadata::Error> {
        let now = Timestamp::now();
        let mut all = std::mem::take(&mut *self.lock());
        all.extend(events.into_iter().map(|event| (now, event)));
        if all.is_empty() && batch.is_empty() {
            return Ok(None);
        }
        for (at, event) in &all {
            batch.append(*at, event)?;
        }
        Ok(Some((batch, all)))
    }

    fn tell(&self, all: Happened, sequences: Vec<u64>) {
        self.told.fetch_add(all.len() as u64, Ordering::Relaxed);
        for ((at, event), sequence) in all.into_iter().zip(sequences) {
            // Nobody watching is no failure.
            drop(self.live.send(Arc::new(Entry {
                sequence,
                at,
                event,
            })));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Happened> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watcher's place among the events.
#[derive(Debug)]
pub struct Subscription {
    events: Events,
    span: Span,
    past: VecDeque<Entry<Event>>,
    after: Option<u64>,
    live: broadcast::Receiver<Arc<Entry<Event>>>,
}

impl Subscription {
    /// The next event; `None` at the end of the span, or when the daemon stops.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn next(&mut self) -> Result<Option<Entry<Event>>, Error> {
        loop {
            if let Some(entry) = self.past.pop_front() {
                return Ok(Some(entry));
            }
            let Some(remaining) = self.remaining() else {
                return Ok(None);
            };
            let received = match remaining {
                Some(remaining) => match tokio::time::timeout(remaining, self.live.recv()).await {
                    Ok(received) => received,
                    Err(_) => return Ok(None),
                },
                None => self.live.recv().await,
            };
            match received {
                Ok(entry) if self.after.is_some_and(|after| entry.sequence <= after) => {}
                Ok(entry) => return Ok(Some((*entry).clone())),
                Err(RecvError::Closed) => return Ok(None),
                Err(RecvError::Lagged(_)) => self.catch_up()?,
            }
        }
    }

    /// The time until the span ends, `Some(None)` if it does not; `None` if it has ended.
    fn remaining(&self) -> Option<Option<Duration>> {
        let Some(until) = self.span.until else {
            return Some(None);
        };
        let remaining = until.since(Timestamp::now());
        (!remaining.is_zero()).then_some(Some(remaining))
    }

    /// Reads from the journal what was missed.
    fn catch_up(&mut self) -> Result<(), Error> {
        let missed = Span {
            after: self.after,
            ..self.span
        };
        self.past = self.events.past(&missed)?.into();
        self.after = self.past.back().map(|entry| entry.sequence).or(self.after);
        Ok(())
    }
}

fn settled(done: Result<(), metadata::Error>) {
    if let Err(error) = done {
        tracing::warn!(%error, "what was recorded would not outlive a loss of power");
    }
}
