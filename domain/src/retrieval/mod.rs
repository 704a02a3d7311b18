//! Finding passages that may answer a question: dense and lexical candidates of one customer, fused by a convex sum.
//!
//! The weight and the shape of the lexical query are measured, not guessed: an OR query ranked by `ts_rank`, added with a small
//! weight to the cosine, beat every equal-weight fusion (`docs/adr/0004-convex-fusion.md`).
mod fuse;
mod query;
mod searcher;

pub use fuse::{Kind, LEXICAL_WEIGHT, Passage, fuse, known};
pub use query::{Candidate, EXACT_LIMIT};
pub use searcher::{Mode, Search, Searcher};
