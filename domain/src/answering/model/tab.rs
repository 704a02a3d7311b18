//! What the calls for one message have cost together: of the one that understood the question and of the one that wrote, also where
//! nothing of what they wrote was used.
use std::sync::{Arc, Mutex, PoisonError};

use crate::answering::answerer::Usage;

/// A sum that calls add to when they end, however they end. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::answering) struct Tab(Arc<Mutex<Usage>>);

impl Tab {
    /// The sum so far.
    pub fn usage(&self) -> Usage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, usage: Usage) {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *sum = sum.and(usage);
    }
}
