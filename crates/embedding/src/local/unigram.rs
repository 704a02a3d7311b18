//! The tokenizer of XLM-RoBERTa and its descendants: a unigram language model over words (Kudo, 2018, "Subword
//! Regularization"; as `SentencePiece` runs it).
//!
//! A text is normalised, each of its words is marked by `▁` at its front, and a word is cut into the pieces whose
//! probabilities have the greatest product (Viterbi). A quarter of a million pieces stay in the file's own text with a
//! sorted table beside it, 10 MB in all; the `tokenizers` crate takes 290 MB for the same.
//!
//! What must stay true: no text can name a control token. Their lines have no piece, so "</s>" is cut like any other word.

use std::path::Path;

use unicode_normalization::UnicodeNormalization as _;

use super::encoder::Tokens;
use crate::Error;

/// Ids of the control tokens, as XLM-RoBERTa numbers them.
const START: i64 = 0;
const END: i64 = 2;
const UNKNOWN: i64 = 3;

/// The mark at the front of a word (U+2581).
const WORD: char = '\u{2581}';

/// How much less likely an unknown character is than the least likely piece, as a logarithm (`SentencePiece`'s own).
const UNKNOWN_PENALTY: f32 = 10.0;

/// A piece: where its text is, and the logarithm of its probability.
struct Piece {
    at: u32,
    length: u32,
    score: f32,
    id: u32,
}

/// The pieces, sorted by their bytes.
pub(super) struct Unigram {
    text: String,
    pieces: Vec<Piece>,
    unknown: f32,
}

impl Unigram {
    /// Reads a file of lines `score TAB piece`, in the order of the pieces' ids.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |reason: String| Error::file("cannot read the vocabulary", path, reason);
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(text).map_err(failed)
    }

    fn parse(text: String) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut at = 0;
        for (id, line) in text.split_terminator('\n').enumerate() {
            let (score, piece) = line
                .split_once('\t')
                .ok_or_else(|| format!("line {} has no tab", id + 1))?;
            let value: f32 = score.parse().map_err(|error| format!("line {}: {error}", id + 1))?;
            if !piece.is_empty() {
                pieces.push(Piece {
                    at: (at + score.len() + 1) as u32,
                    length: piece.len() as u32,
                    score: value,
                    id: id as u32,
                });
            }
            at += line.len() + 1;
        }
        if pieces.is_empty() {
            return Err("it is empty".to_owned());
        }
        pieces.sort_by(|a, b| bytes(&text, a).cmp(bytes(&text, b)));
        let least = pieces.iter().map(|piece| piece.score).fold(f32::INFINITY, f32::min);
        Ok(Self {
            text,
            pieces,
            unknown: least - UNKNOWN_PENALTY,
        })
    }

    /// The ids of a text's pieces with both marks; at most `max` of them, the end mark among them.
    pub(super) fn tokens(&self, text: &str, max: usize) -> Tokens {
        let mut tokens = vec![START];
        for word in words(text) {
            self.cut(&word, &mut tokens);
            if tokens.len() >= max {
                tokens.truncate(max - 1);
                break;
            }
        }
        tokens.push(END);
        tokens
    }

    /// Appends the ids of one word's most probable pieces. Neighbouring unknown characters are one token.
    fn cut(&self, word: &str, tokens: &mut Tokens) {
        // For each byte position: the best score up to it, the id of the piece that ends there, and where that one starts.
        let mut best = vec![(f32::NEG_INFINITY, UNKNOWN, 0); word.len() + 1];
        best[0].0 = 0.0;
        for (start, character) in word.char_indices() {
            let score = best[start].0;
            let mut offer = |end: usize, score: f32, id: i64| {
                if score > best[end].0 {
                    best[end] = (score, id, start);
                }
            };
            offer(start + character.len_utf8(), score + self.unknown, UNKNOWN);
            self.pieces_at(&word.as_bytes()[start..], |piece| {
                offer(start + piece.length as usize, score + piece.score, i64::from(piece.id));
            });
        }
        let first = tokens.len();
        let mut end = word.len();
        while end > 0 {
            let (_, id, start) = best[end];
            if id != UNKNOWN || tokens.len() == first || tokens.last() != Some(&UNKNOWN) {
                tokens.push(id);
            }
            end = start;
        }
        tokens[first..].reverse();
    }

    /// Calls `found` for every piece that `text` begins with: the range of pieces with the same beginning narrows byte by
    /// byte, and the piece that is the beginning itself is the range's first.
    fn pieces_at<'a>(&'a self, text: &[u8], mut found: impl FnMut(&'a Piece)) {
        let mut range = &self.pieces[..];
        for (depth, byte) in text.iter().enumerate() {
            let next = |piece: &Piece| bytes(&self.text, piece).get(depth).copied();
            let low = range.partition_point(|piece| next(piece) < Some(*byte));
            range = &range[low..];
            range = &range[..range.partition_point(|piece| next(piece) == Some(*byte))];
            match range.first() {
                None => return,
                Some(piece) if piece.length as usize == depth + 1 => found(piece),
                Some(_) => {}
            }
        }
    }
}

fn bytes<'a>(text: &'a str, piece: &Piece) -> &'a [u8] {
    &text.as_bytes()[piece.at as usize..][..piece.length as usize]
}

/// The words of a text, normalised, each with the mark at its front.
fn words(text: &str) -> impl Iterator<Item = String> {
    let normalised: String = text.chars().filter_map(plain).nfkc().collect();
    let words: Vec<String> = normalised
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| format!("{WORD}{word}"))
        .collect();
    words.into_iter()
}

/// What `SentencePiece`'s rules (`nmt_nfkc`) do beyond NFKC: control characters go, and what separates words is a space.
fn plain(character: char) -> Option<char> {
    match character {
        '\t'
        | '\n'
        | '\u{c}'
        | '\r'
        | '\u{1680}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'
        | '\u{2029}'
        | WORD
        | '\u{feff}'
        | '\u{fffd}' => Some(' '),
        '\0'..='\u{1f}' | '\u{7f}' | '\u{8f}' | '\u{9f}' => None,
        _ => Some(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [(&str, f32); 12] = [
        ("", 0.0),
        ("", 0.0),
        ("", 0.0),
        ("", 0.0),
        ("▁", -4.0),
        ("a", -5.0),
        ("b", -5.0),
        ("ab", -6.0),
        ("▁a", -5.5),
        ("▁ab", -9.0),
        ("/", -6.0),
        ("s", -6.0),
    ];

    fn unigram() -> Unigram {
        let lines = PIECES.map(|(piece, score)| format!("{score}\t{piece}\n"));
        Unigram::parse(lines.concat()).unwrap()
    }

    #[test]
    fn a_word_is_cut_where_its_pieces_are_most_probable_together() {
        // "▁ab" alone has -9.0, "▁" + "ab" -10.0, "▁a" + "b" -10.5.
        assert_eq!(unigram().tokens("ab", 9), [0, 9, 2]);
        // "▁ab" + "ab" has -15.0.
        assert_eq!(unigram().tokens("abab a", 9), [0, 9, 7, 8, 2]);
    }

    #[test]
    fn unknown_characters_are_one_token_and_control_tokens_cannot_be_written() {
        assert_eq!(unigram().tokens("axyzb", 9), [0, 8, 3, 6, 2]);
        assert_eq!(unigram().tokens("</s>", 9), [0, 4, 3, 10, 11, 3, 2]);
        assert_eq!(unigram().tokens("", 9), [0, 2]);
    }

    #[test]
    fn a_long_text_keeps_its_end_mark() {
        assert_eq!(unigram().tokens("a a a a", 4), [0, 8, 8, 2]);
        assert_eq!(unigram().tokens("a a", 4), [0, 8, 8, 2]);
    }

    #[test]
    fn whatever_separates_words_is_one_space_and_letters_are_in_their_plain_form() {
        let words = |text: &str| words(text).collect::<Vec<_>>();
        assert_eq!(words(" a\t\u{a0}b\u{200b}c\u{7} "), ["▁a", "▁b", "▁c"]);
        assert_eq!(words("ﬁ ｆｕｌｌ e\u{301}"), ["▁fi", "▁full", "▁é"]);
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        for text in ["", "-1.0", "x\ty\n"] {
            assert!(Unigram::parse(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
