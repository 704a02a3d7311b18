//! What a model wrote, checked before anybody sees it.
//!
//! A model may be wrong, and a page or a visitor may make it say what they like. So nothing is taken on trust: the text is cut
//! into sentences as it comes ([`split`]), and each is shown only when a passage says the same ([`judge`]): its numbers, prices,
//! dates, addresses and names ([`facts`]), most of its words ([`words`]), and its links ([`links`]) lead to sources or to pages
//! of the customer's hosts that a passage names. What is left over of a wrong answer is no answer: the site does not say.
//!
//! What pages tell the model to do is taken out before ([`disarm`], [`known`]), of what it sees and of what may support a sentence.
//!
//! A sentence waits until it is complete, so the first words come a sentence later than they could: a fact that is taken back
//! after it was read has been told.
/// A constant pattern; every test run compiles it.
macro_rules! pattern {
    ($visibility:vis $name:ident, $text:expr) => {
        $visibility static $name: std::sync::LazyLock<regex::Regex> =
            std::sync::LazyLock::new(|| regex::Regex::new($text).expect("a constant pattern"));
    };
}

mod amounts;
mod blocks;
mod bound;
mod dates;
mod disarm;
mod facts;
mod hours;
mod html;
mod judge;
mod known;
mod limits;
mod links;
mod names;
mod negation;
mod numbers;
mod quoted;
mod read;
mod split;
mod subject;
#[cfg(test)]
mod tests;
mod thoughts;
mod visible;
mod words;
mod writing;

pub use disarm::{disarmed, ready};
pub use html::plain as without_markup;
pub use judge::Judge;
pub use known::disarm;
pub use links::Links;
pub use quoted::quoted;
pub use thoughts::Thoughts;
pub use visible::visible;
pub use writing::{Checked, Removed, Writing};

/// The model's word for "the passages do not say".
pub const NO_ANSWER: &str = "NO_ANSWER";
