//! How many chunks customers have, as this process learned it from their last searches, which read them all anyway.
//!
//! It only decides whether the vector index finds the nearest or a scan does, so that nothing is wrong when it is out of date, or
//! not known yet: a scan finds everything, of a large customer more slowly. To ask the database takes as long as the rest of
//! what a search has to know beforehand.
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

use super::query::EXACT_LIMIT;

/// Customers that are remembered.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
pub(super) struct Sizes(Mutex<HashMap<Uuid, i64>>);

impl Sizes {
    /// Whether the customer had [`EXACT_LIMIT`] chunks or more when it was last searched.
    pub(super) fn is_large(&self, customer: Uuid) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&customer).is_some_and(|chunks| *chunks >= EXACT_LIMIT)
    }

    pub(super) fn learn(&self, customer: Uuid, chunks: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(customer, chunks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_large_when_its_last_search_read_so_much() {
        let (sizes, customer) = (Sizes::default(), Uuid::from_u128(1));
        assert!(!sizes.is_large(customer), "unknown");
        for (chunks, large) in [(EXACT_LIMIT - 1, false), (EXACT_LIMIT, true), (9, false)] {
            sizes.learn(customer, chunks);
            assert_eq!(sizes.is_large(customer), large);
        }
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let sizes = Sizes::default();
        for n in 0..3 * REMEMBERED {
            sizes.learn(Uuid::from_u128(n as u128), EXACT_LIMIT);
        }
        assert!(sizes.0.lock().unwrap().len() <= REMEMBERED);
    }
}
