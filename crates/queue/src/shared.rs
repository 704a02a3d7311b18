//! What the reader, the keeper, apalis and the handlers' verdicts share: the book, and who is woken by which change of it.

use crate::{
    book::Book,
    config::Config,
    errand::{Entry, Errand},
    health::Health,
    member::Member,
};
use futures::task::AtomicWaker;
use redis_link::Address;
use std::{
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicI64},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) member: Member,
    pub(crate) health: Health,
    book: Mutex<Book>,
    /// Held while talking to Redis about entries that are already ours. Without it the reader could reclaim one of our own
    /// entries just as the keeper acknowledges it, and admit it after it was forgotten.
    pub(crate) held: tokio::sync::Mutex<()>,
    /// The reader's connection, as Redis numbers it; 0 before the first.
    pub(crate) reader_connection: AtomicI64,
    /// Wakes apalis: there may be something to take.
    pub(crate) work: AtomicWaker,
    /// Wakes the reader: there is room.
    pub(crate) room: Notify,
    /// Wakes the keeper: there is something to acknowledge.
    pub(crate) verdicts: Notify,
}

impl Shared {
    pub(crate) fn new(address: Address, config: Config, health: Health) -> Self {
        Self {
            member: Member::new(address, &config),
            book: Mutex::new(Book::new(&config)),
            config,
            health,
            held: tokio::sync::Mutex::default(),
            reader_connection: AtomicI64::default(),
            work: AtomicWaker::new(),
            room: Notify::new(),
            verdicts: Notify::new(),
        }
    }

    /// Locked for a moment and never across an await.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn admit(&self, delivered: Vec<Entry>) {
        if !delivered.is_empty() {
            self.book().admit(delivered);
            self.work.wake();
        }
    }

    pub(crate) fn take(&self) -> Option<(String, Errand)> {
        self.book().take()
    }

    pub(crate) fn judge(&self, id: &str, settled: bool, took: Duration) {
        let mut book = self.book();
        book.took(took);
        book.judge(id, settled);
        drop(book);
        self.verdicts.notify_one();
        self.room.notify_one();
    }

    pub(crate) fn renewed(&self, sent: Instant, lost: &[String]) {
        if !lost.is_empty() {
            tracing::warn!(?lost, "other workers were given entries of ours");
        }
        self.book().renewed(sent, lost);
        self.work.wake();
        self.room.notify_one();
    }
}
