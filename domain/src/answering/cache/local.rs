//! Entries of this process: the least recently used goes first, by number and by bytes.
use hashlink::LruCache;
use std::sync::{Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;

use super::{Key, SHORT, entry::Entry};
use crate::clock::Clock;

/// Entries at most.
const ENTRIES: usize = 500;
/// Bytes of all of them at most.
const BYTES: usize = 16 << 20;
/// An entry of more bytes is not kept.
const ENTRY_BYTES: usize = super::MAX_BYTES;

/// The entries of this process.
pub struct Local {
    clock: Clock,
    shelf: Mutex<Shelf>,
}

struct Shelf {
    entries: LruCache<Key, Held>,
    bytes: usize,
}

struct Held {
    entry: Entry,
    bytes: usize,
    until: OffsetDateTime,
}

impl Local {
    /// Nothing yet.
    pub fn new(clock: Clock) -> Self {
        let shelf = Shelf {
            entries: LruCache::new_unbounded(),
            bytes: 0,
        };
        Self {
            clock,
            shelf: Mutex::new(shelf),
        }
    }

    /// The entry under `key`, if it is still good.
    pub fn get(&self, key: &Key) -> Option<Entry> {
        let now = self.clock.now();
        let mut shelf = self.shelf();
        let held = shelf.entries.get(key)?;
        if held.until > now {
            return Some(held.entry.clone());
        }
        shelf.remove(key);
        None
    }

    /// Keeps `entry`, and lets go of others until all are within the limits.
    pub fn put(&self, key: Key, entry: Entry) {
        let now = self.clock.now();
        let (bytes, left) = (entry.bytes(), entry.left(now).min(SHORT));
        if bytes > ENTRY_BYTES {
            return;
        }
        let mut shelf = self.shelf();
        shelf.remove(&key);
        shelf.bytes += bytes;
        let until = now + left;
        shelf.entries.insert(key, Held { entry, bytes, until });
        while shelf.entries.len() > ENTRIES || shelf.bytes > BYTES {
            let Some((_, oldest)) = shelf.entries.remove_lru() else {
                break;
            };
            shelf.bytes -= oldest.bytes;
        }
        metrics::gauge!("omniops_cache_entries", "layer" => "process").set(shelf.entries.len() as f64);
        metrics::gauge!("omniops_cache_bytes", "layer" => "process").set(shelf.bytes as f64);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn remove(&mut self, key: &Key) {
        if let Some(held) = self.entries.remove(key) {
            self.bytes -= held.bytes;
        }
    }
}
