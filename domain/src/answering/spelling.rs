//! Slips of the keyboard: a word of a question that the passages don't have, and that is one stroke away from one that they have.
//!
//! It is asked only where the question as it stands gets no answer, and the question that it gives has to pass the same check of
//! support. So a wrong guess costs a search, and never an answer about something else.
use std::collections::HashSet;

use super::standalone;
use crate::retrieval::Passage;

/// Letters of a word that can be told from another by one stroke.
const SHORTEST: usize = 5;
/// The same where two letters only changed places.
const SWAPPED: usize = 4;
/// Words of a question that are looked at: who asks something has no more of them that no page knows.
const MOST: usize = 12;
/// From here on a wrong letter counts as a slip as well: shorter words become others by it ("world", "would").
const LONG: usize = 7;

/// The question with its slips mended by the words of the passages, if there are any.
pub(super) fn mended(question: &str, passages: &[Passage]) -> Option<String> {
    let texts = passages.iter().flat_map(|p| [p.heading_path.as_str(), p.text.as_str()]);
    let known: HashSet<String> = texts.flat_map(words).map(|(_, word)| word.to_lowercase()).collect();
    let mut out = String::new();
    let mut from = 0;
    let unknown = words(question).filter(|(_, word)| {
        let lower = word.to_lowercase();
        lower.chars().count() >= SWAPPED && !known.contains(&lower) && !standalone::is_little(&lower)
    });
    for (at, word) in unknown.take(MOST) {
        let lower = word.to_lowercase();
        let mut near: Vec<&String> = known.iter().filter(|other| is_slip(&lower, other)).collect();
        near.sort_by_key(|other| (other.chars().count().abs_diff(lower.chars().count()), other.as_str()));
        if let Some(other) = near.first() {
            out.push_str(&question[from..at]);
            out.push_str(other);
            from = at + word.len();
        }
    }
    (from > 0).then(|| out + &question[from..])
}

/// The words of a text with their places. What has digits is a number or a name, and never a slip.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let parts = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().all(char::is_alphabetic) && !word.is_empty());
    parts.map(move |word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

/// Whether one letter too many, one too few, two that changed places, or, in long words, one other letter makes the difference.
fn is_slip(word: &str, other: &str) -> bool {
    // Most pairs are told by this, without a look at their letters.
    if word.chars().next() != other.chars().next() || word.len().abs_diff(other.len()) > char::MAX.len_utf8() {
        return false;
    }
    let (a, b): (Vec<char>, Vec<char>) = (word.chars().collect(), other.chars().collect());
    if b.len() < SWAPPED || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let stroke = a.len().min(b.len()) >= SHORTEST;
    let front = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let rest = |a: &[char], b: &[char]| a == b;
    let (a, b) = (&a[front..], &b[front..]);
    match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Less => stroke && !b.is_empty() && rest(a, &b[1..]),
        std::cmp::Ordering::Greater => stroke && !a.is_empty() && rest(&a[1..], b),
        std::cmp::Ordering::Equal => {
            let swapped = a.len() >= 2 && a[0] == b[1] && a[1] == b[0] && rest(&a[2..], &b[2..]);
            let other_letter = front + a.len() >= LONG && !a.is_empty() && rest(&a[1..], &b[1..]);
            swapped || other_letter
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::support::tests::passage;

    #[test]
    fn of_a_question_of_nonsense_a_few_words_are_looked_at() {
        let passages = [passage(None, 0.0, "Delivery takes a week.")];
        let nonsense = |n| format!("{}delivry", "qzxw ".repeat(n));
        assert!(mended(&nonsense(MOST - 1), &passages).is_some());
        assert_eq!(mended(&nonsense(MOST), &passages), None);
    }

    #[test]
    fn one_stroke_is_mended_and_another_word_is_not() {
        let passages = [passage(
            None,
            0.0,
            "How long it takes: three weeks. Delivery takes a week. The form: would you like a refund of the Sognefjord? Rents.",
        )];
        let mended = |question: &str| mended(question, &passages);
        assert_eq!(
            mended("how long does delivry take?").as_deref(),
            Some("how long does delivery take?")
        );
        assert_eq!(mended("how lnog?").as_deref(), Some("how long?"));
        assert_eq!(mended("DELIVERRY and reufnd").as_deref(), Some("delivery and refund"));
        assert_eq!(mended("the Sognefiord").as_deref(), Some("the sognefjord"));
        for question in [
            "Who won the world cup?",
            "delivery",
            "tents",
            "how much is XK1200",
            "Sagen",
            "song",
            "lon",
            "Is there a refund from you?",
        ] {
            assert_eq!(mended(question), None, "{question}");
        }
    }
}
