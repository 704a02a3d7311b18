//! What a scan reads, kept in this process: ids, lengths, words and vectors of customers' chunks, so that a search of a customer whose
//! chunks have not changed reads none of them in the database (`docs/adr/0047-chunks-in-memory.md`).
//!
//! What must stay true: a search uses what is kept only if its own snapshot says that the customer's chunks are those that were read
//! ([`Edition`]). Every write of chunks changes that, whoever does it (`chunk_changes`, kept by triggers), so nothing is ever told or
//! forgotten, and other processes need not know. What is kept was read under row-level security, by the customer that it is kept for.
//! Chunks are read into memory when a search finds them as the one before did: during a crawl, which changes them all the time, searches
//! scan as they always did.
mod halves;
mod load;
mod postings;
mod shelf;

use std::sync::Arc;
use uuid::Uuid;

use super::{
    query::Vector,
    scan::{FAR, Scan},
    words::Language,
};
use halves::Halves;
use postings::Postings;
pub(super) use shelf::Residents;

/// Which chunks a customer has, in one snapshot, and the model whose vectors count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edition {
    /// The rows of `chunk_changes`, in their order; without any, nothing is known.
    pub changes: Vec<Uuid>,
    pub model: Option<Uuid>,
}

/// A customer's chunks of one edition.
#[derive(Debug)]
pub(super) struct Resident {
    languages: Vec<Spoken>,
    bytes: usize,
}

/// The chunks of one language, each at the same place everywhere.
#[derive(Debug)]
struct Spoken {
    config: String,
    ids: Arc<[Uuid]>,
    lengths: Arc<[i32]>,
    words: Postings,
    vectors: Halves,
}

impl Spoken {
    fn bytes(&self) -> usize {
        size_of_val(&*self.ids) + size_of_val(&*self.lengths) + self.words.bytes() + self.vectors.bytes()
    }
}

impl Resident {
    fn new(languages: Vec<Spoken>) -> Self {
        Self {
            bytes: languages.iter().map(Spoken::bytes).sum(),
            languages,
        }
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    /// What [`super::scan::scan`] reads, from memory.
    pub fn scan(&self, language: &Language, vector: Option<&Vector>) -> Scan {
        let Some(spoken) = self.languages.iter().find(|spoken| spoken.config == language.config) else {
            return Scan::default();
        };
        Scan {
            ids: spoken.ids.clone(),
            lengths: spoken.lengths.clone(),
            products: spoken.words.products(&language.words, spoken.ids.len()),
            distances: vector.map_or_else(Vec::new, |vector| spoken.vectors.distances(&vector.values, FAR)),
        }
    }
}
