//! How many tokens a text has, roughly, for providers that do not say.
//!
//! The pieces are those that `tiktoken`'s patterns cut a text into (words with the space before them, up to three digits, runs of
//! signs); how many tokens a piece has depends on the vocabulary, and is taken from its length and script.

/// Tokens of `text` by estimate.
pub fn estimate(text: &str) -> u64 {
    let mut tokens = 0_u64;
    let mut piece = Piece::None;
    let mut length = 0_u64;
    for c in text.chars() {
        let kind = Piece::of(c);
        if kind != piece {
            tokens += piece.tokens(length);
            (piece, length) = (kind, 0);
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
            'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => Self::Latin,
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
            Self::Digits | Self::Letters => length.div_ceil(3),
            Self::Latin => length.div_ceil(8),
            Self::Syllables => length,
            Self::Signs => length.div_ceil(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_has_none() {
        assert_eq!(estimate(""), 0);
    }
}
