//! What was found for a question: passages that nobody's orders hide in, those first that define what is asked for.
use std::time::Instant;

use super::{
    answerer::{Answerer, CONSIDERED},
    definition::{self, Term},
    ground,
};
use crate::{
    Result,
    retrieval::{Mode, Passage, Version},
    telemetry,
    tenancy::Customer,
};

/// What an answer is made of.
pub(super) struct Found {
    /// Best first.
    pub passages: Vec<Passage>,
    /// Something is indexed, even if all of it was taken out.
    pub indexed: bool,
    /// How many texts lost what orders a model about.
    pub planted: usize,
    /// How it was searched.
    pub mode: &'static str,
}

impl Answerer {
    /// Searches a version of the customer's index for what answers `question`.
    pub(super) async fn find(&self, customer: &Customer, version: Version, question: &str) -> Result<Found> {
        let limit = match Term::of(question) {
            Some(_) => definition::LOOKED_THROUGH,
            None => CONSIDERED,
        };
        let began = Instant::now();
        let found = self
            .searcher
            .search_in(customer, version, question, Mode::Hybrid, limit)
            .await?;
        telemetry::searched(found.mode, began);
        let mut ordered = definition::first(question, found.passages);
        ordered.truncate(CONSIDERED);
        let indexed = !ordered.is_empty();
        let (passages, planted) = ground::disarm(ordered);
        Ok(Found {
            passages,
            indexed,
            planted,
            mode: found.mode,
        })
    }
}
