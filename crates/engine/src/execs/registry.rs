//! The execs in memory.

use super::{Exec, ExecSpec};
use crate::{Error, Problem};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use types::{ContainerId, ExecId};

/// How long an exec that ended can be inspected.
const REMEMBERED: Duration = Duration::from_secs(300);
/// How many execs a container may have.
const BOUND: usize = 4_096;

#[derive(Debug)]
struct Entry {
    exec: Exec,
    begun: bool,
    ended: Option<Instant>,
}

/// The execs in memory. A restarted daemon knows none: they end with their clients.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    entries: Mutex<HashMap<ExecId, Entry>>,
    changed: Notify,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<ExecId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(
        &self,
        id: &ExecId,
        container: &ContainerId,
        spec: ExecSpec,
    ) -> Result<(), Error> {
        let mut entries = self.lock();
        let forgotten = |entry: &Entry| entry.ended.is_some_and(|at| at.elapsed() > REMEMBERED);
        entries.retain(|_, entry| !forgotten(entry));
        let of_container = entries.values().filter(|e| e.exec.container == *container);
        if of_container.count() >= BOUND {
            return Err(Error::invalid(
                "Cmd",
                format!("the container has {BOUND} execs already"),
            ));
        }
        let exec = Exec {
            id: id.clone(),
            container: container.clone(),
            spec: Arc::new(spec),
            running: false,
            pid: 0,
            exit_code: None,
        };
        entries.insert(
            id.clone(),
            Entry {
                exec,
                begun: false,
                ended: None,
            },
        );
        Ok(())
    }

    pub(crate) fn find(&self, id: &ExecId) -> Result<Exec, Error> {
        let found = self.lock().get(id).map(|entry| entry.exec.clone());
        found.ok_or_else(|| Error::no_exec(id.as_str()))
    }

    /// Marks an exec as being started, which happens once.
    pub(crate) fn begin(&self, id: &ExecId) -> Result<Exec, Error> {
        let mut entries = self.lock();
        let entry = entries
            .get_mut(id)
            .ok_or_else(|| Error::no_exec(id.as_str()))?;
        if entry.begun {
            let problem = match entry.ended {
                Some(_) => Problem::AlreadyExecuted,
                None => Problem::Executing,
            };
            return Err(Error::state("execute in", &entry.exec.container, problem));
        }
        entry.begun = true;
        // COMPAT: it runs from now on, for who asks or starts it again.
        entry.exec.running = true;
        Ok(entry.exec.clone())
    }

    /// The exec has a process. It may have ended already.
    pub(crate) fn started(&self, id: &ExecId, pid: u32) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.exec.pid = pid;
            entry.exec.running = entry.ended.is_none();
        }
        self.changed.notify_waiters();
    }

    /// Waits for news of an exec whose start or end is on its way; else gives it at once.
    pub(crate) async fn settled(&self, id: &ExecId) -> Result<Exec, Error> {
        loop {
            let news = self.changed.notified();
            let exec = self.find(id)?;
            if !self.is_on_its_way(id) {
                return Ok(exec);
            }
            news.await;
        }
    }

    /// Waits until an exec has a process, or has ended without one.
    pub(crate) async fn begun(&self, id: &ExecId) -> Result<Exec, Error> {
        loop {
            let news = self.changed.notified();
            let exec = self.find(id)?;
            if exec.pid != 0 || exec.exit_code.is_some() {
                return Ok(exec);
            }
            news.await;
        }
    }

    fn is_on_its_way(&self, id: &ExecId) -> bool {
        let entries = self.lock();
        let Some(entry) = entries.get(id) else {
            return false;
        };
        let starts = entry.begun && entry.exec.pid == 0;
        let ends = entry.exec.running && super::is_over(entry.exec.pid);
        entry.ended.is_none() && (starts || ends)
    }

    pub(crate) fn ended(&self, id: &ExecId, exit_code: u8) -> Option<Exec> {
        let mut entries = self.lock();
        let entry = entries.get_mut(id)?;
        entry.exec.running = false;
        entry.exec.exit_code = Some(exit_code);
        entry.ended = Some(Instant::now());
        let exec = entry.exec.clone();
        drop(entries);
        self.changed.notify_waiters();
        Some(exec)
    }

    /// The execs of a container that have not ended.
    pub(crate) fn of(&self, container: &ContainerId) -> Vec<ExecId> {
        let entries = self.lock();
        let live = entries
            .values()
            .filter(|entry| entry.exec.container == *container && entry.ended.is_none());
        live.map(|entry| entry.exec.id.clone()).collect()
    }

    /// COMPAT: what was not begun when a container ends cannot be begun when it runs again.
    pub(crate) fn forget_waiting(&self, container: &ContainerId) {
        self.lock()
            .retain(|_, entry| entry.begun || entry.exec.container != *container);
    }

    pub(crate) fn forget_container(&self, container: &ContainerId) {
        self.lock()
            .retain(|_, entry| entry.exec.container != *container);
    }
}
