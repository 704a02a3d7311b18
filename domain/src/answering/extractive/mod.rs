//! The answer without a model: the site's own sentences, quoted.
//!
//! A short section is quoted whole, and one whose heading is the question from its beginning. Of others the sentences nearest to the
//! question are kept, in their order, each with what it can't be understood without: the sentence that it leans on, the line that
//! announces a list, all steps of a procedure.
mod choice;
mod idle;
mod section;
mod short;
pub mod subject;

use super::{
    expected::plain,
    sentences::{Kind, Piece},
};
use choice::Choice;
pub use section::{Section, Worth, only_names};
pub use short::shortened;

/// Words of an answer from chosen sentences; of simplified answers, with room for the marks of sources in 75.
const WORDS: usize = 110;
pub const SIMPLIFIED_WORDS: usize = 72;
/// Words of a section that is quoted whole.
const SHORT: usize = 85;
/// Words of an answer from a section that asks the same question: its author has already kept it short.
const SAME_WORDS: usize = 130;
/// The same of a section below a question that is no longer: its author has given the answer whole.
const ASKED_WORDS: usize = 200;
/// The same of a question's own answer in structured data.
const FAQ_WORDS: usize = 350;
/// How much longer than asked for an answer may be by the first steps of a list that is too long to be quoted whole.
const STEPS_WORDS: usize = 90;

/// Writes what the section says to the question; empty if it says nothing. `share` of the usual length is used.
pub fn compose(section: &Section, worth: &Worth, simplified: bool, share: f32) -> String {
    let (kept, worth) = &section.told(worth);
    let pieces = kept.as_slice();
    let same = worth.asks_the_same();
    let budget = match (simplified, same) {
        (false, true) if section.is_faq => FAQ_WORDS,
        (false, true) if section.asks() && length(pieces) <= ASKED_WORDS => ASKED_WORDS,
        (false, true) => SAME_WORDS,
        _ => most(simplified, 1.0),
    };
    let most = (budget as f32 * share) as usize;
    let choice = |budget| Choice {
        pieces,
        worth,
        budget,
        steps: if simplified { 0 } else { STEPS_WORDS },
    };
    let body = chosen(&choice(most), same);
    if !simplified {
        return body;
    }
    // Headings count as well.
    let over = words(&body).saturating_sub(most);
    let body = if over == 0 {
        body
    } else {
        chosen(&choice(most.saturating_sub(over)), same)
    };
    shortened(&body, most)
}

/// Words of an answer that has `share` of the usual length.
pub fn most(simplified: bool, share: f32) -> usize {
    let words = if simplified { SIMPLIFIED_WORDS } else { WORDS };
    (words as f32 * share) as usize
}

fn chosen(choice: &Choice, same: bool) -> String {
    let pieces = choice.pieces;
    let whole = length(pieces);
    let one = pieces.windows(2).all(|pair| pair[0].heading == pair[1].heading);
    let chosen = if (whole <= SHORT.min(choice.budget) && one) || same {
        choice.beginning()
    } else {
        choice.nearest()
    };
    let text = render(pieces, &chosen);
    let last = chosen.last().copied();
    let more = last.is_some_and(|last| {
        pieces
            .get(last + 1)
            .is_some_and(|next| next.heading == pieces[last].heading)
    });
    // What is below the question goes on.
    if same && more && !text.ends_with('…') {
        return text + "\n\n…";
    }
    text
}

fn length(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| words(&piece.text)).sum()
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn render(pieces: &[Piece], chosen: &[usize]) -> String {
    let mut out = String::new();
    let mut last: Option<usize> = None;
    for &i in chosen {
        let piece = &pieces[i];
        if let Some(before) = last {
            let follows = i == before + 1;
            let sentences = piece.kind == Kind::Sentence && pieces[before].kind == Kind::Sentence;
            out.push_str(match () {
                () if sentences && follows && !piece.starts_paragraph => " ",
                () if piece.group == pieces[before].group && !sentences => "\n",
                () => "\n\n",
            });
        }
        let under = last.and_then(|before| pieces[before].heading.as_ref());
        if let Some(heading) = piece.heading.as_ref().filter(|h| Some(*h) != under) {
            out.extend(["**", heading, "**\n\n"]);
        }
        out.push_str(&piece.text);
        last = Some(i);
    }
    if last.is_some_and(|last| goes_on(pieces, last)) {
        out.push_str("\n…");
    }
    out
}

/// Whether a step has others behind it.
fn goes_on(pieces: &[Piece], i: usize) -> bool {
    let (piece, next) = (&pieces[i], pieces.get(i + 1));
    piece.kind == Kind::Step && next.is_some_and(|next| next.kind == Kind::Step && next.group == piece.group)
}

/// Where the mark of the source stands: behind the last word, below code.
pub fn cited(body: &str, n: usize) -> String {
    let gap = if body.ends_with("```") { "\n\n" } else { " " };
    format!("{body}{gap}[{n}]")
}

/// The share of the question's words that a text has: what nearness is without a model.
pub fn shared_words(question: &str, text: &str) -> f32 {
    let (asked, said) = (plain(question), plain(text));
    let words: Vec<&str> = asked.split(' ').filter(|word| word.len() > 3).collect();
    let known = words.iter().filter(|word| said.contains(&format!(" {word}"))).count();
    known as f32 / words.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{answering::support::tests::passage, retrieval::Passage};

    fn section(text: &str) -> Section {
        Section::new(&passage(Some(0.8), 1.0, text), &[text.to_owned()])
    }

    /// An answer where the pieces that contain one of `near` are near to the question.
    fn answer(text: &str, near: &[&str], simplified: bool) -> String {
        let section = section(text);
        let value = |t: &String| if near.iter().any(|n| t.contains(n)) { 0.8 } else { 0.1 };
        let worth = Worth::new(&section, &section.texts().iter().map(value).collect::<Vec<_>>(), "zzz");
        compose(&section, &worth, simplified, 1.0)
    }

    fn filler(n: usize) -> String {
        let sentence =
            |i| format!("Lorem {i} ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor. ");
        (0..n).map(sentence).collect()
    }

    #[test]
    fn a_short_section_is_quoted_whole() {
        let text = "Parcels arrive in 2-4 days. Shipping costs 4.90 EUR.\n\nCarriers:\n\n- DHL\n- UPS";
        assert_eq!(answer(text, &[], false), text);
    }

    #[test]
    fn of_a_long_section_the_nearest_sentences_are_kept_in_order() {
        let text = format!(
            "Returns are free for 60 days. {} The refund takes five days.",
            filler(12)
        );
        let answer = answer(&text, &["Returns", "refund"], true);
        assert_eq!(answer, "Returns are free for 60 days.\n\nThe refund takes five days.");
    }

    #[test]
    fn steps_come_whole_with_the_sentence_that_announces_them() {
        let text = format!(
            "{}\n\nTo return a parcel:\n\n1. Print the label.\n2. Hand it in.",
            filler(12)
        );
        assert_eq!(
            answer(&text, &["Hand"], false),
            "To return a parcel:\n\n1. Print the label.\n2. Hand it in."
        );
    }

    fn steps(n: usize) -> String {
        let step = |i| {
            format!(
                "{i}. Take part {i} and put it behind the one before, so that its holes and theirs meet and the screws {i} go in.\n"
            )
        };
        (1..=n).map(step).collect()
    }

    #[test]
    fn a_long_procedure_comes_whole_and_a_longer_one_says_that_it_goes_on() {
        let whole = format!("To build it:\n\n{}", steps(13).trim_end());
        let text = format!("{}\n\n{whole}\n\n{}", filler(4), filler(4));
        for near in ["To build it", "Take part 9 "] {
            assert_eq!(answer(&text, &[near], false), whole, "{near}");
        }
        let section = section(&whole);
        let worth = Worth::new(&section, &[0.9], "zzz");
        assert_eq!(compose(&section, &worth, false, 1.0), whole);
        let cut = answer(&format!("To build it:\n\n{}", steps(20)), &["Take part 2 "], false);
        assert!(
            cut.starts_with("To build it:\n\n1. ") && cut.ends_with("go in.\n…"),
            "{cut}"
        );
    }

    #[test]
    fn the_answer_of_a_question_that_is_asked_comes_as_its_author_gave_it() {
        let text = filler(17).trim_end().to_owned();
        let passage = Passage {
            kind: crate::pages::index::Kind::Faq,
            ..passage(Some(0.8), 1.0, &text)
        };
        let section = Section::new(&passage, std::slice::from_ref(&text));
        let worth = Worth::new(&section, &[0.9], "zzz");
        assert_eq!(compose(&section, &worth, false, 1.0), text);
    }

    #[test]
    fn the_answer_below_a_heading_that_asks_comes_whole_or_says_that_it_goes_on() {
        let of = |sentences: usize| {
            let text = filler(sentences).trim_end().to_owned();
            let asked = Passage {
                heading_path: "Orders > How do I pay?".into(),
                ..passage(Some(0.8), 1.0, &text)
            };
            let section = Section::new(&asked, std::slice::from_ref(&text));
            let worth = Worth::new(&section, &[0.9], "zzz");
            (compose(&section, &worth, false, 1.0), text)
        };
        let (answer, text) = of(14);
        assert_eq!(answer, text);
        let (answer, text) = of(40);
        let quoted = answer.strip_suffix("\n\n…").expect("a mark that it goes on");
        assert!(text.starts_with(quoted) && words(quoted) <= SAME_WORDS, "{answer}");
    }

    #[test]
    fn of_a_long_table_the_row_that_answers_is_kept() {
        let rows: Vec<String> = (0..40)
            .map(|n| format!("| Country {n} | {n} days | {n} EUR |\n"))
            .collect();
        let rows = rows.concat();
        let text = format!("| Where | Time | Price |\n|---|---|---|\n{rows}");
        assert_eq!(
            answer(&text, &["Country 17 "], false),
            "- Country 17 – Time: 17 days; Price: 17 EUR"
        );
    }

    #[test]
    fn a_sentence_that_points_back_brings_what_it_points_at() {
        let text = format!(
            "{}\n\nThe label is free. It is sent by e-mail. {}",
            filler(6),
            filler(6)
        );
        assert_eq!(
            answer(&text, &["sent by"], false),
            "The label is free. It is sent by e-mail."
        );
    }

    #[test]
    fn an_answer_does_not_end_with_an_announcement() {
        let code = format!("```\n{}```", "x = 1\n".repeat(40));
        let text = format!("How to do it?\n\nUse a loop. Like this:\n\n{code}");
        let section = section(&text);
        let worth = Worth::new(&section, &[0.9, 0.5, 0.5, 0.5, 0.5], "zzz");
        assert_eq!(
            compose(&section, &worth, false, 1.0),
            "How to do it?\n\nUse a loop.\n\n…"
        );
    }

    #[test]
    fn the_kind_of_fact_that_is_asked_for_counts() {
        let text = format!("{} The lamp is made with care. It costs £89.", filler(12));
        let section = section(&text);
        let near: Vec<f32> = section.texts().iter().map(|_| 0.4).collect();
        let worth = Worth::new(&section, &near, "How much does it cost?");
        let answer = compose(&section, &worth, true, 1.0);
        assert!(answer.contains("The lamp is made with care. It costs £89."), "{answer}");
    }
}
