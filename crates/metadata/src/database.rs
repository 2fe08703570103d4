//! The open database.

use crate::change::Change;
use crate::lock::lock;
use crate::log::{self, End, Log};
use crate::pending::Pending;
use crate::store::Store;
use crate::{Batch, Error, Read, Write, journal, version};
use redb::backends::FileBackend;
use redb::{Builder, DatabaseError, Durability, StorageBackend};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Pages held in memory. The store's own default is 1 GiB.
const CACHE: usize = 1 << 20;

/// The daemon's database, open in this process alone: tables, and a log ahead of them.
///
/// A commit is one write to the log and one sync. A checkpoint brings what many commits left
/// into the tables. Readers see the tables and over them what the log holds.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    store: Store,
    log: Log,
    /// The turn to write.
    turn: Mutex<Turn>,
    view: Mutex<View>,
}

/// A point in what was appended.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

/// What only the writer knows.
#[derive(Debug)]
struct Turn {
    /// The log's end.
    end: End,
    /// The place of the journal's next entry, unless a transaction has just moved it.
    next: Option<u64>,
}

/// What readers see over the tables.
#[derive(Clone, Debug, Default)]
struct View {
    pending: Arc<Pending>,
    /// How often what was pending went into the tables.
    generation: u64,
}

impl Database {
    /// Opens the database at `path`, and its log beside it at `path` with `.log` behind, made
    /// with mode 0600 if there are none.
    ///
    /// An older one is migrated; one of a newer version is refused and left as it is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = private(path)?;
        let is_new = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        drop(file);
        if !is_new {
            version::look(path, &builder(), &version::STEPS)?;
        }
        let (file, again) = (path.to_owned(), path.to_owned());
        let store = Store::open(
            path,
            move || builder().create(&file),
            move || std::fs::read(&again),
        );
        let store = store.map_err(refused(path))?;
        let mut log = path.as_os_str().to_owned();
        log.push(".log");
        let log = Path::new(&log);
        let backend = FileBackend::new(private(log)?).map_err(refused(log))?;
        let log = Log::open(log, Box::new(backend))?;
        Self::settled(path, store, log)
    }

    /// Opens a database over something other than files, as tests of faults do.
    pub fn with_backends(
        tables: impl StorageBackend + Clone,
        log: impl StorageBackend,
    ) -> Result<Self, Error> {
        let again = tables.clone();
        let open = move || builder().create_with_backend(tables.clone());
        let bytes = move || {
            let size = usize::try_from(again.len()?).map_err(std::io::Error::other)?;
            let mut bytes = vec![0; size];
            again.read(0, &mut bytes)?;
            Ok(bytes)
        };
        let path = Path::new("(backend)");
        let store = Store::open(path, open, bytes).map_err(refused(path))?;
        Self::settled(path, store, Log::open(Path::new("(log)"), Box::new(log))?)
    }

    fn settled(path: &Path, store: Store, log: Log) -> Result<Self, Error> {
        let write = Write(store.begin_write()?);
        if version::settle(&write, path, &version::STEPS)? {
            let committed = write.0.commit();
            committed.map_err(Error::file("commit to", path))?;
        } else {
            drop(write);
        }
        let database = Self {
            path: path.to_owned(),
            store,
            log,
            turn: Mutex::new(Turn {
                end: End {
                    offset: 0,
                    number: 1,
                },
                next: None,
            }),
            view: Mutex::default(),
        };
        database.reload(&mut lock(&database.turn))?;
        Ok(database)
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads: `operation` sees one commit's state, and waits for no writer.
    pub fn read<T, E: From<Error>>(
        &self,
        operation: impl FnOnce(&Read) -> Result<T, E>,
    ) -> Result<T, E> {
        operation(&self.begin_read()?)
    }

    fn begin_read(&self) -> Result<Read, Error> {
        loop {
            let View {
                pending,
                generation,
            } = lock(&self.view).clone();
            let transaction = self.store.begin_read()?;
            // Over tables that are newer, what was pending could hide what came after it.
            if lock(&self.view).generation == generation {
                return Ok(Read {
                    transaction,
                    pending,
                });
            }
        }
    }

    /// Writes: what `operation` did is durable when this returns, or undone if it failed.
    pub fn write<T, E: From<Error>>(
        &self,
        operation: impl FnOnce(&Write) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut turn = lock(&self.turn);
        // The log keeps what goes into the tables here until they are durable.
        self.bring_in(&mut turn, Durability::None)?;
        let write = self.begin()?;
        let value = operation(&write)?;
        self.end(&mut turn, write)?;
        self.start_over(&mut turn);
        Ok(value)
    }

    /// Makes the changes of `batch` durable, in one sync with other callers' of the moment.
    /// Gives the sequence numbers of its journal entries.
    pub fn commit(&self, batch: Batch) -> Result<Vec<u64>, Error> {
        let appended = self.append_to(&mut lock(&self.turn), batch)?;
        let Err(error) = self.log.sync(appended.number) else {
            return Ok(appended.places);
        };
        match self.retract(&appended) {
            true => Ok(appended.places),
            false => Err(error),
        }
    }

    /// Makes the changes of `batch` outlive this process, however it ends. Until the next
    /// [`Database::sync`] or commit a loss of power may take them, so they must be ones that
    /// nothing durable depends on yet. Gives the sequence numbers of its journal entries.
    pub fn append(&self, batch: Batch) -> Result<Vec<u64>, Error> {
        let appended = self.append_to(&mut lock(&self.turn), batch)?;
        Ok(appended.places)
    }

    /// Marks the newest of what was appended, for [`Database::sync_to`].
    pub fn mark(&self) -> Mark {
        Mark(self.log.newest())
    }

    /// Makes everything that was appended durable.
    pub fn sync(&self) -> Result<(), Error> {
        self.sync_to(self.mark())
    }

    /// Makes what was appended until `mark` durable.
    pub fn sync_to(&self, mark: Mark) -> Result<(), Error> {
        self.log.sync(mark.0)
    }

    /// Whether what was appended until `mark` is durable; no, while anything is being made so.
    pub fn is_synced_to(&self, mark: Mark) -> bool {
        self.log.is_synced_to(mark.0)
    }

    /// Brings what the log holds into the tables if it is more than half full, so that no
    /// commit has to.
    pub fn checkpoint(&self) -> Result<(), Error> {
        let mut turn = lock(&self.turn);
        match self.log.is_half_full(turn.end) {
            true => self.settle(&mut turn),
            false => Ok(()),
        }
    }

    fn append_to(&self, turn: &mut Turn, batch: Batch) -> Result<Appended, Error> {
        let next = match turn.next {
            Some(next) => next,
            None => self.next_place()?,
        };
        let (changes, places) = batch.placed(next);
        let mut record = log::encode(turn.end.number, &changes);
        if !self.log.has_room(turn.end, &record) {
            self.settle(turn)?;
            record = log::encode(turn.end.number, &changes);
        }
        let appended = Appended {
            offset: turn.end.offset,
            number: turn.end.number,
            length: record.len(),
            places,
        };
        if self.log.has_room(turn.end, &record) {
            turn.end = self.log.append(turn.end, &record)?;
            turn.next = Some(next.saturating_add(appended.places.len() as u64));
            self.show(changes);
        } else {
            self.write_through(turn, &changes)?;
        }
        Ok(appended)
    }

    /// Commits to the tables what is too long for the log, which is empty.
    fn write_through(&self, turn: &mut Turn, changes: &[Change]) -> Result<(), Error> {
        let write = self.begin()?;
        for change in changes {
            change.apply(&write)?;
        }
        write.set_applied(turn.end.number)?;
        self.end(turn, write)?;
        self.log.settled(turn.end.number);
        turn.end.number = turn.end.number.wrapping_add(1);
        Ok(())
    }

    /// Takes back a batch that could not be made durable; says `true` if it is durable after
    /// all, in the tables.
    fn retract(&self, appended: &Appended) -> bool {
        let mut turn = lock(&self.turn);
        // Once a checkpoint brought it into the tables, its place in the log is another's.
        if self.log.is_durable(appended.number) || self.settle(&mut turn).is_ok() {
            return true;
        }
        let place = End {
            offset: appended.offset,
            number: appended.number,
        };
        let void = log::void(appended.number, appended.length);
        // On a disk that takes neither, what readers see is all that can be kept right.
        drop(self.log.append(place, &void));
        drop(self.reload(&mut turn));
        false
    }

    /// Adds changes to what readers see.
    fn show(&self, changes: Vec<Change>) {
        let mut view = lock(&self.view);
        Arc::make_mut(&mut view.pending).extend(changes);
    }

    /// Brings everything pending into the tables, durably; the log starts over.
    fn settle(&self, turn: &mut Turn) -> Result<(), Error> {
        self.bring_in(turn, Durability::Immediate)?;
        self.start_over(turn);
        Ok(())
    }

    /// The tables are durable with everything that the log holds.
    fn start_over(&self, turn: &mut Turn) {
        let newest = turn.end.number.wrapping_sub(1);
        self.log.settled(newest);
        turn.end.offset = 0;
        turn.next = None;
    }

    fn bring_in(&self, turn: &mut Turn, durability: Durability) -> Result<(), Error> {
        let pending = Arc::clone(&lock(&self.view).pending);
        let relaxed = matches!(durability, Durability::None);
        if pending.is_empty() && (relaxed || turn.end.offset == 0) {
            return Ok(());
        }
        let mut write = self.begin()?;
        let set = write.0.set_durability(durability);
        set.map_err(Error::file("relax a commit to", &self.path))?;
        for change in pending.changes() {
            change.apply(&write)?;
        }
        write.set_applied(turn.end.number.wrapping_sub(1))?;
        drop(pending);
        self.end(turn, write)?;
        let mut view = lock(&self.view);
        view.pending = Arc::default();
        view.generation = view.generation.wrapping_add(1);
        Ok(())
    }

    /// Reads from the log what the tables lack.
    fn reload(&self, turn: &mut Turn) -> Result<(), Error> {
        let read = Read {
            transaction: self.store.begin_read()?,
            pending: Arc::default(),
        };
        let (changes, end) = self.log.replay(read.applied()?)?;
        let mut pending = Pending::default();
        pending.extend(changes);
        turn.end = end;
        turn.next = None;
        let mut view = lock(&self.view);
        view.pending = Arc::new(pending);
        view.generation = view.generation.wrapping_add(1);
        Ok(())
    }

    fn next_place(&self) -> Result<u64, Error> {
        let last = self.begin_read()?.last_place()?;
        Ok(last.map_or(journal::FIRST, |last| last.saturating_add(1)))
    }

    fn begin(&self) -> Result<Write, Error> {
        self.store.begin_write().map(Write)
    }

    fn end(&self, turn: &mut Turn, write: Write) -> Result<(), Error> {
        let committed = write.0.commit();
        if committed.is_err() {
            self.store.close();
            // It is opened anew with the last durable state: the log knows what is behind it.
            self.reload(turn)?;
        }
        committed.map_err(Error::file("commit to", &self.path))
    }
}

/// A batch in the log.
struct Appended {
    offset: u64,
    number: u64,
    length: usize,
    /// The places of its journal entries.
    places: Vec<u64>,
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut turn = lock(&self.turn);
        // What fails to go into the tables stays in the log.
        drop(self.settle(&mut turn));
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

/// The file at `path`, made for its owner alone if there is none.
fn private(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let opened = options.mode(0o600).open(path);
    opened.map_err(|source| Error::Open {
        path: path.to_owned(),
        source: Box::new(redb::Error::Io(source)),
    })
}

fn refused(path: &Path) -> impl FnOnce(DatabaseError) -> Error {
    let path = path.to_owned();
    move |source| match source {
        DatabaseError::DatabaseAlreadyOpen => Error::InUse { path },
        other => Error::Open {
            path,
            source: Box::new(other.into()),
        },
    }
}
