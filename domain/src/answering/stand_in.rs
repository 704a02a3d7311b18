//! Which passages' sections are quoted from: the best ones, and, where these lack the fact that is asked for, those that may have it.
use std::collections::HashSet;

use super::{
    expected::plain,
    extractive::{self, Section},
    quote::SECTIONS,
    support,
};
use crate::retrieval::{Passage, Word};

/// Sections of passages that score this much less than the best are not looked into.
const BEHIND: f64 = 0.12;

/// The first passages of different sections that are nearly as good as the best one, of those that say something.
pub(super) fn best_sections(passages: &[Passage]) -> Vec<&Passage> {
    let says = |p: &&Passage| !Section::new(p, std::slice::from_ref(&p.text)).is_empty();
    let Some(first) = passages.iter().find(says).or(passages.first()) else {
        return Vec::new();
    };
    let near = passages
        .iter()
        .take_while(|p| p.score >= first.score - BEHIND)
        .filter(says);
    let mut best: Vec<&Passage> = different(near).take(SECTIONS).collect();
    if best.is_empty() {
        best.push(first);
    }
    best
}

/// Of passages of one section the first.
pub(super) fn different<'a>(passages: impl Iterator<Item = &'a Passage>) -> impl Iterator<Item = &'a Passage> {
    let mut seen = HashSet::new();
    passages.filter(move |p| seen.insert((p.page, p.heading_path.as_str())))
}

/// Whether the section of a passage may tell what the best one does not: when parcels arrive and what they cost are told by two sections
/// of a page. It speaks of what the best one does.
pub(super) fn stands_in(question: &str, best: &Passage, other: &Passage) -> bool {
    let said = |p: &Passage| plain(&format!("{}\n{}", p.heading_path, p.text));
    let (ours, theirs) = (said(best), said(other));
    let in_best: Vec<&Word> = best.words.iter().filter(|word| support::has(word, &ours)).collect();
    let has = |lexeme: &String| {
        let own = other.words.iter().find(|word| word.lexeme == *lexeme);
        own.is_some_and(|word| support::has(word, &theirs))
    };
    let shared = in_best.iter().filter(|word| has(&word.lexeme)).count();
    best.page == other.page
        && best.heading_path != other.heading_path
        && shared > 0
        && shared * 2 >= in_best.len()
        && other.cosine.is_none_or(|cosine| cosine >= support::RELATED)
        && !extractive::subject::is_another(question, &other.heading_path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::support::tests::passage;
    use uuid::Uuid;

    #[test]
    fn what_only_repeats_its_title_is_not_quoted_from() {
        let of = |score, text: &str| Passage {
            score,
            title: "Returns".into(),
            heading_path: format!("Returns > {score}"),
            ..passage(Some(score), 1.0, text)
        };
        let passages = [
            of(0.9, "Returns"),
            of(0.8, "Returns\n\nThe form:"),
            of(0.7, "You get all of your money back."),
            of(0.6, "Write to us."),
            of(0.5, "Nobody wants this one."),
        ];
        let texts: Vec<&str> = best_sections(&passages).iter().map(|p| p.text.as_str()).collect();
        assert_eq!(texts, ["You get all of your money back.", "Write to us."]);
        assert_eq!(best_sections(&passages[..1]).len(), 1);
    }

    #[test]
    fn another_section_stands_in_if_it_speaks_of_the_same() {
        let word = |lexeme: &str| Word {
            lexeme: lexeme.into(),
            rarity: 2.0,
            here: false,
        };
        let of = |page: u128, cosine: f64, heading: &str, text: &str| Passage {
            page: Uuid::from_u128(page),
            heading_path: heading.into(),
            words: ["much", "deliveri", "norway"].map(word).into(),
            ..passage(Some(cosine), 1.0, text)
        };
        let best = of(1, 0.6, "Delivery > Time", "Parcels to Norway arrive within four days.");
        let may = |other: &Passage| stands_in("How much is delivery to Norway?", &best, other);
        let price = "A parcel is 4.90 EUR.";
        assert!(may(&of(1, 0.5, "Delivery > Prices", price)));
        for other in [
            best.clone(),
            of(1, 0.4, "Delivery > Prices", price),
            of(1, 0.5, "Gift cards", price),
            of(2, 0.5, "Delivery > Norway", price),
        ] {
            assert!(!may(&other), "{}", other.heading_path);
        }
        assert!(!stands_in(
            "What does delivery cost?",
            &best,
            &of(1, 0.5, "Returns", "Returns of deliveries: 5 EUR.")
        ));
    }
}
