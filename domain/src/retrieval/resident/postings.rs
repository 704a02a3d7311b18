//! Which chunks have a word, and how often, by the word's number: an inverted index of the chunks of one language. Pure.
//!
//! It answers what a product of `page_embeddings.words` does ([`super::super::words`]): a number whose hexadecimal digits are a chunk's
//! entries for six words of a question.
use super::super::words::OF_A_PRODUCT;

/// Bits of an entry: how often the text has the word, at most 7, and 8 for the heading.
const ENTRY: u32 = 4;

/// The entries of all words, those of one word beside each other.
#[derive(Debug, Default)]
pub(super) struct Postings {
    /// Numbers of words, the least first.
    words: Vec<u32>,
    /// Where each word's entries begin, and at last where all end.
    starts: Vec<u32>,
    /// A chunk's row, and in the last four bits its entry.
    entries: Vec<u32>,
}

/// Entries as they come, chunk by chunk, to be sorted by words.
#[derive(Debug, Default)]
pub(super) struct Unsorted(Vec<u64>);

impl Unsorted {
    /// Adds a row's words by what `sparsevec_send` writes: dimension, count and nothing, of four bytes each, the places, counted from 0, and the values.
    pub fn push(&mut self, row: u32, sent: &[u8]) {
        let numbers = sent.get(12..).unwrap_or_default().as_chunks::<4>().0;
        let (places, values) = numbers.split_at(numbers.len() / 2);
        self.0.extend(places.iter().zip(values).map(|(place, value)| {
            let word = u64::from(u32::from_be_bytes(*place)) + 1;
            let entry = f32::from_be_bytes(*value) as u32 & 15;
            word << 32 | u64::from(row << ENTRY | entry)
        }));
    }

    /// Bytes that its entries will take when they are sorted.
    pub fn bytes(&self) -> usize {
        size_of::<u32>() * self.0.len()
    }

    pub fn sorted(mut self) -> Postings {
        self.0.sort_unstable();
        let mut sorted = Postings::default();
        for entry in &self.0 {
            let word = (entry >> 32) as u32;
            if sorted.words.last() != Some(&word) {
                sorted.words.push(word);
                sorted.starts.push(sorted.entries.len() as u32);
            }
            sorted.entries.push(*entry as u32);
        }
        sorted.starts.push(sorted.entries.len() as u32);
        sorted.words.shrink_to_fit();
        sorted.starts.shrink_to_fit();
        sorted.entries.shrink_to_fit();
        sorted
    }
}

impl Postings {
    /// Of each six of the words, each row's number; there are `rows`.
    pub fn products(&self, words: &[(String, i32)], rows: usize) -> Vec<Vec<u32>> {
        let product = |words: &[(String, i32)]| {
            let mut product = vec![0; rows];
            for (digit, (_, number)) in words.iter().enumerate() {
                for entry in self.of(*number) {
                    product[(entry >> ENTRY) as usize] |= (entry & 15) << (4 * digit);
                }
            }
            product
        };
        words.chunks(OF_A_PRODUCT).map(product).collect()
    }

    fn of(&self, number: i32) -> &[u32] {
        let Ok(at) = self.words.binary_search(&number.cast_unsigned()) else {
            return &[];
        };
        &self.entries[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<u32>() * (self.words.capacity() + self.starts.capacity() + self.entries.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `sparsevec_send` writes it, from (number, entry).
    fn sent(words: &[(u32, f32)]) -> Vec<u8> {
        let mut sent = Vec::new();
        for number in [1 << 29, words.len() as u32, 0] {
            sent.extend(u32::to_be_bytes(number));
        }
        sent.extend(words.iter().flat_map(|(word, _)| (word - 1).to_be_bytes()));
        sent.extend(words.iter().flat_map(|(_, entry)| entry.to_be_bytes()));
        sent
    }

    fn asked(numbers: &[i32]) -> Vec<(String, i32)> {
        numbers.iter().map(|number| (number.to_string(), *number)).collect()
    }

    #[test]
    fn a_product_has_the_entries_of_six_words_as_its_digits() {
        let mut unsorted = Unsorted::default();
        unsorted.push(0, &sent(&[(7, 3.0), (1 << 29, 15.0)]));
        unsorted.push(1, &sent(&[]));
        unsorted.push(2, &sent(&[(1, 9.0), (7, 1.0)]));
        assert_eq!(unsorted.bytes(), 16);
        let postings = unsorted.sorted();
        let products = postings.products(&asked(&[7, 2, 1 << 29, 1, 3, 4, 7]), 3);
        assert_eq!(products, [[0xF03, 0, 0x9001], [3, 0, 1]]);
        assert_eq!(postings.products(&[], 3), Vec::<Vec<u32>>::new());
        assert!(postings.bytes() >= 4 * 4 + 4 * 3);
    }

    #[test]
    fn without_chunks_no_word_has_any() {
        let products = Unsorted::default().sorted().products(&asked(&[1]), 0);
        assert_eq!(products, [[0; 0]]);
        assert_eq!(Postings::default().products(&asked(&[1]), 2), [[0, 0]]);
    }
}
