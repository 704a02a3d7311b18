//! The words of a question, in the languages that a customer's chunks are written in.
//!
//! `page_embeddings.words` is a `sparsevec`: by the number of a word, how often the text has it (at most 7), and 8 more if the
//! heading path has it. An inner product with a vector that has 1, 16, 256, … at the question's words is a number whose
//! hexadecimal digits are these entries. pgvector adds up in single precision, which is exact up to 24 bits: 6 words. Four such
//! products make 24 words, which is what of a longer question counts: its longest words. [`super::scan`] has them made,
//! [`super::bm25`] reads them.
//!
//! A question is read in the language of each chunk: of a page in another language it has hardly a word.
use std::{collections::BTreeMap, fmt::Write as _};

/// Words that a product has digits for.
pub(super) const OF_A_PRODUCT: usize = 6;
/// Words of a question that count.
const COUNTED: usize = 4 * OF_A_PRODUCT;
/// Numbers that `word_number` gives.
const NUMBERS: u32 = 1 << 29;

/// A question as a language reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    /// The text search configuration.
    pub config: String,
    /// Its words as lexemes, with their numbers: little words left out, longest first.
    pub words: Vec<(String, i32)>,
    /// Whether it is a sentence, not keywords. Half of a sentence's words are little words, which no index has; of a list of
    /// keywords hardly any is.
    pub sentence: bool,
}

impl Language {
    /// `lexemes` and `numbers` go together; `spoken` is how many different words the question has, little words too.
    pub(super) fn new(config: String, lexemes: Vec<String>, numbers: Vec<i32>, spoken: i32) -> Self {
        // Two lexemes of one number can't be told apart: they are one word, called by the first of them.
        let mut by_number: BTreeMap<i32, String> = BTreeMap::new();
        for (number, lexeme) in numbers.into_iter().zip(lexemes) {
            let known = by_number.entry(number).or_insert_with(|| lexeme.clone());
            if lexeme < *known {
                *known = lexeme;
            }
        }
        let mut words: Vec<(String, i32)> = by_number.into_iter().map(|(number, lexeme)| (lexeme, number)).collect();
        words.sort_by_cached_key(|(lexeme, _)| (std::cmp::Reverse(lexeme.chars().count()), lexeme.clone()));
        words.truncate(COUNTED);
        let sentence = !words.is_empty() && words.len() as f64 <= 0.6 * f64::from(spoken);
        Self {
            config,
            words,
            sentence,
        }
    }

    /// The vectors of its products in pgvector's text form: the word at place `n` has digit `n % 6` of product `n / 6`.
    pub(super) fn products(&self) -> Vec<String> {
        let vector = |words: &[(String, i32)]| {
            let mut text = String::from("{");
            for (digit, (_, number)) in words.iter().enumerate() {
                let comma = if digit > 0 { "," } else { "" };
                let _ = write!(text, "{comma}{number}:{}", 1_u32 << (4 * digit));
            }
            text + &format!("}}/{NUMBERS}")
        };
        self.words.chunks(OF_A_PRODUCT).map(vector).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(lexemes: &[&str], spoken: i32) -> Language {
        let numbers = (1..).take(lexemes.len()).collect();
        let lexemes = lexemes.iter().map(|&lexeme| lexeme.to_owned()).collect();
        Language::new("english".into(), lexemes, numbers, spoken)
    }

    #[test]
    fn the_longest_words_count_six_to_a_product() {
        let lexemes: Vec<String> = (0..40).map(|n| "ö".repeat(n + 1)).collect();
        let all: Vec<&str> = lexemes.iter().map(String::as_str).collect();
        let language = language(&all, 40);
        assert_eq!(language.words.len(), 24);
        assert_eq!((language.words[0].1, language.words[23].1), (40, 17));
        let products = language.products();
        assert_eq!(products.len(), 4);
        assert_eq!(products[0], "{40:1,39:16,38:256,37:4096,36:65536,35:1048576}/536870912");
    }

    #[test]
    fn a_sentence_has_little_words() {
        assert!(language(&["ship", "parcel", "norway"], 5).sentence);
        assert!(!language(&["ship", "parcel", "norway"], 4).sentence);
        assert!(!language(&[], 3).sentence);
        assert_eq!(language(&[], 3).products(), [""; 0]);
    }

    #[test]
    fn lexemes_of_one_number_are_one_word() {
        let both = ["b".to_owned(), "a".to_owned(), "cc".to_owned()];
        let language = Language::new("simple".into(), both.into(), vec![7, 7, 8], 3);
        assert_eq!(language.words, [("cc".to_owned(), 8), ("a".to_owned(), 7)]);
    }
}
