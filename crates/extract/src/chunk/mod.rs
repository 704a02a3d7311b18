//! Markdown to chunks for retrieval, along the headings.
//!
//! [`blocks`] reads the Markdown that this crate writes into sections and blocks; [`split`] cuts a block that is too
//! large at its natural seams. Here sections become chunks. No text is lost: the words of all chunks together are
//! the words of the Markdown, apart from headings (they are in the heading path) and repeated table headers.

mod blocks;
mod split;

use serde::Serialize;

use blocks::Section;

/// Between the headings of a path.
const SEPARATOR: &str = " > ";
/// Between the blocks of a chunk.
const JOINER: &str = "\n\n";
/// A last piece smaller than this share of the target joins the piece before it when both fit.
const SMALL_TAIL: usize = 4;

/// Sizes of chunks, in tokens of the embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// No chunk's [`Chunk::embedding_input`] has more.
    pub max_tokens: usize,
    /// What long sections are cut into.
    pub target_tokens: usize,
    /// What small neighbours are merged up to. Less than the target where each section should be found by its own heading.
    pub merge_tokens: usize,
}

/// A piece of a page that is embedded and cited by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chunk {
    /// Position in the page, from 0.
    pub ordinal: usize,
    /// `Title > H2 > H3`; may be empty.
    pub heading_path: String,
    /// Markdown, without the headings of the path.
    pub text: String,
    /// Tokens of [`Chunk::embedding_input`].
    pub tokens: usize,
}

impl Chunk {
    /// What is embedded and searched: heading path, line break, text.
    #[must_use]
    pub fn embedding_input(&self) -> String {
        embedding_input(&self.heading_path, &self.text)
    }
}

/// What is embedded of a text under a heading path.
#[must_use]
pub fn embedding_input(path: &str, text: &str) -> String {
    if path.is_empty() {
        text.to_owned()
    } else {
        format!("{path}\n{text}")
    }
}

/// A future chunk.
#[derive(Debug, Clone)]
struct Piece {
    path: Vec<String>,
    text: String,
    tokens: usize,
    /// The piece is a whole section, so that it may be merged with its neighbours.
    whole: bool,
}

/// Cuts a page into chunks. `count` gives the tokens of a text, without the model's special tokens.
pub fn chunks(markdown: &str, title: &str, limit: Limit, count: &dyn Fn(&str) -> usize) -> Vec<Chunk> {
    let chunker = Chunker { limit, count };
    let mut pieces: Vec<Piece> = Vec::new();
    for section in blocks::sections(markdown, title) {
        for piece in chunker.section(section) {
            match pieces.last_mut().and_then(|last| chunker.merged(last, &piece)) {
                Some(merged) => {
                    pieces.pop();
                    pieces.push(merged);
                }
                None => pieces.push(piece),
            }
        }
    }
    let sized = pieces
        .into_iter()
        .flat_map(|piece| chunker.sized(&piece.path.join(SEPARATOR), piece.text));
    let numbered = sized.enumerate();
    numbered
        .map(|(ordinal, (heading_path, text, tokens))| Chunk {
            ordinal,
            heading_path,
            text,
            tokens,
        })
        .collect()
}

struct Chunker<'a> {
    limit: Limit,
    count: &'a dyn Fn(&str) -> usize,
}

impl Chunker<'_> {
    /// The pieces of one section, each within the limits.
    fn section(&self, section: Section) -> Vec<Piece> {
        let (path, over) = self.short_path(section.path);
        let own = (self.count)(&path.join(SEPARATOR)) + 1;
        // A path longer than its share was cut above, so that text always has half of the room.
        let max = self
            .limit
            .max_tokens
            .saturating_sub(own)
            .max(self.limit.max_tokens / 2)
            .max(1);
        let target = self.limit.target_tokens.saturating_sub(own).clamp(max / 2, max).max(1);
        let splitter = split::Splitter {
            max,
            target,
            count: self.count,
        };
        let headline = over.map(|heading| vec![heading]).unwrap_or_default();
        let mut units: Vec<(String, usize)> = headline
            .into_iter()
            .map(blocks::Block::Paragraph)
            .chain(section.blocks)
            .flat_map(|block| splitter.units(block))
            .collect();
        // Most tokenizers give white space no token of its own; some do.
        let joint = (self.count)(JOINER);
        let total = units.iter().map(|(_, tokens)| tokens).sum::<usize>() + joint * units.len().saturating_sub(1);
        if total <= max {
            let text = units
                .iter()
                .map(|(text, _)| text.as_str())
                .collect::<Vec<_>>()
                .join(JOINER);
            return vec![Piece {
                path,
                text,
                tokens: total,
                whole: true,
            }];
        }
        let mut pieces: Vec<(String, usize)> = Vec::new();
        let tail = units.len().saturating_sub(1);
        for (index, (text, tokens)) in units.drain(..).enumerate() {
            let room = if index == tail && tokens < target / SMALL_TAIL {
                max
            } else {
                target
            };
            // What ends in a colon introduces what follows.
            let introduced = pieces
                .last()
                .is_some_and(|last| last.0.ends_with(':') && last.1 + joint + tokens <= max);
            match pieces.last_mut() {
                Some(last) if introduced || last.1 + joint + tokens <= room => {
                    last.0.push_str(JOINER);
                    last.0.push_str(&text);
                    last.1 += joint + tokens;
                }
                _ => pieces.push((text, tokens)),
            }
        }
        let piece = |(text, tokens)| Piece {
            path: path.clone(),
            text,
            tokens,
            whole: false,
        };
        pieces.into_iter().map(piece).collect()
    }

    /// At most half of the room goes to the path: outer headings are dropped first. The second value is the innermost
    /// heading when it had to be shortened, to be kept in the text.
    fn short_path(&self, mut path: Vec<String>) -> (Vec<String>, Option<String>) {
        let room = self.limit.max_tokens / 2;
        while path.len() > 1 && (self.count)(&path.join(SEPARATOR)) > room {
            path.remove(usize::from(path.len() > 2));
        }
        let Some(last) = path.last().filter(|last| (self.count)(last) > room).cloned() else {
            return (path, None);
        };
        let mut short = last.clone();
        while (self.count)(&short) > room && !short.is_empty() {
            let middle = short.chars().count() / 2;
            short = short.chars().take(middle).collect();
        }
        (vec![short.trim_end().to_owned()], Some(last))
    }

    /// Two small sections in one, when they are siblings, or parent and first child, and neither is a question: a
    /// question is found by its own heading, and its answer must not share a vector with another.
    fn merged(&self, first: &Piece, second: &Piece) -> Option<Piece> {
        let is_question = |piece: &Piece| {
            piece
                .path
                .last()
                .is_some_and(|heading| heading.ends_with(['?', '？', '؟']))
        };
        if !first.whole || !second.whole || is_question(first) || is_question(second) {
            return None;
        }
        let common = first.path.iter().zip(&second.path).take_while(|(a, b)| a == b).count();
        if common == 0 || first.path.len() > common + 1 || second.path.len() > common + 1 {
            return None;
        }
        let path = first.path[..common].to_vec();
        let part = |piece: &Piece| {
            let heading = piece
                .path
                .get(common)
                .map(|heading| format!("{} {heading}", "#".repeat((common + 1).min(6))));
            [heading, Some(piece.text.clone()).filter(|text| !text.is_empty())]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("\n\n")
        };
        let text = [part(first), part(second)]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n\n");
        let own = (self.count)(&path.join(SEPARATOR)) + 1;
        if first.tokens + second.tokens + own > self.limit.merge_tokens {
            return None;
        }
        let tokens = (self.count)(&text);
        (tokens + own <= self.limit.merge_tokens).then_some(Piece {
            path,
            text,
            tokens,
            whole: true,
        })
    }

    /// Tokens of joined texts are not exactly the sum of their tokens; what came out too large is cut again, between blocks
    /// where it has several, else as a block of its own, and anywhere only when nothing else helps.
    fn sized(&self, path: &str, text: String) -> Vec<(String, String, usize)> {
        // A heading without text of its own is in the paths of its sections, unless it has none.
        if text.trim().is_empty() && path.is_empty() {
            return Vec::new();
        }
        let tokens = (self.count)(&embedding_input(path, &text));
        let cut = (tokens > self.limit.max_tokens).then(|| self.smaller(&text, tokens));
        match cut.filter(|parts| parts.len() > 1) {
            Some(parts) => parts.into_iter().flat_map(|part| self.sized(path, part)).collect(),
            None => vec![(path.to_owned(), text, tokens)],
        }
    }

    fn smaller(&self, text: &str, tokens: usize) -> Vec<String> {
        let mut blocks = blocks::blocks(&text.lines().collect::<Vec<_>>());
        let by_half = || split::halves(text).map_or_else(Vec::new, |(first, second)| vec![first, second]);
        let parts: Vec<String> = if blocks.len() > 1 {
            let second = blocks.split_off(blocks.len() / 2);
            [blocks, second]
                .map(|half| half.iter().map(blocks::Block::text).collect::<Vec<_>>().join(JOINER))
                .into()
        } else {
            let own = (self.count)(text);
            let max = own.saturating_sub(tokens - self.limit.max_tokens).max(1) * 3 / 4;
            let splitter = split::Splitter {
                max,
                target: max,
                count: self.count,
            };
            let units = blocks.into_iter().flat_map(|block| splitter.units(block));
            units.map(|(text, _)| text).collect()
        };
        let shrinks = parts.len() > 1 && parts.iter().all(|part| part.len() < text.len());
        if shrinks { parts } else { by_half() }
    }
}

#[cfg(test)]
mod tests;
