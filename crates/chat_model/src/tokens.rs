//! How many tokens a text has, roughly, for providers that do not say.
//!
//! The pieces are those that `tiktoken`'s patterns cut a text into (words with the space before them, up to three digits, runs of
//! signs); how many tokens a piece has depends on the vocabulary, and is taken from its length and script.

/// Tokens of `text` by estimate.
pub fn estimate(text: &str) -> u64 {
    let (mut tokens, mut length) = (0, 0);
    let mut piece = Piece::None;
    for c in text.chars() {
        match (piece, Piece::of(c)) {
            (known, kind) if known == kind => {}
            // A word with an accent is one word, and a rarer one.
            (Piece::Latin | Piece::Accented, Piece::Latin | Piece::Accented) => piece = Piece::Accented,
            (known, kind) => {
                tokens += known.tokens(length);
                (piece, length) = (kind, 0);
            }
        }
        length += 1;
    }
    tokens + piece.tokens(length)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    None,
    /// Blanks go with the next word.
    Blank,
    Break,
    Digits,
    Latin,
    Accented,
    /// Letters of other alphabets.
    Letters,
    /// Characters that are words or syllables.
    Syllables,
    Signs,
}

impl Piece {
    fn of(c: char) -> Self {
        match c {
            '\n' | '\r' => Self::Break,
            c if c.is_whitespace() => Self::Blank,
            c if c.is_numeric() => Self::Digits,
            'a'..='z' | 'A'..='Z' => Self::Latin,
            '\u{c0}'..='\u{24f}' => Self::Accented,
            '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'.. => {
                Self::Syllables
            }
            c if c.is_alphabetic() => Self::Letters,
            _ => Self::Signs,
        }
    }

    fn tokens(self, length: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::Blank => u64::from(length > 1),
            Self::Break => 1,
            Self::Digits | Self::Letters | Self::Accented => length.div_ceil(3),
            Self::Latin => length.div_ceil(7),
            Self::Syllables => length,
            Self::Signs => length.div_ceil(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts with their tokens in `o200k_base`, counted with gpt-tokenizer 4.0.0. The estimate is rather too high, since it is what budgets
    /// are kept by.
    #[test]
    fn it_is_near_to_what_a_tokenizer_counts() {
        let texts = [
            (
                "Parcels arrive within two to four working days. Bulky goods take a week.",
                18,
            ),
            (
                "Pakete kommen innerhalb von zwei bis vier Werktagen an, Sperrgut braucht ungefähr eine Woche.",
                21,
            ),
            ("Paczki docierają w ciągu dwóch do czterech dni roboczych.", 19),
            ("Посылки приходят в течение двух-четырёх рабочих дней.", 16),
            ("包裹在两到四个工作日内送达。大件商品需要一周时间。", 22),
            ("| Fjord 14 | 24 | 1,299.00 |\n| Lake 12 | 21.5 | 899.90 |", 31),
        ];
        for (text, tokens) in texts {
            let ratio = estimate(text) as f64 / f64::from(tokens);
            assert!((0.8..1.7).contains(&ratio), "{text}: {} for {tokens}", estimate(text));
        }
        assert_eq!(estimate(""), 0);
    }
}
