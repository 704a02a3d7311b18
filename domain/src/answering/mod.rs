//! Answering a visitor: retrieve, check that the site supports an answer, write it, check its citations, keep a receipt.
//!
//! Without a provider's key the answer is extractive: the site's own sentences, quoted with their sources. With one, a model
//! writes from the same passages. Either way nothing is answered that retrieval does not support.
mod answerer;
mod conversation;
mod extractive;
mod ground;
mod model;
mod prompt;
mod sentences;
mod support;

pub use answerer::{Answer, Answerer, Part, Question, Source, Usage};
pub use conversation::{Turn, feedback, messages};
pub use model::{ChatModel, ChatModelError};
pub use support::Refusal;
