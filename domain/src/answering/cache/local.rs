//! Entries of this process: the least recently used goes first, by number and by bytes.
use hashlink::LruCache;
use std::sync::{Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;
use uuid::Uuid;

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
        let mut kept = self.shelf();
        let found = kept.entries.get(key)?;
        if found.until > now {
            return Some(found.entry.clone());
        }
        kept.remove(key);
        None
    }

    /// Keeps `entry`, and lets go of others until all are within the limits.
    pub fn put(&self, key: Key, entry: Entry) {
        let now = self.clock.now();
        let (bytes, left) = (entry.bytes(), entry.left(now).min(SHORT));
        if bytes > ENTRY_BYTES {
            return;
        }
        let mut kept = self.shelf();
        kept.remove(&key);
        kept.bytes += bytes;
        let until = now + left;
        kept.entries.insert(key, Held { entry, bytes, until });
        while kept.entries.len() > ENTRIES || kept.bytes > BYTES {
            let Some((_, oldest)) = kept.entries.remove_lru() else {
                break;
            };
            kept.bytes -= oldest.bytes;
        }
        metrics::gauge!("omniops_cache_entries", "layer" => "process").set(kept.entries.len() as f64);
        metrics::gauge!("omniops_cache_bytes", "layer" => "process").set(kept.bytes as f64);
    }

    /// Lets go of what is a customer's.
    pub fn forget(&self, customer: Uuid) {
        let mut kept = self.shelf();
        let keys: Vec<Key> = kept.entries.iter().map(|(key, _)| key.clone()).collect();
        for key in keys.iter().filter(|key| key.customer() == customer) {
            kept.remove(key);
        }
    }

    /// Entries and their bytes.
    #[cfg(test)]
    pub fn size(&self) -> (usize, usize) {
        let kept = self.shelf();
        (kept.entries.len(), kept.bytes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::draft::Draft;
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    #[test]
    fn entries_go_by_number_by_bytes_and_by_age() {
        let now = Arc::new(AtomicI64::new(1_000_000));
        let told = now.clone();
        let at = move || OffsetDateTime::from_unix_timestamp(told.load(Ordering::Relaxed)).unwrap();
        let clock = Clock::told_by(at);
        let local = Local::new(clock.clone());
        let entry = |text: &str| Entry::new(&Draft::test(text), clock.now());
        for n in 0..501 {
            local.put(Key::test(n), entry("short"));
            assert!(local.get(&Key::test(0)).is_some() || n == 500, "what is used stays");
        }
        assert!(
            local.get(&Key::test(0)).is_some()
                && local.get(&Key::test(1)).is_none()
                && local.get(&Key::test(2)).is_some()
        );

        let long = "x".repeat(60_000);
        for n in 0..500 {
            local.put(Key::test(1000 + n), entry(&long));
        }
        let (entries, bytes) = local.size();
        assert!(bytes <= 16 << 20 && entries > 250 && entries < 300, "{entries} {bytes}");
        local.put(Key::test(1), entry(&"x".repeat(70_000)));
        assert!(local.get(&Key::test(1)).is_none(), "too large for any layer");

        now.fetch_add(299, Ordering::Relaxed);
        assert!(local.get(&Key::test(1499)).is_some());
        now.fetch_add(1, Ordering::Relaxed);
        assert!(local.get(&Key::test(1499)).is_none(), "five minutes");
        let (fewer, less) = local.size();
        assert!(fewer == entries - 1 && less < bytes);
        // An entry that other layers have kept for long is not made younger by this one.
        let old = entry("old");
        now.fetch_add(29 * 60, Ordering::Relaxed);
        local.put(Key::test(3), old.clone());
        now.fetch_add(59, Ordering::Relaxed);
        assert!(local.get(&Key::test(3)).is_some());
        now.fetch_add(1, Ordering::Relaxed);
        assert!(local.get(&Key::test(3)).is_none() && old.left(clock.now()).is_zero());
    }
}
