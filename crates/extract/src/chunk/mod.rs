//! Markdown to chunks for retrieval, along the headings.
//!
//! [`blocks`] reads the Markdown that this crate writes into sections and blocks; [`split`] cuts a block that is too
//! large at its natural seams. Here sections become chunks, slices of the Markdown until they are finished. No text is lost: the words of all chunks together are
//! the words of the Markdown, apart from headings (they are in the heading path) and repeated table headers.

mod blocks;
mod split;
mod text;

use std::{borrow::Cow, rc::Rc};

use serde::Serialize;

use blocks::{Block, Kind};
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
    if path.is_empty() {
        text.to_owned()
    } else {
        [path, "\n", text].concat()
    }
}

/// Writes a heading path.
fn push_path(out: &mut String, headings: &[&str]) {
    for (index, heading) in headings.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { SEPARATOR });
        out.push_str(heading);
    }
}

/// A future chunk.
#[derive(Debug)]
struct Piece<'t> {
    /// The headings above it.
    path: Rc<[&'t str]>,
    text: Cow<'t, str>,
    tokens: usize,
    /// The piece is a whole section, so that it may be merged with its neighbours.
    whole: bool,
}

/// Cuts a page into chunks. `count` gives the tokens of a text, without the model's special tokens.
pub fn chunks(markdown: &str, title: &str, limit: Limit, count: &dyn Fn(&str) -> usize) -> Vec<Chunk> {
    let markdown = with_line_feeds(markdown);
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut chunker = Chunker {
        source: &markdown,
        limit,
        count,
        joint: count(JOINER),
        pieces: Vec::new(),
        units: Vec::new(),
        input: String::new(),
        out: Vec::new(),
    };
    blocks::sections(&markdown, &title, &mut |path, blocks| {
        chunker.section(path, blocks);
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

struct Chunker<'t> {
    source: &'t str,
    limit: Limit,
    count: &'t dyn Fn(&str) -> usize,
    /// Tokens of [`JOINER`]. Most tokenizers give white space no token of its own; some do.
    joint: usize,
    /// The last piece so far, which the next section may join, and those of that section.
    pieces: Vec<Piece<'t>>,
    /// A section's; empty between sections, as the next is, so that their memory is used again.
    units: Vec<Unit<'t>>,
    /// What is being counted.
    input: String,
    out: Vec<Chunk>,
}

impl<'t> Chunker<'t> {
    /// Adds the pieces of one section, each within the limits.
    fn section(&mut self, path: Rc<[&'t str]>, blocks: &mut Vec<Block<'t>>) {
        let (path, own, over) = self.short_path(path);
        let own = own + 1;
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
        let total = units.iter().map(|(_, tokens)| tokens).sum::<usize>() + joints;
        let whole = total <= max;
        let target = if whole { max } else { target };
        let (first, tail) = (self.pieces.len(), units.len().saturating_sub(1));
        for (index, (text, tokens)) in units.drain(..).enumerate() {
            let room = if index == tail && tokens < target / SMALL_TAIL {
                max
            } else {
                target
            };
            let last = self.pieces[first..].last_mut().filter(|last| {
                // What ends in a colon introduces what follows.
                let room = if last.text.ends_with(':') { max } else { room };
                last.tokens + self.joint + tokens <= room
            });
            if let Some(last) = last {
                text::join(self.source, &mut last.text, JOINER, &text);
                last.tokens += self.joint + tokens;
            } else {
                let path = path.clone();
                self.pieces.push(Piece {
                    path,
                    text,
                    tokens,
                    whole,
                });
            }
        }
        self.units = units;
        if self.pieces.len() == first {
            self.pieces.push(Piece {
                path,
                text: Cow::default(),
                tokens: 0,
                whole,
            });
        }
    }

    /// Joins the last piece so far and the only one of the section after it, where they belong together.
    fn merge(&mut self) {
        if let [before, own] = &self.pieces[..]
            && let Some(merged) = merged(before, own, self.limit.merge_tokens, self.count)
        {
            self.pieces.clear();
            self.pieces.push(merged);
        }
    }

    /// Makes chunks of the pieces but for the last ones.
    fn finish_all_but(&mut self, last: usize) {
        let ready = self.pieces.len() - last;
        let mut pieces = std::mem::take(&mut self.pieces);
        for piece in pieces.drain(..ready) {
            self.finish(&piece.path, piece.text);
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

    /// At most half of the room goes to the path: outer headings are dropped first. With its tokens, and the innermost heading when it
    /// had to be shortened, to be kept in the text.
    fn short_path(&mut self, mut path: Rc<[&'t str]>) -> (Rc<[&'t str]>, usize, Option<&'t str>) {
        let room = self.limit.max_tokens / 2;
        loop {
            self.input.clear();
            push_path(&mut self.input, &path);
            let tokens = (self.count)(&self.input);
            if tokens <= room {
                return (path, tokens, None);
            }
            path = match path[..] {
                [] => return (path, tokens, None),
                [only] => {
                    let short = self.short_heading(only, room);
                    return (Rc::new([short]), (self.count)(short), Some(only));
                }
                [_, last] => Rc::new([last]),
                [first, _, ref inner @ ..] => [&[first], inner].concat().into(),
            };
        }
    }

    fn short_heading(&self, heading: &'t str, room: usize) -> &'t str {
        let mut short = heading;
        while (self.count)(short) > room && !short.is_empty() {
            short = &short[..split::middle(short)];
        }
        short.trim_end()
    }

    /// Adds a text as a chunk. Tokens of joined texts are not exactly the sum of their tokens; what came out too large is cut
    /// again, between blocks where it has several, else as a block of its own, and anywhere only when nothing else helps.
    fn finish(&mut self, path: &[&str], text: Cow<'_, str>) {
        self.input.clear();
        push_path(&mut self.input, path);
        let path_bytes = self.input.len();
        // A heading without text of its own is in the paths of its sections, unless it has none.
        if path_bytes == 0 && text.trim().is_empty() {
            return;
        }
        let tokens = if path_bytes == 0 {
            (self.count)(&text)
        } else {
            self.input.extend(["\n", &text]);
            (self.count)(&self.input)
        };
        let cut = (tokens > self.limit.max_tokens).then(|| self.smaller(&text, tokens));
        match cut.filter(|parts| parts.len() > 1) {
            Some(parts) => parts.into_iter().for_each(|part| self.finish(path, Cow::Owned(part))),
            None => self.out.push(Chunk {
                ordinal: self.out.len(),
                heading_path: self.input[..path_bytes].to_owned(),
                text: text.into_owned(),
                tokens,
            }),
        }
    }

    fn smaller(&self, text: &str, tokens: usize) -> Vec<String> {
        let mut blocks = Vec::new();
        blocks::blocks(text, &blocks::lines(text).collect::<Vec<_>>(), &mut blocks);
        let by_half = || split::halves(text).map_or_else(Vec::new, |(first, second)| vec![first, second]);
        let parts: Vec<String> = if blocks.len() > 1 {
            let second = blocks.split_off(blocks.len() / 2);
            let joined = |half: Vec<Block<'_>>| half.iter().map(|block| &*block.text).collect::<Vec<_>>().join(JOINER);
            [blocks, second].map(joined).into()
        } else {
            let own = (self.count)(text);
            let max = own.saturating_sub(tokens - self.limit.max_tokens).max(1) * 3 / 4;
            let splitter = Splitter {
                source: text,
                ..self.splitter(max, max)
            };
            let mut units = Vec::new();
            for block in blocks {
                splitter.units(block, &mut units);
            }
            units.into_iter().map(|(text, _)| text.into_owned()).collect()
        };
        let shrinks = parts.len() > 1 && parts.iter().all(|part| part.len() < text.len());
        if shrinks { parts } else { by_half() }
    }
}

/// Two small sections in one of at most `most` tokens, when they are siblings, or parent and first child, and neither is a question:
/// a question is found by its own heading, and its answer must not share a vector with another.
fn merged<'t>(first: &Piece<'t>, second: &Piece<'t>, most: usize, count: &dyn Fn(&str) -> usize) -> Option<Piece<'t>> {
    let is_question = |piece: &Piece<'_>| {
        let heading = piece.path.last();
        heading.is_some_and(|heading| heading.ends_with(['?', '？', '؟']))
    };
    if !first.whole || !second.whole || first.tokens + second.tokens > most {
        return None;
    }
    let (own, other) = (&first.path, &second.path);
    let common = own.iter().zip(&**other).take_while(|(a, b)| a == b).count();
    let near = common > 0 && own.len() <= common + 1 && other.len() <= common + 1;
    if !near || is_question(first) || is_question(second) {
        return None;
    }
    let path = if own.len() == common {
        first.path.clone()
    } else {
        own[..common].into()
    };
    let mut joined = String::new();
    push_path(&mut joined, &path);
    let own = count(&joined) + 1;
    if first.tokens + second.tokens + own > most {
        return None;
    }
    let mut text = String::with_capacity(first.text.len() + second.text.len() + 80);
    for piece in [first, second] {
        let heading = piece.path.get(common).map(|heading| (common, *heading));
        push_part(&mut text, heading, &piece.text);
    }
    let tokens = count(&text);
    (tokens + own <= most).then_some(Piece {
        path,
        text: Cow::Owned(text),
        tokens,
        whole: true,
    })
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
