//! Markdown to chunks for retrieval, along the headings.
//!
//! [`blocks`] reads the Markdown that this crate writes into sections and blocks; [`split`] cuts a block that is too
//! large at its natural seams. Here sections become chunks, slices of the Markdown until they are finished. No text is lost: the words of all chunks together are
//! the words of the Markdown, apart from headings (they are in the heading path) and repeated table headers.

mod blocks;
mod count;
mod split;
mod text;

use std::borrow::Cow;

use serde::Serialize;

use blocks::{Block, Kind, Outline};
pub use count::{Characters, Count};
use split::{Splitter, Unit};

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
    let mut out = String::with_capacity(path.len() + 1 + text.len());
    push_input(&mut out, path, text);
    out
}

fn push_input(out: &mut String, path: &str, text: &str) {
    let line_feed = if path.is_empty() { "" } else { "\n" };
    out.extend([path, line_feed, text]);
}

/// A future chunk.
#[derive(Debug)]
struct Piece<'t> {
    path: String,
    /// Tokens of the path.
    above: usize,
    text: Cow<'t, str>,
    tokens: usize,
    /// The tokens were not only estimated from those of its parts.
    exact: bool,
    /// The piece is a whole section, so that it may be merged with its neighbours.
    whole: bool,
}

/// Cuts a page into chunks. `count` gives the tokens of a text, without the model's special tokens.
pub fn chunks(markdown: &str, title: &str, limit: Limit, count: &dyn Count) -> Vec<Chunk> {
    let markdown = with_line_feeds(markdown);
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut chunker = Chunker {
        source: &markdown,
        limit,
        count,
        joint: count.tokens(JOINER),
        pieces: Vec::with_capacity(8),
        last: Vec::with_capacity(8),
        own: Vec::with_capacity(8),
        units: Vec::with_capacity(64),
        input: String::new(),
        out: Vec::with_capacity(markdown.len() / 256),
    };
    blocks::sections(&markdown, &title, &mut |outline, blocks| {
        chunker.section(outline, blocks);
        chunker.merge();
        chunker.finish_all_but(1);
    });
    chunker.finish_all_but(0);
    chunker.out
}

/// The text with line feeds alone at the ends of its lines.
fn with_line_feeds(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\r', text.as_bytes()).is_some() {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// What is empty between sections keeps its memory for the next.
struct Chunker<'t> {
    source: &'t str,
    limit: Limit,
    count: &'t dyn Count,
    /// Tokens of [`JOINER`]. Most tokenizers give white space no token of its own; some do.
    joint: usize,
    /// The last piece so far, which the next section may join, and those of that section.
    pieces: Vec<Piece<'t>>,
    /// The headings above the last piece so far.
    last: Vec<&'t str>,
    /// The headings above the section.
    own: Vec<&'t str>,
    /// The section's.
    units: Vec<Unit<'t>>,
    /// What is being counted.
    input: String,
    out: Vec<Chunk>,
}

impl<'t> Chunker<'t> {
    /// Adds the pieces of one section, each within the limits.
    fn section(&mut self, outline: &Outline<'t>, blocks: &mut Vec<Block<'t>>) {
        let (mut path, above, over) = self.path(outline);
        let own = above + 1;
        // A path longer than its share was cut above, so that text always has half of the room.
        let max = self
            .limit
            .max_tokens
            .saturating_sub(own)
            .max(self.limit.max_tokens / 2)
            .max(1);
        let target = self.limit.target_tokens.saturating_sub(own).clamp(max / 2, max).max(1);
        let splitter = self.splitter(max, target);
        let mut units = std::mem::take(&mut self.units);
        let headline = over.map(|heading| Block {
            kind: Kind::Paragraph,
            text: Cow::Borrowed(heading),
        });
        for block in headline.into_iter().chain(blocks.drain(..)) {
            splitter.units(block, &mut units);
        }
        let joints = self.joint * units.len().saturating_sub(1);
        let total = units.iter().map(|unit| unit.tokens).sum::<usize>() + joints;
        let whole = total <= max;
        let target = if whole { max } else { target };
        let (first, tail) = (self.pieces.len(), units.len().saturating_sub(1));
        for (index, unit) in units.drain(..).enumerate() {
            let room = if index == tail && unit.tokens < target / SMALL_TAIL {
                max
            } else {
                target
            };
            let last = self.pieces[first..].last_mut().filter(|last| {
                // What ends in a colon introduces what follows.
                let room = if last.text.ends_with(':') { max } else { room };
                last.tokens + self.joint + unit.tokens <= room
            });
            if let Some(last) = last {
                text::join(self.source, &mut last.text, JOINER, &unit.text);
                last.tokens += self.joint + unit.tokens;
                last.exact &= unit.exact;
            } else {
                self.pieces.push(Piece {
                    path: self.pieces[first..]
                        .last()
                        .map_or_else(|| std::mem::take(&mut path), |last| last.path.clone()),
                    above,
                    text: unit.text,
                    tokens: unit.tokens,
                    exact: unit.exact,
                    whole,
                });
            }
        }
        self.units = units;
        if self.pieces.len() == first {
            self.pieces.push(Piece {
                path,
                above,
                text: Cow::default(),
                tokens: 0,
                exact: true,
                whole,
            });
        }
    }

    /// Joins the last piece so far and the only one of the section after it, where they belong together. After that, the section's
    /// headings are those of the last piece.
    fn merge(&mut self) {
        if let [before, own] = &self.pieces[..]
            && let Some((level, merged)) = self.merged(before, own)
        {
            self.own.truncate(level);
            self.pieces.clear();
            self.pieces.push(merged);
        }
        std::mem::swap(&mut self.last, &mut self.own);
    }

    /// Makes chunks of the pieces but for the last ones.
    fn finish_all_but(&mut self, last: usize) {
        let ready = self.pieces.len() - last;
        let mut pieces = std::mem::take(&mut self.pieces);
        for piece in pieces.drain(..ready) {
            let known = piece.exact && self.count.adds_up();
            let tokens = known.then(|| match piece.above {
                _ if piece.path.is_empty() => piece.tokens,
                above => above + self.count.tokens("\n") + piece.tokens,
            });
            self.finish(piece.path, piece.text, tokens);
        }
        self.pieces = pieces;
    }

    fn splitter(&self, max: usize, target: usize) -> Splitter<'t> {
        Splitter {
            source: self.source,
            max,
            target,
            count: self.count,
        }
    }

    /// The section's path, its tokens, and the innermost heading when it had to be shortened, to be kept in the text. At most half of the
    /// room goes to the path: outer headings are dropped first.
    fn path(&mut self, outline: &Outline<'t>) -> (String, usize, Option<&'t str>) {
        self.own.clear();
        self.own.extend(outline.parts());
        let room = self.limit.max_tokens / 2;
        let (mut path, mut over) = (outline.path().to_owned(), None);
        loop {
            let tokens = self.count.tokens(&path);
            if tokens <= room || over.is_some() {
                return (path, tokens, over);
            }
            match self.own[..] {
                [] => return (path, tokens, None),
                [only] => {
                    self.own[0] = self.short_heading(only, room);
                    over = Some(only);
                }
                [_, _] => drop(self.own.remove(0)),
                _ => drop(self.own.remove(1)),
            }
            path = written(&self.own);
        }
    }

    fn short_heading(&self, heading: &'t str, room: usize) -> &'t str {
        let mut short = heading;
        while self.count.tokens(short) > room && !short.is_empty() {
            short = &short[..split::middle(short)];
        }
        short.trim_end()
    }

    /// Adds a text as a chunk; `tokens` are those of its embedding input where they are known. Tokens of joined texts are not exactly
    /// the sum of their tokens; what came out too large is cut again, between blocks where it has several, else as a block of its own,
    /// and anywhere only when nothing else helps.
    fn finish(&mut self, path: String, text: Cow<'_, str>, tokens: Option<usize>) {
        // A heading without text of its own is in the paths of its sections, unless it has none.
        if path.is_empty() && text.trim().is_empty() {
            return;
        }
        let tokens = tokens.unwrap_or_else(|| {
            self.input.clear();
            push_input(&mut self.input, &path, &text);
            self.count.tokens(&self.input)
        });
        let cut = (tokens > self.limit.max_tokens).then(|| self.smaller(&text, tokens));
        match cut.filter(|parts| parts.len() > 1) {
            Some(parts) => {
                for part in parts {
                    self.finish(path.clone(), Cow::Owned(part), None);
                }
            }
            None => self.out.push(Chunk {
                ordinal: self.out.len(),
                heading_path: path,
                text: text.into_owned(),
                tokens,
            }),
        }
    }

    fn smaller(&self, text: &str, tokens: usize) -> Vec<String> {
        let mut blocks = blocks::blocks(text);
        let by_half = || split::halves(text).map_or_else(Vec::new, |(first, second)| vec![first, second]);
        let parts: Vec<String> = if blocks.len() > 1 {
            let second = blocks.split_off(blocks.len() / 2);
            let joined = |half: Vec<Block<'_>>| half.iter().map(|block| &*block.text).collect::<Vec<_>>().join(JOINER);
            [blocks, second].map(joined).into()
        } else {
            let own = self.count.tokens(text);
            let max = own.saturating_sub(tokens - self.limit.max_tokens).max(1) * 3 / 4;
            let splitter = Splitter {
                source: text,
                ..self.splitter(max, max)
            };
            let mut units = Vec::new();
            for block in blocks {
                splitter.units(block, &mut units);
            }
            units.into_iter().map(|unit| unit.text.into_owned()).collect()
        };
        let shrinks = parts.len() > 1 && parts.iter().all(|part| part.len() < text.len());
        if shrinks { parts } else { by_half() }
    }

    /// Two small sections in one, with how many headings are above both, when they are siblings, or parent and first child, and neither is
    /// a question: a question is found by its own heading, and its answer must not share a vector with another.
    fn merged(&self, first: &Piece<'t>, second: &Piece<'t>) -> Option<(usize, Piece<'t>)> {
        let most = self.limit.merge_tokens;
        let is_question = |path: &[&str]| path.last().is_some_and(|heading| heading.ends_with(['?', '？', '؟']));
        if !first.whole || !second.whole || first.tokens + second.tokens > most {
            return None;
        }
        let (own, other) = (&self.last, &self.own);
        let common = own.iter().zip(other).take_while(|(a, b)| a == b).count();
        let near = common > 0 && own.len() <= common + 1 && other.len() <= common + 1;
        if !near || is_question(own) || is_question(other) {
            return None;
        }
        let path = written(&own[..common]);
        let above = self.count.tokens(&path);
        if first.tokens + second.tokens + above + 1 > most {
            return None;
        }
        let mut text = String::with_capacity(first.text.len() + second.text.len() + 80);
        for (piece, path) in [(first, own), (second, other)] {
            let heading = path.get(common).map(|heading| (common, *heading));
            push_part(&mut text, heading, &piece.text);
        }
        let tokens = self.count.tokens(&text);
        let merged = Piece {
            path,
            above,
            text: Cow::Owned(text),
            tokens,
            exact: true,
            whole: true,
        };
        (tokens + above < most).then_some((common, merged))
    }
}

/// A heading path.
fn written(headings: &[&str]) -> String {
    let mut path = String::new();
    for heading in headings {
        blocks::push_heading(&mut path, heading);
    }
    path
}

/// Adds a section to a merged text, under its heading if it has one of its own there.
fn push_part(out: &mut String, heading: Option<(usize, &str)>, text: &str) {
    if let Some((level, heading)) = heading {
        let mark = &"######"[..(level + 1).min(6)];
        out.extend([if out.is_empty() { "" } else { JOINER }, mark, " ", heading]);
    }
    if !text.is_empty() {
        out.extend([if out.is_empty() { "" } else { JOINER }, text]);
    }
}

#[cfg(test)]
mod tests;
