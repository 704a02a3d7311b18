//! What a chunk's size is counted in.

/// Counts the tokens of a text, without a model's special tokens. Any function that does is one.
pub trait Count {
    /// Tokens of a text.
    fn tokens(&self, text: &str) -> usize;

    /// Whether two texts with a line feed between them have as many tokens as each of them and the line feed. Then what has been counted
    /// in parts is not counted again as a whole.
    fn adds_up(&self) -> bool {
        false
    }
}

impl<F: Fn(&str) -> usize> Count for F {
    fn tokens(&self, text: &str) -> usize {
        self(text)
    }
}

/// Counts characters.
#[derive(Debug, Clone, Copy)]
pub struct Characters;

impl Count for Characters {
    fn tokens(&self, text: &str) -> usize {
        // Most texts are plain, which is told much sooner than characters are counted.
        if text.is_ascii() {
            return text.len();
        }
        text.len() - continuations(text.as_bytes())
    }

    fn adds_up(&self) -> bool {
        true
    }
}

/// The bytes of UTF-8 that go on with a character (`10xxxxxx`), eight at a time.
fn continuations(bytes: &[u8]) -> usize {
    const BYTES: u64 = 0x0101_0101_0101_0101;
    const PAIRS: u64 = 0x0001_0001_0001_0001;
    const LOWER: u64 = 0xff * PAIRS;
    let (words, rest) = bytes.as_chunks();
    // Each byte holds the sum of its place in so many words.
    let sums = words.chunks(255).map(|words| {
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let sums = words.map(|word| (word >> 7) & !(word >> 6) & BYTES).sum::<u64>();
        let pairs = (sums & LOWER) + ((sums >> 8) & LOWER);
        (pairs.wrapping_mul(PAIRS) >> 48) as usize
    });
    sums.sum::<usize>() + rest.iter().filter(|byte| **byte & 0xc0 == 0x80).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_texts_are_counted_whole() {
        for text in ["é".repeat(5000), "a€😀".repeat(3000), "x".repeat(2047)] {
            assert_eq!(Characters.tokens(&text), text.chars().count());
        }
    }

    proptest! {
        #[test]
        fn characters_are_those_of_the_text(text in "(?s).{0,80}") {
            prop_assert_eq!(Characters.tokens(&text), text.chars().count());
        }
    }
}
