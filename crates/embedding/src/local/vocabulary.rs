//! A model's tokenizer: texts to token ids.

use std::path::Path;

use tokenizers::Tokenizer;

use super::{Known, encoder::Tokens, unigram::Unigram};
use crate::Error;

/// A model's tokenizer.
pub(super) enum Vocabulary {
    /// BERT's `WordPiece`.
    WordPiece(Box<Tokenizer>),
    /// XLM-RoBERTa's.
    Unigram(Unigram),
}

impl Vocabulary {
    pub(super) fn open(known: Known, path: &Path) -> Result<Self, Error> {
        match known {
            Known::MiniLm => word_piece(path).map(|tokenizer| Self::WordPiece(Box::new(tokenizer))),
            Known::E5Small => Unigram::open(path).map(Self::Unigram),
        }
    }

    pub(super) fn count(&self, text: &str) -> usize {
        match self {
            // Encoding a text fails for no input of this tokenizer; a chunker is helped by a bound more than by a panic.
            Self::WordPiece(tokenizer) => tokenizer
                .encode_fast(text, true)
                .map_or(text.len(), |encoding| encoding.len()),
            Self::Unigram(unigram) => unigram.tokens(text, usize::MAX).len(),
        }
    }

    /// The ids of a text with its marks, at most `max` of them, the end mark among them.
    pub(super) fn tokens(&self, text: &str, max: usize) -> Result<Tokens, Error> {
        match self {
            Self::WordPiece(tokenizer) => encoded(tokenizer, text, max),
            Self::Unigram(unigram) => Ok(unigram.tokens(text, max)),
        }
    }
}

fn word_piece(path: &Path) -> Result<Tokenizer, Error> {
    let failed = |error: tokenizers::Error| Error::file("cannot read the tokenizer", path, error.to_string());
    let mut tokenizer = Tokenizer::from_file(path).map_err(failed)?;
    // The file asks for 128 tokens each, cut and padded: a query would cost as much as a long passage.
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(failed)?;
    Ok(tokenizer)
}

fn encoded(tokenizer: &Tokenizer, text: &str, max: usize) -> Result<Tokens, Error> {
    let failed = |error: tokenizers::Error| Error::Inference(format!("cannot tokenize: {error}"));
    let mut encoding = tokenizer.encode_fast(text, true).map_err(failed)?;
    if encoding.len() > max {
        // Cut before the marks are added, so that the end mark stays at the end.
        let marks = encoding
            .get_special_tokens_mask()
            .iter()
            .filter(|mask| **mask == 1)
            .count();
        encoding = tokenizer.encode_fast(text, false).map_err(failed)?;
        encoding.truncate(max - marks, 0, tokenizers::TruncationDirection::Right);
        encoding = tokenizer.post_process(encoding, None, true).map_err(failed)?;
    }
    Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
}
