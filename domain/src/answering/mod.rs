//! Answering a visitor: retrieve, check that the site supports an answer, write it, check its citations, keep a receipt.
//!
//! Without a provider's key the answer is extractive: the site's own sentences, quoted with their sources. With one, a model
//! writes from the same passages. Either way nothing is answered that retrieval does not support.
mod answerer;
mod asked;
mod broken;
mod cache;
mod citations;
mod conversation;
mod definition;
mod draft;
mod evidence;
mod examine;
mod expected;
mod extractive;
mod facts;
mod found;
mod frame;
mod generate;
mod greeting;
mod ground;
mod history;
mod informal;
mod model;
mod note;
mod parts;
mod persona;
mod phrases;
mod prompt;
mod quote;
mod receipts;
mod received;
mod refusal;
mod sentences;
mod share;
mod small_talk;
mod spelling;
mod stand_in;
mod standalone;
mod suggestions;
mod support;
mod turns;
mod warm;
mod written;

pub use answerer::{Answer, Answerer, Part, Question, Source, Usage};
pub use cache::{AnswerCache, clear as clear_cache};
pub use citations::{CitedPage, Citing, CitingAnswer, citing};
pub(crate) use conversation::open as open_conversation;
pub use conversation::{Turn, messages, notes};
pub use examine::{Examined, Met};
pub use model::{Circuit, CustomerBudget, DayOfUsage, Models, budget_of, set_budget, usage_between};
pub use note::Note;
pub use phrases::greeting;
pub use receipts::{StoredReceipt, receipt, spent};
pub use suggestions::suggestions;
pub use support::Refusal;
pub use warm::{Warmed, Warming};
