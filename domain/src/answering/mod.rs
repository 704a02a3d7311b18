//! Answering a visitor: retrieve, check that the site supports an answer, write it, check its citations, keep a receipt.
//!
//! Without a provider's key the answer is extractive: the site's own sentences, quoted with their sources. With one, a model
//! writes from the same passages. Either way nothing is answered that retrieval does not support.
mod answerer;
mod cache;
mod conversation;
mod draft;
mod expected;
mod extractive;
mod generate;
mod ground;
mod model;
mod phrases;
mod prompt;
mod quote;
mod sentences;
mod share;
mod support;
mod written;

pub use answerer::{Answer, Answerer, Part, Question, Source, Usage};
pub use cache::AnswerCache;
pub use conversation::{Turn, feedback, messages};
pub use model::{ChatModel, ChatModelError};
pub use support::Refusal;
