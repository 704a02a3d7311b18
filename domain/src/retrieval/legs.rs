//! Which chunks the two legs choose of those that were read, pure.
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    Candidate,
    bm25::Ranks,
    scan::{FAR, Scan},
    words::Language,
};

/// Candidates of each leg.
pub(super) const LEG: usize = 60;

/// A language's chunks as they were read.
pub(super) struct Read<'a> {
    /// How it reads the question.
    pub language: &'a Language,
    /// The chunks.
    pub scan: Scan,
    /// What their words come to.
    pub ranks: Ranks,
}

/// Where a chunk stands in what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The language.
    pub language: usize,
    /// The chunk's row in its scan.
    pub row: usize,
}

/// A chunk; without a place it was not read.
pub(super) type Chosen = (Uuid, Option<Place>);

impl Read<'_> {
    /// Tells a candidate what its words come to, and how near it is if that was measured.
    pub(super) fn tell(&self, row: usize, candidate: &mut Candidate, lexical: bool) {
        let distance = self.scan.distances.get(row).filter(|distance| **distance < FAR);
        candidate.cosine = distance.map(|distance| 1.0 - distance).or(candidate.cosine);
        let has = self.ranks.has[row];
        let words = || self.language.words.iter().map(|(lexeme, _)| lexeme.clone());
        let here = words().enumerate().filter(|(at, _)| has >> at & 1 == 1);
        candidate.reach = Some(self.ranks.reach[row]).filter(|_| lexical && has != 0);
        candidate.words = here.map(|(_, word)| word).collect();
        candidate.asked = words().collect();
        candidate.rarity.clone_from(&self.ranks.rarity);
        candidate.question_words = self.language.words.len() as i32;
        candidate.sentence = self.language.sentence;
    }
}

/// The chunks that reach most of the question.
pub(super) fn by_words(read: &[Read<'_>]) -> Vec<Chosen> {
    least(read, |read, row| {
        (read.ranks.has[row] != 0).then(|| -read.ranks.reach[row])
    })
}

/// The chunks that are nearest to the question.
pub(super) fn by_distance(read: &[Read<'_>]) -> Vec<Chosen> {
    least(read, |read, row| {
        Some(read.scan.distances[row]).filter(|distance| *distance < FAR)
    })
}

/// Chunks that were found otherwise. Those of a language that knows no word of the question may not have been read.
pub(super) fn places(read: &[Read<'_>], ids: &[Uuid]) -> Vec<Chosen> {
    let mut found: HashMap<Uuid, Option<Place>> = ids.iter().map(|id| (*id, None)).collect();
    for (language, read) in read.iter().enumerate() {
        for (row, id) in read.scan.ids.iter().enumerate() {
            if let Some(place) = found.get_mut(id) {
                *place = Some(Place { language, row });
            }
        }
    }
    found.into_iter().collect()
}

/// The chunks with the least of what `measure` gives, of all languages; of equals, those with the lesser ids.
fn least(read: &[Read<'_>], measure: impl Fn(&Read<'_>, usize) -> Option<f64>) -> Vec<Chosen> {
    let mut all = Vec::new();
    for (language, read) in read.iter().enumerate() {
        let rows = read.scan.ids.iter().enumerate();
        all.extend(rows.filter_map(|(row, id)| Some((measure(read, row)?, *id, Place { language, row }))));
    }
    if all.len() > LEG {
        all.select_nth_unstable_by(LEG - 1, |a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        all.truncate(LEG);
    }
    all.into_iter().map(|(_, id, place)| (id, Some(place))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(words: usize) -> Language {
        let words = (0..words).map(|n| format!("w{n}"));
        let numbers = (1..).take(words.len()).collect();
        Language::new("english".into(), words.collect(), numbers, 9)
    }

    /// Chunks numbered from `first`, of (distance, reach).
    fn read(language: &Language, first: u128, chunks: impl IntoIterator<Item = (f64, f64)>) -> Read<'_> {
        let (distances, reach): (Vec<f64>, Vec<f64>) = chunks.into_iter().unzip();
        Read {
            language,
            scan: Scan {
                ids: (first..).take(reach.len()).map(Uuid::from_u128).collect(),
                distances,
                ..Scan::default()
            },
            ranks: Ranks {
                has: reach.iter().map(|reach| u32::from(*reach > 0.0)).collect(),
                reach,
                rarity: vec![1.0; language.words.len()],
            },
        }
    }

    fn ids(chosen: Vec<Chosen>) -> Vec<u128> {
        let mut ids: Vec<u128> = chosen.into_iter().map(|(id, _)| id.as_u128()).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn each_leg_chooses_its_best_of_all_languages_and_equals_by_their_ids() {
        let language = language(1);
        let many = (0..100).map(|n| (0.5, if n < 70 { 0.2 } else { 0.0 }));
        let all = [
            read(&language, 1000, [(0.1, 0.1), (FAR, 0.9)]),
            read(&language, 0, many),
        ];
        let near = ids(by_distance(&all));
        assert_eq!(near, (0..59).chain([1000]).collect::<Vec<_>>());
        let worded = ids(by_words(&all));
        assert_eq!(worded, (0..59).chain([1001]).collect::<Vec<_>>());
        assert_eq!(ids(by_words(&[])), [0_u128; 0]);
    }

    #[test]
    fn what_the_index_found_is_looked_up_where_it_was_read() {
        let language = language(1);
        let all = [
            read(&language, 5, [(0.1, 0.0)]),
            read(&language, 7, [(0.1, 0.0), (0.1, 0.0)]),
        ];
        let mut found = places(&all, &[8, 3].map(Uuid::from_u128));
        found.sort_by_key(|(id, _)| *id);
        let place = Some(Place { language: 1, row: 1 });
        assert_eq!(found, [(Uuid::from_u128(3), None), (Uuid::from_u128(8), place)]);
    }

    #[test]
    fn a_candidate_is_told_which_words_it_has() {
        let language = language(3);
        let mut read = read(&language, 0, [(0.1, 0.4)]);
        read.ranks.has = vec![0b101];
        let mut candidate = Candidate::default();
        read.tell(0, &mut candidate, true);
        assert_eq!((candidate.reach, candidate.question_words), (Some(0.4), 3));
        assert_eq!(
            (candidate.words, candidate.asked.len()),
            (vec!["w0".to_owned(), "w2".to_owned()], 3)
        );
        let mut nearby = Candidate::default();
        read.tell(0, &mut nearby, false);
        assert_eq!((nearby.reach, nearby.words.len()), (None, 2));
    }
}
