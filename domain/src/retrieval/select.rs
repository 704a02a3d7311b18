//! What of the ordered passages is shown: each text once, and not all from one page. Pure.
//!
//! What must stay true: the best passage stays first, and so does the best passage of each page before that page's others, so that
//! the order of pages is that of the scores.
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

use super::{Passage, fuse::words};

/// A text of fewer bytes needs its heading to be understood.
const SHORT: usize = 80;
/// Words in a row that are compared together.
const SHINGLE: usize = 3;
/// Texts that share more of these than this say the same.
const SAME: f64 = 0.7;
/// Passages of a page that come before those of other pages.
const PER_PAGE: usize = 3;
/// Unless they score this much more.
const CLEARLY: f64 = 0.1;

/// Drops passages that say what a better one says: the same text, or one that differs in some words. Texts made from one form, such as
/// descriptions of sizes or countries, differ in a few words and say different things: a number, a name or a word of the
/// question that only one has keeps both.
pub(super) fn merged(passages: Vec<Passage>, asked: &[String]) -> Vec<Passage> {
    let mut seen = HashSet::new();
    let mut kept: Vec<(Passage, Text)> = Vec::with_capacity(passages.len());
    for passage in passages {
        if !seen.insert(said(&passage)) {
            continue;
        }
        let text = Text::of(&passage.text);
        if passage.text.len() < SHORT || !kept.iter().any(|(_, other)| text.says_what(other, asked)) {
            kept.push((passage, text));
        }
    }
    kept.into_iter().map(|(passage, _)| passage).collect()
}

/// What a passage says: a short text, such as "Yes.", says something only under its heading.
fn said(passage: &Passage) -> (String, String) {
    let heading = if passage.text.len() < SHORT {
        passage.heading_path.clone()
    } else {
        String::new()
    };
    (heading, passage.text.clone())
}

/// A text as it is compared.
struct Text {
    shingles: HashSet<u64>,
    /// How often each word occurs, and whether it is one that matters: a number or a name.
    words: BTreeMap<String, (usize, bool)>,
}

impl Text {
    fn of(text: &str) -> Self {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let listed = words(text);
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let mut counted: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        for part in text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|part| !part.is_empty())
        {
            let matters = part.chars().any(char::is_numeric) || part.starts_with(char::is_uppercase);
            let word = counted.entry(part.to_lowercase()).or_default();
            *word = (word.0 + 1, word.1 || matters);
        }
        Self {
            shingles: listed.windows(SHINGLE).map(|row| hasher.hash_one(row)).collect(),
            words: counted,
        }
    }

    fn says_what(&self, other: &Self, asked: &[String]) -> bool {
        let (few, many) = (
            self.shingles.len().min(other.shingles.len()),
            self.shingles.len().max(other.shingles.len()),
        );
        if (few as f64) < SAME * many as f64 || few == 0 {
            return false;
        }
        let shared = self.shingles.intersection(&other.shingles).count();
        let all = self.shingles.len() + other.shingles.len() - shared;
        shared as f64 >= SAME * all as f64 && !self.differs(other, asked) && !other.differs(self, asked)
    }

    /// Whether it has a word that matters more often than `other` does.
    fn differs(&self, other: &Self, asked: &[String]) -> bool {
        self.words.iter().any(|(word, (times, matters))| {
            *times > other.words.get(word).map_or(0, |w| w.0) && (*matters || asked.contains(word))
        })
    }
}

/// Lets the fourth passage of a page, and later ones, wait until other pages' passages have come that score about as much.
pub(super) fn spread(passages: &[Passage]) -> Vec<Passage> {
    let mut taken: HashMap<Uuid, usize> = HashMap::new();
    let (mut first, mut later) = (Vec::with_capacity(passages.len()), Vec::new());
    for (at, passage) in passages.iter().enumerate() {
        let full = |page| taken.get(page).is_some_and(|n| *n >= PER_PAGE);
        let waiting = || passages[at + 1..].iter().find(|p| !full(&p.page));
        if full(&passage.page) && waiting().is_some_and(|p| p.score > passage.score - CLEARLY) {
            later.push(passage.clone());
            continue;
        }
        *taken.entry(passage.page).or_default() += 1;
        first.push(passage.clone());
    }
    first.append(&mut later);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(n: u128, page: u128, score: f64, heading: &str, text: &str) -> Passage {
        Passage {
            chunk: Uuid::from_u128(n),
            page: Uuid::from_u128(page),
            heading_path: heading.into(),
            text: text.into(),
            score,
            ..Passage::default()
        }
    }

    fn ids(passages: &[Passage]) -> Vec<u128> {
        passages.iter().map(|p| p.chunk.as_u128()).collect()
    }

    const LONG: &str = "Send goods back within sixty days and get all of your money refunded, whatever the reason is and whoever bought them.";

    #[test]
    fn a_text_on_several_pages_comes_once_and_short_ones_go_by_their_headings() {
        let reworded = LONG.replace("get all", "receive all");
        let passages = vec![
            passage(1, 1, 0.9, "Returns", LONG),
            passage(2, 2, 0.9, "Print", LONG),
            passage(3, 3, 0.9, "Terms", &reworded),
            passage(4, 4, 0.8, "FAQ > Is it safe?", "Yes."),
            passage(5, 4, 0.7, "FAQ > Is it free?", "Yes."),
            passage(6, 5, 0.6, "FAQ > Is it free?", "Yes."),
        ];
        assert_eq!(ids(&merged(passages, &[])), [1, 4, 5]);
    }

    #[test]
    fn texts_of_one_form_that_say_different_things_stay_apart() {
        let form = |country: &str, days: u32, how: &str| {
            format!(
                "Parcels to {country} are handed over to our partner on the day of the order, travel {how} insured up to their value, \
                 and arrive after {days} working days at the latest, which the partner promises to us and we to you."
            )
        };
        let texts = [
            form("Norway", 5, "well"),
            form("Sweden", 5, "well"),
            form("Norway", 7, "well"),
            form("Norway", 5, "fully"),
        ];
        let passages = |asked: &[&str]| {
            let all = texts
                .iter()
                .enumerate()
                .map(|(n, text)| passage(n as u128, n as u128, 0.5, "", text));
            let asked: Vec<String> = asked.iter().map(|&word| word.to_owned()).collect();
            ids(&merged(all.collect(), &asked))
        };
        assert_eq!(
            passages(&["norway"]),
            [0, 1, 2],
            "the fourth differs in a word that nobody asked for"
        );
        assert_eq!(passages(&["fully"]), [0, 1, 2, 3]);
    }

    #[test]
    fn the_fourth_passage_of_a_page_waits_for_others_unless_it_is_clearly_better() {
        let of = |rest: f64| {
            let mut all: Vec<Passage> = (0..5)
                .map(|n| passage(n, 1, 0.9 - 0.01 * n as f64, "", &format!("text {n}")))
                .collect();
            all.push(passage(5, 2, rest, "", "other"));
            ids(&spread(&all))
        };
        assert_eq!(of(0.82), [0, 1, 2, 5, 3, 4]);
        assert_eq!(of(0.40), [0, 1, 2, 3, 4, 5]);
    }
}
