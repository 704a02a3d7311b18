//! The answer without a model: the site's own sentences, quoted with their source.
//!
//! The best passage's section is the answer's body. A section whose heading is the question answers from its beginning; else
//! the sentences nearest to the question are kept, in their order, with what stands between two neighbours.
use super::sentences::{Piece, pieces};
use crate::retrieval::Passage;

/// Words of an answer; simplified answers have at most 75.
const WORDS: usize = 140;
/// Words of an answer from a section that asks the same question: its author has already kept it short.
const WHOLE_WORDS: usize = 220;
const SIMPLIFIED_WORDS: usize = 75;
/// A heading this near to the question asks the same.
const SAME_QUESTION: f32 = 0.75;

/// A section to answer from: its pieces, the number of its source, and how near its heading is to the question.
pub struct Section {
    heading: String,
    pieces: Vec<Piece>,
}

impl Section {
    /// The section that `best` belongs to, of the texts of its chunks in order.
    pub fn new(best: &Passage, texts: &[String]) -> Self {
        let heading = best.heading_path.rsplit(" > ").next().unwrap_or(&best.title).to_owned();
        Self {
            heading,
            pieces: pieces(&texts.join("\n\n")),
        }
    }

    /// The texts whose nearness to the question [`compose`] needs: the heading, then each piece.
    pub fn texts(&self) -> Vec<String> {
        let text = |p: &Piece| match &p.heading {
            Some(heading) => format!("{heading}: {}", p.text),
            None => p.text.clone(),
        };
        std::iter::once(self.heading.clone())
            .chain(self.pieces.iter().map(text))
            .collect()
    }
}

/// Writes the answer. `near[0]` is the heading's nearness to the question, `near[1..]` each piece's; without a model all are
/// equal and the answer is the section's beginning.
pub fn compose(section: &Section, near: &[f32], simplified: bool) -> String {
    let pieces = &section.pieces;
    let heading = near.first().copied().unwrap_or(1.0);
    let budget = match simplified {
        true => SIMPLIFIED_WORDS,
        false if heading >= SAME_QUESTION => WHOLE_WORDS,
        false => WORDS,
    };
    let whole: usize = pieces.iter().map(|p| words(&p.text)).sum();
    let chosen = if whole <= budget || heading >= SAME_QUESTION || near.len() <= 1 {
        from_start(pieces, budget)
    } else {
        nearest(pieces, &near[1..], budget)
    };
    render(pieces, &chosen)
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn from_start(pieces: &[Piece], budget: usize) -> Vec<usize> {
    let mut chosen = Vec::new();
    let mut left = budget;
    for (i, piece) in pieces.iter().enumerate() {
        let n = words(&piece.text);
        if n > left && !chosen.is_empty() {
            break;
        }
        left = left.saturating_sub(n);
        chosen.push(i);
    }
    chosen
}

/// The nearest pieces within the budget, each with the sentence before it when it leans on it.
fn nearest(pieces: &[Piece], near: &[f32], budget: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by(|a, b| near.get(*b).unwrap_or(&0.0).total_cmp(near.get(*a).unwrap_or(&0.0)));
    let mut chosen: Vec<usize> = Vec::new();
    let mut left = budget;
    for i in order {
        let mut group = vec![i];
        if leans_back(pieces, i) && i > 0 {
            group.insert(0, i - 1);
        }
        // A list, table or code block follows the sentence that announces it.
        if pieces[i].prose && pieces[i].text.ends_with(':') && pieces.get(i + 1).is_some_and(|p| !p.prose) {
            group.push(i + 1);
        }
        group.retain(|n| !chosen.contains(n));
        let cost: usize = group.iter().map(|n| words(&pieces[*n].text)).sum();
        if cost > left && !chosen.is_empty() {
            continue;
        }
        left = left.saturating_sub(cost);
        chosen.extend(group);
    }
    chosen.sort_unstable();
    chosen
}

/// Whether a piece makes no sense without the one before it.
fn leans_back(pieces: &[Piece], i: usize) -> bool {
    const LEANING: [&str; 14] = [
        "This ",
        "That ",
        "These ",
        "Those ",
        "It ",
        "They ",
        "However",
        "Also",
        "Then ",
        "But ",
        "Otherwise",
        "For example",
        "Instead",
        "So ",
    ];
    !pieces[i].prose || (!pieces[i].starts_paragraph && LEANING.iter().any(|l| pieces[i].text.starts_with(l)))
}

fn render(pieces: &[Piece], chosen: &[usize]) -> String {
    let mut out = String::new();
    let mut last: Option<usize> = None;
    for &i in chosen {
        let piece = &pieces[i];
        if let Some(before) = last {
            let gap = i != before + 1;
            let same_paragraph = piece.prose && pieces[before].prose && !piece.starts_paragraph && !gap;
            out.push_str(if same_paragraph { " " } else { "\n\n" });
        }
        let under = last.and_then(|before| pieces[before].heading.as_ref());
        if let Some(heading) = piece.heading.as_ref().filter(|h| Some(*h) != under) {
            out.extend(["**", heading, "**\n\n"]);
        }
        out.push_str(&piece.text);
        last = Some(i);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::support::tests::passage;

    fn section(text: &str) -> Section {
        Section::new(&passage(Some(0.8), 1.0, text), &[text.to_owned()])
    }

    #[test]
    fn a_short_section_is_quoted_whole() {
        let text = "Parcels arrive in 2-4 days. Shipping costs 4.90 EUR.\n\n- DHL\n- UPS";
        let section = section(text);
        assert_eq!(compose(&section, &[0.1, 0.0, 0.0, 0.0], false), text);
    }

    #[test]
    fn of_a_long_section_the_nearest_sentences_are_kept_in_order() {
        let filler = "Lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor. ".repeat(12);
        let text = format!("Returns are free for 60 days. {filler}The refund takes five days.");
        let section = section(&text);
        let mut near = vec![0.1; section.texts().len()];
        near[1] = 0.9;
        *near.last_mut().unwrap() = 0.8;
        let answer = compose(&section, &near, true);
        assert!(answer.starts_with("Returns are free for 60 days."), "{answer}");
        assert!(answer.ends_with("The refund takes five days."), "{answer}");
        assert!(answer.split_whitespace().count() <= 75);
    }

    #[test]
    fn a_list_comes_with_the_sentence_that_announces_it() {
        let filler = "Lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor. ".repeat(12);
        let text = format!("{filler}\n\nTo return a parcel:\n\n1. Print the label.\n2. Hand it in.");
        let section = section(&text);
        let mut near = vec![0.1; section.texts().len()];
        let last = near.len() - 1;
        near[last] = 0.9;
        let answer = compose(&section, &near, true);
        assert!(
            answer.contains("To return a parcel:\n\n1. Print the label."),
            "{answer}"
        );
    }
}
