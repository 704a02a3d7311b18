//! Which customers' chunks are kept, and who reads those that are not: what was searched longest ago goes first, by bytes.
use hashlink::LruCache;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

use super::{Edition, Resident, load};
use crate::{Result, tenancy::TenantTx};

/// Customers of whom is known which chunks they had.
const REMEMBERED: usize = 10_000;
/// How measurements call this cache.
const LAYER: &str = "chunks";

/// The chunks of the customers that were searched last, as far as they fit. Cloning shares them.
#[derive(Clone)]
pub struct Residents(Arc<Inner>);

struct Inner {
    most: usize,
    shelf: Mutex<Shelf>,
}

struct Shelf {
    customers: LruCache<Uuid, Known>,
    bytes: usize,
}

/// What is known of a customer.
struct Known {
    /// The edition that the last search found.
    edition: Edition,
    state: State,
}

enum State {
    /// Not read yet.
    Seen,
    /// Somebody is reading it.
    Loading,
    Held(Arc<Resident>),
    /// It doesn't fit.
    TooLarge,
}

/// What a search is to do.
enum Next {
    Use(Arc<Resident>),
    Load(Loading),
    Scan,
}

impl Residents {
    /// Keeps at most so many bytes; with 0, nothing.
    pub fn new(most: usize) -> Self {
        let shelf = Shelf {
            customers: LruCache::new(REMEMBERED),
            bytes: 0,
        };
        Self(Arc::new(Inner {
            most,
            shelf: Mutex::new(shelf),
        }))
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.0.shelf().bytes
    }

    /// The chunks of the transaction's customer, if they are kept or can be now; else they have to be scanned.
    pub async fn of(&self, tx: &TenantTx, edition: Edition) -> Result<Option<Arc<Resident>>> {
        if self.0.most == 0 || edition.changes.is_empty() {
            return Ok(None);
        }
        let next = self.next(tx.customer(), &edition);
        let result = if matches!(next, Next::Use(_)) { "hit" } else { "miss" };
        metrics::counter!("omniops_cache_requests_total", "layer" => LAYER, "result" => result).increment(1);
        match next {
            Next::Use(resident) => Ok(Some(resident)),
            Next::Scan => Ok(None),
            Next::Load(loading) => {
                // Rare, and large: others need not carry it with them.
                let read = Box::pin(load::load(tx, edition.model, self.0.most)).await?;
                Ok(loading.end(read))
            }
        }
    }

    fn next(&self, customer: Uuid, edition: &Edition) -> Next {
        let mut kept = self.0.shelf();
        let Some(known) = kept
            .customers
            .get_mut(&customer)
            .filter(|known| known.edition == *edition)
        else {
            kept.put(customer, edition.clone(), State::Seen);
            return Next::Scan;
        };
        match &known.state {
            State::Held(resident) => Next::Use(resident.clone()),
            State::Loading | State::TooLarge => Next::Scan,
            State::Seen => {
                known.state = State::Loading;
                Next::Load(Loading {
                    residents: self.clone(),
                    customer,
                    edition: edition.clone(),
                })
            }
        }
    }
}

impl Inner {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn put(&mut self, customer: Uuid, edition: Edition, state: State) {
        if let State::Held(resident) = &state {
            self.bytes += resident.bytes();
        }
        // Beyond the capacity the oldest would go uncounted.
        if self.customers.len() >= REMEMBERED && !self.customers.contains_key(&customer) {
            self.let_go();
        }
        if let Some(before) = self.customers.insert(customer, Known { edition, state }) {
            self.bytes -= before.bytes();
        }
        self.measure();
    }

    /// Forgets who was searched longest ago.
    fn let_go(&mut self) {
        if let Some((_, known)) = self.customers.remove_lru() {
            self.bytes -= known.bytes();
        }
    }

    fn measure(&self) {
        let held = self.customers.iter().filter(|(_, known)| known.bytes() > 0).count();
        metrics::gauge!("omniops_cache_entries", "layer" => LAYER).set(held as f64);
        metrics::gauge!("omniops_cache_bytes", "layer" => LAYER).set(self.bytes as f64);
    }
}

impl Known {
    fn bytes(&self) -> usize {
        match &self.state {
            State::Held(resident) => resident.bytes(),
            State::Seen | State::Loading | State::TooLarge => 0,
        }
    }
}

/// The right to read a customer's chunks; whoever leaves without them lets the next search try.
struct Loading {
    residents: Residents,
    customer: Uuid,
    edition: Edition,
}

impl Loading {
    /// Keeps what was read, and lets go of others until all fit; none: it is too large.
    fn end(self, read: Option<Resident>) -> Option<Arc<Resident>> {
        let read = read.map(Arc::new);
        let state = read.clone().map_or(State::TooLarge, State::Held);
        let mut kept = self.residents.0.shelf();
        if kept.is_loading(self.customer, &self.edition) {
            kept.put(self.customer, self.edition.clone(), state);
            while kept.bytes > self.residents.0.most {
                kept.let_go();
            }
            kept.measure();
        }
        drop(kept);
        read
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let mut kept = self.residents.0.shelf();
        if kept.is_loading(self.customer, &self.edition)
            && let Some(known) = kept.customers.get_mut(&self.customer)
        {
            known.state = State::Seen;
        }
    }
}

impl Shelf {
    /// Whether this edition is still the last that was seen, and being read.
    fn is_loading(&self, customer: Uuid, edition: &Edition) -> bool {
        let known = self.customers.peek(&customer);
        known.is_some_and(|known| known.edition == *edition && matches!(known.state, State::Loading))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Spoken, halves::Halves, postings::Postings},
        *,
    };

    fn edition(n: u128) -> Edition {
        Edition {
            changes: vec![Uuid::from_u128(n)],
            model: None,
        }
    }

    /// A resident of so many chunks, of 20 bytes each.
    fn resident(chunks: usize) -> Resident {
        let spoken = Spoken {
            config: "english".into(),
            ids: vec![Uuid::nil(); chunks].into(),
            lengths: vec![1; chunks].into(),
            words: Postings::default(),
            vectors: Halves::default(),
        };
        Resident::new(vec![spoken])
    }

    fn customer(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn scans(next: &Next) -> bool {
        matches!(next, Next::Scan)
    }

    /// Two searches of the customer, of which the second reads so many chunks.
    fn keep(residents: &Residents, of: Uuid, chunks: usize) {
        assert!(scans(&residents.next(of, &edition(1))));
        let Next::Load(loading) = residents.next(of, &edition(1)) else {
            panic!("the second search reads")
        };
        loading.end(Some(resident(chunks)));
    }

    fn is_kept(residents: &Residents, of: Uuid) -> bool {
        residents
            .0
            .shelf()
            .customers
            .peek(&of)
            .is_some_and(|known| known.bytes() > 0)
    }

    #[test]
    fn the_second_search_reads_and_others_meanwhile_scan() {
        let (residents, one) = (Residents::new(1000), customer(1));
        assert!(scans(&residents.next(one, &edition(1))));
        let Next::Load(loading) = residents.next(one, &edition(1)) else {
            panic!("the second search reads")
        };
        assert!(scans(&residents.next(one, &edition(1))), "one reads at a time");
        loading.end(Some(resident(3)));
        let Next::Use(found) = residents.next(one, &edition(1)) else {
            panic!("it is kept")
        };
        assert_eq!(found.bytes(), 20 * 3);
    }

    #[test]
    fn another_edition_is_never_used_and_ends_what_was_kept() {
        let (residents, one) = (Residents::new(1000), customer(1));
        keep(&residents, one, 3);
        assert!(scans(&residents.next(one, &edition(2))));
        assert_eq!(residents.0.shelf().bytes, 0);
        let Next::Load(loading) = residents.next(one, &edition(2)) else {
            panic!("the second search reads")
        };
        assert!(scans(&residents.next(one, &edition(3))), "it changes while it is read");
        loading.end(Some(resident(3)));
        assert!(!is_kept(&residents, one));
        assert!(matches!(residents.next(one, &edition(3)), Next::Load(_)));
    }

    #[test]
    fn who_reads_and_leaves_lets_the_next_one_read() {
        let (residents, one) = (Residents::new(1000), customer(1));
        assert!(scans(&residents.next(one, &edition(1))));
        drop(residents.next(one, &edition(1)));
        assert!(matches!(residents.next(one, &edition(1)), Next::Load(_)));
    }

    #[test]
    fn the_least_lately_searched_go_first() {
        let residents = Residents::new(20 * 10);
        keep(&residents, customer(1), 4);
        keep(&residents, customer(2), 4);
        assert!(matches!(residents.next(customer(1), &edition(1)), Next::Use(_)));
        keep(&residents, customer(3), 4);
        let kept = [1, 2, 3].map(|n| is_kept(&residents, customer(n)));
        assert_eq!(kept, [true, false, true]);
        assert_eq!(residents.0.shelf().bytes, 20 * 8);
    }

    #[test]
    fn what_does_not_fit_is_not_tried_until_it_changes() {
        let (residents, one) = (Residents::new(100), customer(1));
        keep(&residents, customer(2), 5);
        assert!(scans(&residents.next(one, &edition(1))));
        let Next::Load(loading) = residents.next(one, &edition(1)) else {
            panic!("the second search reads")
        };
        assert!(loading.end(None).is_none());
        assert!(scans(&residents.next(one, &edition(1))));
        assert!(is_kept(&residents, customer(2)), "nobody had to go");
        assert!(scans(&residents.next(one, &edition(2))));
        assert!(matches!(residents.next(one, &edition(2)), Next::Load(_)));
    }

    #[test]
    fn customers_that_are_remembered_have_an_end() {
        let residents = Residents::new(1000);
        keep(&residents, customer(0), 3);
        for n in 1..=REMEMBERED as u128 {
            assert!(scans(&residents.next(customer(n), &edition(1))));
        }
        let shelf = residents.0.shelf();
        assert_eq!((shelf.customers.len(), shelf.bytes), (REMEMBERED, 0));
    }
}
