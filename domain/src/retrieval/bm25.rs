//! BM25 (Robertson and Zaragoza, 2009), pure: how much of a question the chunks of a language have.
//!
//! All that it counts with (chunks, chunks with a word, average length) is counted from the chunks of the search themselves, so
//! nothing is kept that could be wrong. A rank is told as a share of what the question could reach: of a page in another language a
//! question has hardly a word, and then its rank is a small part of that, whatever the customer's other pages have.
//!
//! Keywords name what a page is about, and are looked for in headings first; the words of a sentence that stand in a title as well
//! ("Python FAQ") say little. Both were measured (`docs/adr/0018-bm25-by-inner-products.md`).
use super::{
    scan::Scan,
    words::{Language, OF_A_PRODUCT},
};

/// How soon more of the same word stops counting.
const K1: f64 = 1.2;
/// How much a chunk's length counts.
const B: f64 = 0.75;
/// How many times of a word in the text its place in a heading counts for, of keywords.
const OF_KEYWORDS: f64 = 5.0;
/// The same of a sentence, beside a vector that has the headings in it.
const BESIDE_VECTORS: f64 = 0.25;
/// The same of a sentence whose words are all there is.
const ALONE: f64 = 1.0;

/// The ranks of a scan's chunks, in its order.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    /// What each chunk reaches of the question, 0 to 1.
    pub reach: Vec<f64>,
    /// Which words of the question it has: a bit for each.
    pub has: Vec<u32>,
    /// How rare each word is: the logarithm of chunks to chunks with it.
    pub rarity: Vec<f64>,
}

/// Ranks what `scan` found. `with_vectors`: the words stand beside a vector.
pub(super) fn rank(language: &Language, scan: &Scan, with_vectors: bool) -> Ranks {
    let heading = match (language.sentence, with_vectors) {
        (false, _) => OF_KEYWORDS,
        (true, true) => BESIDE_VECTORS,
        (true, false) => ALONE,
    };
    let has: Vec<u32> = (0..scan.ids.len()).map(|row| mask(scan, row)).collect();
    let chunks = scan.ids.len() as f64;
    let rarity: Vec<f64> = (0..language.words.len())
        .map(|at| {
            let with = has.iter().filter(|mask| *mask >> at & 1 == 1).count() as f64;
            (1.0 + (chunks - with + 0.5) / (with + 0.5)).ln()
        })
        .collect();
    let best = rarity.iter().sum::<f64>() * (K1 + 1.0);
    let total: f64 = scan.lengths.iter().copied().map(f64::from).sum();
    let average = (total / chunks).max(1.0);
    let reach = |row: usize| {
        let saturation = K1 * (1.0 - B + B * f64::from(scan.lengths[row]) / average);
        let of_word = |(at, entry): (usize, u32)| {
            let times = f64::from(entry & 7) + heading * f64::from(entry >> 3);
            rarity[at] * times * (K1 + 1.0) / (times + saturation)
        };
        entries(scan, row).map(of_word).sum::<f64>() / best
    };
    let reach = (0..scan.ids.len())
        .map(|row| if has[row] == 0 { 0.0 } else { reach(row) })
        .collect();
    Ranks { reach, has, rarity }
}

fn mask(scan: &Scan, row: usize) -> u32 {
    entries(scan, row).fold(0, |mask, (at, _)| mask | 1 << at)
}

/// The words that a chunk has, by their place in the question, with its entry for each: how often the text has it, and 8 for the heading.
fn entries(scan: &Scan, row: usize) -> impl Iterator<Item = (usize, u32)> {
    let digits = move |(n, product): (usize, &Vec<u32>)| {
        let number = product[row];
        (0..OF_A_PRODUCT).map(move |digit| (n * OF_A_PRODUCT + digit, number >> (4 * digit) & 15))
    };
    let all = scan.products.iter().enumerate().flat_map(digits);
    all.filter(|(_, entry)| *entry > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// A language of `words` words and a scan of chunks of (length, entries by place).
    fn scanned(words: usize, sentence: bool, chunks: &[(i32, &[u32])]) -> (Language, Scan) {
        let language = Language {
            config: "english".into(),
            words: (0..words).map(|n| (format!("w{n}"), n as i32 + 1)).collect(),
            sentence,
        };
        let product = |n: usize| {
            let number = |(_, entries): &(i32, &[u32])| {
                let own = entries.iter().skip(6 * n).take(6).enumerate();
                own.map(|(digit, entry)| entry << (4 * digit)).sum()
            };
            chunks.iter().map(number).collect()
        };
        let scan = Scan {
            ids: (0..chunks.len()).map(|n| Uuid::from_u128(n as u128)).collect(),
            lengths: chunks.iter().map(|(length, _)| *length).collect(),
            products: (0..words.div_ceil(6)).map(product).collect(),
            distances: Vec::new(),
        };
        (language, scan)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn a_rank_is_bm25_as_a_share_of_the_most() {
        let (language, scan) = scanned(2, true, &[(4, &[3, 0]), (2, &[0, 1]), (3, &[1, 2]), (3, &[0, 0])]);
        let ranks = rank(&language, &scan, true);
        let idf = |with: f64| (1.0 + (4.0 - with + 0.5) / (with + 0.5)).ln();
        assert!(close(ranks.rarity[0], idf(2.0)) && close(ranks.rarity[1], idf(2.0)));
        let of = |n: f64, length: f64| idf(2.0) * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * length / 3.0));
        let best = 2.0 * idf(2.0) * 2.2;
        let expected = [of(3.0, 4.0), of(1.0, 2.0), of(1.0, 3.0) + of(2.0, 3.0), 0.0];
        for (reach, expected) in ranks.reach.iter().zip(expected) {
            assert!(close(*reach, expected / best), "{reach} for {}", expected / best);
        }
        assert_eq!(ranks.has, [0b01, 0b10, 0b11, 0]);
    }

    #[test]
    fn headings_count_by_the_kind_of_question_and_by_what_stands_beside_the_words() {
        let of = |sentence, with_vectors| {
            let (language, scan) = scanned(1, sentence, &[(2, &[8 + 1]), (2, &[0])]);
            rank(&language, &scan, with_vectors).reach[0]
        };
        let expected = |n: f64| n / (n + 1.2);
        assert!(close(of(false, true), expected(6.0)) && close(of(false, false), expected(6.0)));
        assert!(close(of(true, true), expected(1.25)));
        assert!(close(of(true, false), expected(2.0)));
    }

    #[test]
    fn words_of_all_products_count() {
        let mut entries = [0; 24];
        (entries[0], entries[6], entries[23]) = (1, 7, 15);
        let (language, scan) = scanned(24, true, &[(5, &entries), (5, &[0; 24])]);
        let ranks = rank(&language, &scan, true);
        assert_eq!(ranks.has, [1 | 1 << 6 | 1 << 23, 0]);
        assert!(
            ranks.rarity[1] > ranks.rarity[0],
            "a word that no chunk has is the rarest"
        );
    }

    #[test]
    fn without_chunks_there_is_nothing_to_rank() {
        let (language, scan) = scanned(3, true, &[]);
        assert_eq!(rank(&language, &scan, true).reach, [0.0; 0]);
    }
}
