//! What of the ordered passages is shown: each text once, and not all from one page. Pure.
//!
//! What must stay true: the best passage stays first, and so does the best passage of each page before that page's others, so that
//! the order of pages is that of the scores. Texts are compared only as far down as passages are wanted.
use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap, HashSet},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    vec,
};
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

/// The first `limit` of the ordered passages that say something of their own. The fourth passage of a page, and later ones, wait until other
/// pages' passages have come that score about as much.
pub(super) fn select(ordered: Vec<Passage>, asked: &[String], limit: usize) -> Vec<Passage> {
    let mut merged = Merged::new(ordered, asked);
    let mut taken: HashMap<Uuid, usize> = HashMap::new();
    let (mut first, mut later, mut at) = (Vec::new(), Vec::new(), 0);
    while first.len() < limit
        && let Some(passage) = merged.get(at).cloned()
    {
        let full = |page: &Uuid| taken.get(page).is_some_and(|n| *n >= PER_PAGE);
        let waits = full(&passage.page)
            && merged
                .find(at + 1, |p| !full(&p.page))
                .is_some_and(|p| p.score > passage.score - CLEARLY);
        at += 1;
        if waits {
            later.push(passage);
        } else {
            *taken.entry(passage.page).or_default() += 1;
            first.push(passage);
        }
    }
    first.append(&mut later);
    first.truncate(limit);
    first
}

/// Passages without those that say what a better one says: the same text, or one that differs in some words. Texts made from one form,
/// such as descriptions of sizes or countries, differ in a few words and say different things: a number, a name or a word of the
/// question that only one has keeps both.
struct Merged<'a> {
    rest: vec::IntoIter<Passage>,
    asked: &'a [String],
    seen: HashSet<(String, String)>,
    kept: Vec<Kept>,
}

/// A passage with what its text is compared by.
struct Kept {
    passage: Passage,
    shingles: Shingles,
    /// Counted when the first text comes that is like it, and not again for the next.
    counted: OnceCell<Counted>,
}

impl Kept {
    fn new(passage: Passage) -> Self {
        Self {
            shingles: Shingles::of(&passage.text),
            counted: OnceCell::new(),
            passage,
        }
    }

    fn counted(&self) -> &Counted {
        self.counted.get_or_init(|| counted(&self.passage.text))
    }
}

impl<'a> Merged<'a> {
    fn new(ordered: Vec<Passage>, asked: &'a [String]) -> Self {
        Self {
            rest: ordered.into_iter(),
            asked,
            seen: HashSet::new(),
            kept: Vec::new(),
        }
    }

    /// The passage at a place, if there are so many.
    fn get(&mut self, at: usize) -> Option<&Passage> {
        while self.kept.len() <= at {
            let passage = self.rest.next()?;
            if !self.seen.insert(said(&passage)) {
                continue;
            }
            let passage = Kept::new(passage);
            if passage.passage.text.len() < SHORT || !self.has(&passage) {
                self.kept.push(passage);
            }
        }
        Some(&self.kept[at].passage)
    }

    /// The first one from a place on that is `wanted`.
    fn find(&mut self, from: usize, wanted: impl Fn(&Passage) -> bool) -> Option<&Passage> {
        let mut at = from;
        while !wanted(self.get(at)?) {
            at += 1;
        }
        self.get(at)
    }

    fn has(&self, one: &Kept) -> bool {
        let is_like = |other: &Kept| one.shingles.are_like(&other.shingles);
        self.kept
            .iter()
            .any(|other| is_like(other) && !differ(one.counted(), other.counted(), self.asked))
    }
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

/// The different rows of words that a text has, as hashes in their order.
struct Shingles(Vec<u64>);

impl Shingles {
    fn of(text: &str) -> Self {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let mut rows: Vec<u64> = words(text).windows(SHINGLE).map(|row| hasher.hash_one(row)).collect();
        rows.sort_unstable();
        rows.dedup();
        Self(rows)
    }

    /// Whether the texts share most of them.
    fn are_like(&self, other: &Self) -> bool {
        let (few, many) = if self.0.len() < other.0.len() {
            (&self.0, &other.0)
        } else {
            (&other.0, &self.0)
        };
        if few.is_empty() || (few.len() as f64) < SAME * many.len() as f64 {
            return false;
        }
        let (mut shared, mut rest) = (0, many.as_slice());
        for hash in few {
            rest = &rest[rest.partition_point(|other| other < hash)..];
            shared += usize::from(rest.first() == Some(hash));
        }
        shared as f64 >= SAME * (few.len() + many.len() - shared) as f64
    }
}

/// Whether one of the texts has a word that matters, a number, a name or one that was asked for, more often than the other does.
fn differ(ours: &Counted, theirs: &Counted, asked: &[String]) -> bool {
    let more = |a: &Counted, b: &Counted| {
        a.iter().any(|(word, (times, matters))| {
            *times > b.get(word).map_or(0, |w| w.0) && (*matters || asked.contains(word))
        })
    };
    more(ours, theirs) || more(theirs, ours)
}

/// How often each word occurs, and whether it is one that matters by itself: a number or a name.
type Counted = BTreeMap<String, (usize, bool)>;

fn counted(text: &str) -> Counted {
    let mut counted = Counted::new();
    for part in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty())
    {
        let matters = part.chars().any(char::is_numeric) || part.starts_with(char::is_uppercase);
        let word = counted.entry(part.to_lowercase()).or_default();
        *word = (word.0 + 1, word.1 || matters);
    }
    counted
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
        assert_eq!(ids(&select(passages, &[], 9)), [1, 4, 5]);
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
            ids(&select(all.collect(), &asked, 9))
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
            ids(&select(all, &[], 9))
        };
        assert_eq!(of(0.82), [0, 1, 2, 5, 3, 4]);
        assert_eq!(of(0.40), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn fewer_passages_are_the_first_of_more() {
        let all: Vec<Passage> = (0..40)
            .map(|n| {
                let text = if n % 7 == 3 {
                    LONG.to_owned()
                } else {
                    format!("text {n}")
                };
                passage(n, n % 5 / 2, 0.9 - 0.005 * n as f64, "", &text)
            })
            .collect();
        let whole = ids(&select(all.clone(), &[], usize::MAX));
        assert_eq!(whole.len(), 35, "the long one comes once");
        for limit in 0..whole.len() {
            assert_eq!(ids(&select(all.clone(), &[], limit)), whole[..limit]);
        }
    }
}
