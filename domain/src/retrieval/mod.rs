//! Finding passages that may answer a question: dense and lexical candidates of one customer, fused by a convex sum.
//!
//! Postgres reads each chunk of the customer once, for its vector and its words ([`query`], [`scan`], [`words`]), or they are in memory already
//! ([`resident`]); [`bm25`] ranks the words,
//! [`legs`] choose the best of each, [`fuse`] adds the two up; [`select`] leaves out what was said already. All weights are measured (`docs/adr/0018-bm25-by-inner-products.md`).
mod bm25;
mod context;
mod fuse;
mod legs;
mod models;
mod query;
mod resident;
mod scale;
mod scan;
mod searcher;
mod select;
mod sizes;
mod vectors;
mod words;

pub use crate::pages::index::Kind;
pub use fuse::{Passage, Word, fuse, known};
pub use models::{IndexModel, Loader, Models};
pub use query::{Candidate, EXACT_LIMIT, Version};
pub use searcher::{Mode, Search, Searcher};
