//! Sentences that say the opposite of what a passage says: "you can not send it back" has the words of "you can send it back".
//!
//! A sentence of a passage that has nearly all words of a claim says the same if both have as many negating words, or both an even or
//! both an odd number of them. Counted are those among the words that the two share: what a passage denies elsewhere in a long sentence
//! denies nothing of the claim.
use super::{
    amounts::unit,
    numbers::values_of,
    words::{content, like, tokens},
};

/// The share of a claim's words that a sentence must have to be compared with it.
const SAME: f64 = 0.8;
/// A claim of one word is compared with nothing.
const FEWEST: usize = 2;
/// Words before the first shared one that may still deny it: "Not all parcels".
const BEFORE: usize = 3;

/// Words that deny, as [`tokens`] gives them: in English, German, French, Spanish, Italian, Dutch, Portuguese and Polish. Those that are
/// something else in another of these languages are left out.
#[rustfmt::skip]
const DENYING: [&str; 84] = [
    "not", "no", "never", "without", "cannot", "neither", "nor", "none", "nothing", "nobody", "non", "dont", "doesnt", "didnt", "cant",
    "wont", "isnt", "arent", "wasnt", "werent", "couldnt", "shouldnt", "wouldnt", "hasnt", "havent", "hadnt", "mustnt", "neednt", "nicht",
    "kein", "keine", "keinen", "keinem", "keiner", "keines", "nie", "niemals", "ohne", "nichts", "weder", "niemand", "pas", "jamais", "sans",
    "aucun", "aucune", "rien", "nunca", "sin", "ningun", "ninguna", "ninguno", "nada", "tampoco", "senza", "nessun", "nessuna", "nessuno",
    "niente", "niet", "geen", "nooit", "zonder", "niets", "niemand", "nao", "sem", "nenhum", "nenhuma", "bez", "nigdy", "zaden", "zadna",
    "zadne", "brak", "nic", "ni", "unmoglich", "impossible", "unable", "hardly", "except", "refuse", "refuses",
];
/// Words behind "not" or "no" with which it denies nothing: "not only", "no later than".
#[rustfmt::skip]
const NOTHING_DENIED: [&str; 26] = [
    "only", "later", "more", "less", "fewer", "matter", "problem", "doubt", "just", "earlier", "nur", "spater", "mehr", "weniger", "fruher",
    "seulement", "solo", "soltanto", "alleen", "meer", "minder", "mas", "menos", "piu", "meno", "apenas",
];
/// Words that say when, or from what on, something holds. What does not hold below an amount may hold above it, so that sentences are
/// compared only if they have those of the claim.
#[rustfmt::skip]
const LIMITING: [&str; 72] = [
    "below", "under", "before", "until", "unless", "otherwise", "outside", "after", "within", "over", "above", "from", "beyond", "only",
    "later", "if", "when", "once", "less", "more", "unter", "bis", "vor", "nach", "ausserhalb", "sonst", "innerhalb", "uber", "ab", "nur",
    "wenn", "falls", "sauf", "hors", "apres", "avant", "moins", "plus", "bajo", "antes", "despues", "menos", "mas", "desde", "solo", "sotto",
    "prima", "dopo", "meno", "oltre", "onder", "boven", "binnen", "na", "voor", "alleen", "abaixo", "depois", "apos", "ponizej", "po", "przed",
    "up", "larger", "smaller", "bigger", "longer", "shorter", "older", "younger", "least", "most",
];
/// What an answer begins with and does not say of the passage.
const REPLIES: [&str; 9] = ["no", "yes", "nein", "ja", "non", "oui", "si", "nee", "nao"];

/// Marks between clauses.
const MARKS: [char; 10] = [',', ';', ':', '(', ')', '–', '—', '.', '!', '?'];

/// A text's words with what separates its clauses.
struct Read {
    words: Vec<String>,
    /// Before each word, whether a mark stands there.
    parted: Vec<bool>,
}

impl Read {
    fn of(text: &str) -> Self {
        let (mut words, mut parted) = (Vec::new(), Vec::new());
        for (clause, part) in text.split(MARKS).enumerate() {
            for (n, word) in tokens(part).into_iter().enumerate() {
                parted.push(n == 0 && clause > 0);
                words.push(word);
            }
        }
        Self { words, parted }
    }

    /// Whether it begins with an answer to a question: "No, you can not."
    fn replies(&self) -> bool {
        let first = self.words.first().is_some_and(|word| REPLIES.contains(&word.as_str()));
        first && self.parted.get(1).is_some_and(|parted| *parted)
    }

    /// Whether it holds under a condition.
    fn is_limited(&self) -> bool {
        let limits = |word: &String| {
            LIMITING.contains(&word.as_str())
                || word.starts_with(|c: char| c.is_ascii_digit())
                || values_of(word).next().is_some()
        };
        self.words.iter().any(limits)
    }

    /// Whether an odd number of words from one place to before another deny.
    fn denies(&self, from: usize, to: usize) -> bool {
        let denies = |at: &usize| {
            let next = self
                .words
                .get(at + 1)
                .filter(|_| !self.parted.get(at + 1).is_some_and(|parted| *parted));
            DENYING.contains(&self.words[*at].as_str())
                && !next.is_some_and(|next| NOTHING_DENIED.contains(&next.as_str()))
        };
        (from..to.min(self.words.len())).filter(denies).count() % 2 == 1
    }
}

/// Whether a sentence denies what it says: an odd number of its words do.
pub fn denies(sentence: &str) -> bool {
    let read = Read::of(sentence);
    read.denies(usize::from(read.replies()), read.words.len())
}

/// Whether a paraphrase of a claim may be one: the sentence, or a clause of it with a word of the claim's, denies as the claim does.
pub fn may_say(claim: &str, sentence: &str) -> bool {
    let denied = denies(claim);
    let words = content(claim);
    let shares = |clause: &str| {
        content(clause)
            .iter()
            .any(|word| words.iter().any(|own| like(own, word)))
    };
    denies(sentence) == denied
        || clauses(sentence)
            .into_iter()
            .any(|clause| shares(clause) && denies(clause) == denied)
}

fn clauses(sentence: &str) -> Vec<&str> {
    sentence
        .split(MARKS)
        .filter(|clause| !clause.trim().is_empty())
        .collect()
}

/// Whether sentences say the opposite of a claim, and none says the same.
pub fn is_denied<'a>(claim: &str, said: impl IntoIterator<Item = &'a String>) -> bool {
    let mut words = content(claim);
    // "Within 60 days" is a condition, of which a denial need not speak.
    words.retain(|word| unit(word).is_none() && values_of(word).next().is_none());
    if words.len() < FEWEST {
        return false;
    }
    let read = Read::of(claim);
    let denies = read.denies(usize::from(read.replies()), read.words.len());
    let mut opposed = false;
    for sentence in said {
        match stance(&read, &words, sentence) {
            Some(other) if other == denies => return false,
            Some(_) => opposed = true,
            None => opposed |= !denies && denies_of_a_list(&words, sentence),
        }
    }
    opposed
}

/// Whether a sentence denies what it shares with the words of a claim; none if that is too little.
fn stance(claim: &Read, words: &[String], sentence: &str) -> Option<bool> {
    let read = Read::of(sentence);
    let shared: Vec<usize> = (0..read.words.len())
        .filter(|at| words.iter().any(|word| like(word, &read.words[*at])))
        .collect();
    let known = words
        .iter()
        .filter(|word| shared.iter().any(|at| like(word, &read.words[*at])))
        .count();
    let limits = |word: &&String| LIMITING.contains(&word.as_str());
    let unlimited = claim.words.iter().filter(limits).any(|word| !read.words.contains(word));
    if (known as f64) < SAME * words.len() as f64 {
        return None;
    }
    let (first, last) = (*shared.first()?, *shared.last()?);
    // What denies may stand before the first word that both have, or right behind the last, in the same clause.
    let begins = (first.saturating_sub(BEFORE)..=first)
        .rev()
        .find(|at| read.parted[*at] || *at + BEFORE == first);
    let behind = last + 1 + usize::from(!read.parted.get(last + 1).is_some_and(|parted| *parted));
    let denied = read.denies(begins.unwrap_or(0), behind);
    // What is denied without a condition is denied under each.
    (!unlimited || (denied && !read.is_limited())).then_some(denied)
}

/// Whether a sentence denies of one of several things what a claim says of it, perhaps with others: "Used paddles, spray decks and gift
/// cards cannot be returned."
fn denies_of_a_list(claim: &[String], sentence: &str) -> bool {
    let read = Read::of(sentence);
    let denying: Vec<usize> = (0..read.words.len())
        .filter(|at| DENYING.contains(&read.words[*at].as_str()))
        .collect();
    let [at] = denying[..] else { return false };
    if read.is_limited() || !read.denies(0, read.words.len()) {
        return false;
    }
    let claims = |words: &[String]| {
        let words = content(&words.join(" "));
        !words.is_empty() && words.iter().all(|word| claim.iter().any(|own| like(own, word)))
    };
    let end = (at + 1..read.words.len())
        .find(|n| read.parted[*n])
        .unwrap_or(read.words.len());
    let (mut begin, mut named) = (0, false);
    for n in 0..at {
        let and = AND.contains(&read.words[n].as_str());
        if and || read.parted[n] {
            named |= claims(&read.words[begin..n]);
            begin = n + usize::from(and);
        }
    }
    (named || claims(&read.words[begin..at])) && claims(&read.words[at + 1..end])
}

/// What stands between the last two of several things.
const AND: [&str; 12] = [
    "and", "or", "nor", "und", "oder", "sowie", "et", "ou", "y", "e", "en", "oraz",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(claim: &str, said: &str) -> bool {
        is_denied(claim, &[said.to_owned()])
    }

    #[test]
    fn the_opposite_has_the_same_words() {
        for (claim, said) in [
            (
                "You can not send everything back within 60 days.",
                "You can send everything back within 60 days.",
            ),
            ("Gift cards are returnable.", "Gift cards are not returnable."),
            ("Returns aren't free.", "Returns are free."),
            ("No parcels are sent on Sundays.", "Parcels are sent on Sundays."),
            ("Tickets are refundable.", "Tickets are non-refundable."),
            (
                "You can return it without the receipt.",
                "You can return it with the receipt.",
            ),
            ("Gutscheine werden erstattet.", "Gutscheine werden nicht erstattet."),
            (
                "Wir versenden keine Kajaks ins Ausland.",
                "Wir versenden Kajaks ins Ausland.",
            ),
            ("Les bons sont remboursés.", "Les bons ne sont pas remboursés."),
        ] {
            assert!(denied(claim, said), "{claim}");
            assert!(denied(said, claim), "{said}");
        }
    }

    #[test]
    fn what_is_denied_elsewhere_denies_nothing_of_the_claim() {
        for (claim, said) in [
            (
                "You can send everything back within 60 days.",
                "You can send everything back within 60 days, but not opened software.",
            ),
            ("No, gift cards are not returnable.", "Gift cards are not returnable."),
            (
                "Yes, you can return it within 60 days.",
                "You can return it within 60 days.",
            ),
            (
                "Parcels arrive within four days.",
                "Parcels arrive not later than within four days.",
            ),
            (
                "Returns are not only free, they are quick.",
                "Returns are free and quick.",
            ),
            ("It is never without a receipt.", "It is always with a receipt."),
            (
                "Shipping is not free below 100 EUR.",
                "Shipping costs 4.90 EUR, from 100 EUR on it is free.",
            ),
            ("Bulky goods take a week.", "We do not ship to Spain."),
        ] {
            assert!(!denied(claim, said), "{claim}");
        }
        let both = [
            "Shipping is not free.".to_owned(),
            "Shipping is free from 100 EUR on.".to_owned(),
        ];
        assert!(!is_denied("Shipping is free.", &both));
    }
}
