//! Cuts a block that is larger than a chunk at its natural seams: items, rows, lines, sentences, words, and at last
//! anywhere.

use std::borrow::Cow;

use super::{
    blocks::{Block, Kind, is_item},
    text,
};

/// A text with its tokens.
pub(super) type Unit<'t> = (Cow<'t, str>, usize);

/// Cuts blocks to size.
#[derive(Clone, Copy)]
pub(super) struct Splitter<'t> {
    /// The text that the blocks are slices of.
    pub source: &'t str,
    /// No unit has more tokens.
    pub max: usize,
    /// What the parts of a cut block are packed up to.
    pub target: usize,
    pub count: &'t dyn Fn(&str) -> usize,
}

impl<'t> Splitter<'t> {
    /// Adds the block as units, as one if it fits.
    pub fn units(&self, block: Block<'t>, out: &mut Vec<Unit<'t>>) {
        let tokens = (self.count)(&block.text);
        if tokens <= self.max {
            out.push((block.text, tokens));
            return;
        }
        match block.text {
            Cow::Borrowed(text) => out.extend(self.cut(block.kind, text)),
            Cow::Owned(text) => {
                let inner = Splitter { source: &text, ..*self };
                let units = inner.cut(block.kind, &text).into_iter();
                out.extend(units.map(|(text, tokens)| (Cow::Owned(text.into_owned()), tokens)));
            }
        }
    }

    fn cut(&self, kind: Kind, text: &'t str) -> Vec<Unit<'t>> {
        match kind {
            Kind::Paragraph => self.sentences(text),
            Kind::List => self.list(text),
            Kind::Code => self.code(text),
            Kind::Table => self.table(text),
        }
    }

    fn list(&self, text: &'t str) -> Vec<Unit<'t>> {
        self.pack(items(text).into_iter(), "\n", &|item| {
            self.pack(item.split("\n\n"), "\n\n", &|part| {
                self.pack(part.lines(), "\n", &|line| self.sentences(line))
            })
        })
    }

    fn code(&self, text: &'t str) -> Vec<Unit<'t>> {
        let mut lines: Vec<&str> = text.lines().collect();
        let opening = lines.first().copied().unwrap_or("```");
        let fence = opening.trim_end_matches(|c| c != '`' && c != '~');
        if lines.last().is_some_and(|line| lines.len() > 1 && line.trim() == fence) {
            lines.pop();
        }
        let inner = Self {
            target: self.target.saturating_sub(2 * (self.count)(opening)).max(1),
            ..*self
        };
        let parts = inner.pack(lines.into_iter().skip(1), "\n", &|line| inner.words(line));
        let fenced = parts.into_iter().enumerate().map(|(index, (code, _))| {
            // The language is named once, as in the source.
            let text = format!("{}\n{code}\n{fence}", if index == 0 { opening } else { fence });
            let tokens = (self.count)(&text);
            (Cow::Owned(text), tokens)
        });
        fenced.collect()
    }

    fn table(&self, text: &'t str) -> Vec<Unit<'t>> {
        let mut lines = text.lines();
        let header = [lines.next().unwrap_or_default(), lines.next().unwrap_or_default()].join("\n");
        let tokens = (self.count)(&header);
        if tokens * 2 > self.target {
            return self.pack(text.lines(), "\n", &|row| self.words(row));
        }
        let inner = Self {
            max: self.max - tokens,
            target: self.target - tokens,
            ..*self
        };
        let parts = inner.pack(lines, "\n", &|row| inner.words(row));
        parts
            .into_iter()
            .map(|(rows, own)| (Cow::Owned(format!("{header}\n{rows}")), own + tokens))
            .collect()
    }

    fn sentences(&self, text: &'t str) -> Vec<Unit<'t>> {
        self.pack(sentences(text), " ", &|sentence| self.words(sentence))
    }

    fn words(&self, text: &'t str) -> Vec<Unit<'t>> {
        // Indentation belongs to the first word, so that code keeps its shape.
        let indent = text.len() - text.trim_start().len();
        let first = text[indent..]
            .find(char::is_whitespace)
            .map_or(text.len(), |length| indent + length);
        let parts = std::iter::once(&text[..first]).chain(text[first..].split_whitespace());
        self.pack(parts, " ", &|word| self.anywhere(word))
    }

    fn anywhere(&self, text: &'t str) -> Vec<Unit<'t>> {
        let tokens = (self.count)(text);
        let middle = middle(text);
        if tokens <= self.max || middle == 0 {
            return vec![(Cow::Borrowed(text), tokens)];
        }
        [self.anywhere(&text[..middle]), self.anywhere(&text[middle..])].concat()
    }

    /// Joins parts up to the target; a part over the maximum is cut finer first.
    fn pack(
        &self,
        parts: impl Iterator<Item = &'t str>,
        joiner: &str,
        finer: &dyn Fn(&'t str) -> Vec<Unit<'t>>,
    ) -> Vec<Unit<'t>> {
        let mut out: Vec<Unit<'t>> = Vec::new();
        for part in parts {
            let tokens = (self.count)(part);
            if tokens > self.max {
                // The rest of a cut part may be filled up.
                out.extend(finer(part));
                continue;
            }
            match out.last_mut() {
                Some(last) if last.1 + tokens <= self.target => {
                    text::join(self.source, &mut last.0, joiner, part);
                    last.1 += tokens;
                }
                _ => out.push((Cow::Borrowed(part), tokens)),
            }
        }
        out
    }
}

/// The items of a list with what is indented under them.
fn items(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut open = text.lines().next().unwrap_or_default();
    for line in text.split_inclusive('\n') {
        // A term keeps its definition.
        let of_term = line.starts_with(": ") && !is_item(open);
        if at > 0 && is_item(line) && !of_term {
            out.push(text[start..at].trim_end());
            start = at;
            open = line;
        }
        at += line.len();
    }
    out.push(text[start..].trim_end());
    out
}

/// The sentences of a text.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let ends = (0..text.len()).filter_map(|at| end_of_sentence(text, at));
    let mut start = 0;
    let sentences = ends.chain([text.len()]).map(move |end| {
        let sentence = text[start..end].trim();
        start = end;
        sentence
    });
    sentences.filter(|sentence| !sentence.is_empty())
}

/// Where a sentence ends, if the character at this byte ends one: a full stop, question or exclamation mark before white space, or its
/// CJK form anywhere.
fn end_of_sentence(text: &str, at: usize) -> Option<usize> {
    let before_space = |end: usize| text[end..].chars().next().is_none_or(char::is_whitespace);
    let (end, ends) = match text.as_bytes()[at] {
        b'\n' => (at + 1, true),
        b'.' | b'!' | b'?' => (at + 1, before_space(at + 1)),
        // What the other marks begin with, and nothing else has in its middle.
        0xe2 | 0xe3 | 0xef => match text[at..].chars().next()? {
            '。' | '！' | '？' => (at + 3, true),
            '…' => (at + 3, before_space(at + 3)),
            _ => return None,
        },
        _ => return None,
    };
    ends.then_some(end)
}

/// Where the second half of the characters begins.
pub(super) fn middle(text: &str) -> usize {
    let half = text.chars().count() / 2;
    text.char_indices().nth(half).map_or(0, |(at, _)| at)
}

/// A text cut in two near its middle, at the best seam there; `None` when it is a single character.
pub(super) fn halves(text: &str) -> Option<(String, String)> {
    let middle = Some(middle(text)).filter(|at| *at > 0)?;
    let nearest = |seam: &str| {
        let cuts = text
            .match_indices(seam)
            .map(|(at, _)| at)
            .filter(|at| *at > text.len() / 5 && *at < text.len() * 4 / 5);
        cuts.min_by_key(|at| at.abs_diff(middle))
    };
    let cut = nearest("\n\n")
        .or_else(|| nearest("\n"))
        .or_else(|| nearest(" "))
        .unwrap_or(middle);
    let (first, second) = text.split_at(cut);
    Some((
        first.trim_end().to_owned(),
        second.trim_start_matches([' ', '\n']).to_owned(),
    ))
}
