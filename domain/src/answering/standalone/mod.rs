//! Follow-ups as questions by themselves: "and in blue?" after "Do you have the Tern paddle in red?" asks for the Tern paddle in
//! blue. A search knows nothing of what was said before, so it gets the question that was meant.
//!
//! Rules of words decide whether a question leans on the conversation ([`lean`]) and on what ([`subject`]), without any model;
//! `docs/adr/0021-follow-ups-by-rules.md` has what they reach. A question that stands by itself is never touched: whoever changes
//! the subject must not be answered about the old one.
mod east;
mod japanese;
mod lean;
mod model;
mod subject;
mod west;
mod words;

#[cfg(test)]
mod tests;

use super::{conversation::Turn, small_talk};
use crate::language::Locale;
use lean::{Lean, Token, tokens, tokens_in};
pub(super) use model::by_model;
use words::Words;

/// What was asked last, and what it was answered with.
struct Before<'a> {
    /// The question by itself.
    question: &'a str,
    /// The answer to it, if there is one.
    answer: Option<&'a Turn>,
}

/// The question that `said` means, if it leans on the turns before it; none if it stands by itself, or where nobody can say what
/// it leans on.
pub(super) fn rewrite(said: &str, locale: Option<Locale>, history: &[Turn]) -> Option<String> {
    let before = before(history)?;
    if locale == Some(Locale::Ja) {
        return japanese::rewrite(said, &before);
    }
    let words = words::of(locale.unwrap_or(Locale::En))?;
    let tokens = tokens_in(words, said);
    let meant = match lean::of(words, &tokens)? {
        Lean::Nth(n) => {
            let item = before.answer.and_then(|turn| subject::item(&turn.text, n));
            beside(said, &item.or_else(|| subject::of(words, &before))?)
        }
        Lean::Pronoun(at) => in_place(said, &tokens[at], &subject::of(words, &before)?),
        Lean::About => beside(said, &subject::of(words, &before)?),
        Lean::Instead(from) => subject::replaced(words, before.question, &tokens[from..])?,
    };
    Some(meant)
}

/// Whether a model could find that `said` leans on earlier turns where the rules don't see it: it is short, or has a word that
/// points back.
pub(super) fn doubtful(said: &str, locale: Option<Locale>, history: &[Turn]) -> bool {
    const SHORT: usize = 4;
    if before(history).is_none() || small_talk::detect(said).is_some() {
        return false;
    }
    let Some(words) = words::of(locale.unwrap_or(Locale::En)) else {
        return tokens(said).len() <= SHORT;
    };
    let tokens = tokens_in(words, said);
    lean::of(words, &tokens).is_some()
        || tokens.len() <= SHORT
        || tokens.iter().any(|t| words.pronouns.contains(t.word.as_str()))
}

/// Whether a word is a little one of a language that is known here, which says nothing by itself.
pub(super) fn is_little(word: &str) -> bool {
    Locale::EACH
        .into_iter()
        .filter_map(words::of)
        .any(|words| words.is_empty(word))
}

/// The last question that was one, with its answer.
fn before(history: &[Turn]) -> Option<Before<'_>> {
    let at = history
        .iter()
        .rposition(|turn| turn.role == "visitor" && small_talk::detect(&turn.text).is_none())?;
    let answer = history[at + 1..]
        .iter()
        .take_while(|turn| turn.role != "visitor")
        .find(|turn| turn.role == "assistant");
    let question = answer
        .and_then(|turn| turn.standalone.as_deref())
        .unwrap_or(&history[at].text);
    Some(Before { question, answer })
}

/// "How much is it?" with the subject for the pronoun.
fn in_place(said: &str, pronoun: &Token<'_>, subject: &str) -> String {
    let at = pronoun.text.as_ptr() as usize - said.as_ptr() as usize;
    let (front, back) = (&said[..at], &said[at + pronoun.text.len()..]);
    format!("{front}{subject}{back}")
}

/// "How much?" with the subject after it.
fn beside(said: &str, subject: &str) -> String {
    let said = said.trim_end_matches(|c: char| !c.is_alphanumeric());
    format!("{said}: {subject}?")
}
