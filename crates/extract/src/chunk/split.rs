//! Cuts a block that is larger than a chunk at its natural seams: items, rows, lines, sentences, words, and at last
//! anywhere.

use std::borrow::Cow;

use super::{
    Count, JOINER,
    blocks::{self, Block, Kind, is_item, lines, trimmed},
    text,
};

/// A text with its tokens.
#[derive(Debug, Clone)]
pub(super) struct Unit<'t> {
    pub text: Cow<'t, str>,
    pub tokens: usize,
    /// The tokens are those of the text, and not only the sum of those of its parts.
    pub exact: bool,
}

impl<'t> Unit<'t> {
    fn counted(text: impl Into<Cow<'t, str>>, tokens: usize) -> Self {
        Self {
            text: text.into(),
            tokens,
            exact: true,
        }
    }
}

/// Cuts blocks to size.
#[derive(Clone, Copy)]
pub(super) struct Splitter<'t> {
    /// The text that the blocks are slices of.
    pub source: &'t str,
    /// No unit has more tokens.
    pub max: usize,
    /// What the parts of a cut block are packed up to.
    pub target: usize,
    pub count: &'t dyn Count,
}

impl<'t> Splitter<'t> {
    /// Adds the block as units, as one if it fits.
    pub fn units(&self, block: Block<'t>, out: &mut Vec<Unit<'t>>) {
        let tokens = self.count.tokens(&block.text);
        if tokens <= self.max {
            out.push(Unit::counted(block.text, tokens));
            return;
        }
        match block.text {
            Cow::Borrowed(text) => self.cut(block.kind, text, out),
            Cow::Owned(text) => {
                let inner = Splitter { source: &text, ..*self };
                let mut units = Vec::new();
                inner.cut(block.kind, &text, &mut units);
                out.extend(units.into_iter().map(|unit| Unit {
                    text: Cow::Owned(unit.text.into_owned()),
                    ..unit
                }));
            }
        }
    }

    fn cut(&self, kind: Kind, text: &'t str, out: &mut Vec<Unit<'t>>) {
        match kind {
            Kind::Paragraph => self.sentences(text, out),
            Kind::List => self.list(text, out),
            Kind::Code => self.code(text, out),
            Kind::Table => self.table(text, out),
        }
    }

    fn list(&self, text: &'t str, out: &mut Vec<Unit<'t>>) {
        self.pack(items(text).into_iter(), "\n", out, &|item, out| {
            self.pack(paragraphs(item), "\n\n", out, &|part, out| {
                self.pack(lines(part).map(|(_, line)| line), "\n", out, &|line, out| {
                    self.sentences(line, out);
                });
            });
        });
    }

    fn code(&self, text: &'t str, out: &mut Vec<Unit<'t>>) {
        let mut lines: Vec<&str> = lines(text).map(|(_, line)| line).collect();
        let opening = lines.first().copied().unwrap_or("```");
        let fence = opening.trim_end_matches(|c| c != '`' && c != '~');
        if lines.last().is_some_and(|line| lines.len() > 1 && line.trim() == fence) {
            lines.pop();
        }
        let inner = Self {
            target: self.target.saturating_sub(2 * self.count.tokens(opening)).max(1),
            ..*self
        };
        let first = out.len();
        inner.pack(lines.into_iter().skip(1), "\n", out, &|line, out| {
            inner.words(line, out);
        });
        for (index, unit) in out[first..].iter_mut().enumerate() {
            // The language is named once, as in the source.
            let text = format!("{}\n{}\n{fence}", if index == 0 { opening } else { fence }, unit.text);
            let tokens = self.count.tokens(&text);
            *unit = Unit::counted(text, tokens);
        }
    }

    fn table(&self, text: &'t str, out: &mut Vec<Unit<'t>>) {
        let mut lines = lines(text).map(|(_, line)| line);
        let header = [lines.next().unwrap_or_default(), lines.next().unwrap_or_default()].join("\n");
        let tokens = self.count.tokens(&header);
        if tokens * 2 > self.target {
            return self.pack(blocks::lines(text).map(|(_, line)| line), "\n", out, &|row, out| {
                self.words(row, out);
            });
        }
        let inner = Self {
            max: self.max - tokens,
            target: self.target - tokens,
            ..*self
        };
        let first = out.len();
        inner.pack(lines, "\n", out, &|row, out| inner.words(row, out));
        for rows in &mut out[first..] {
            *rows = Unit {
                text: Cow::Owned(format!("{header}\n{}", rows.text)),
                tokens: tokens + rows.tokens,
                exact: false,
            };
        }
    }

    fn sentences(&self, text: &'t str, out: &mut Vec<Unit<'t>>) {
        self.pack(sentences(text), " ", out, &|sentence, out| self.words(sentence, out));
    }

    fn words(&self, text: &'t str, out: &mut Vec<Unit<'t>>) {
        // Indentation belongs to the first word, so that code keeps its shape.
        let indent = text.len() - text.trim_start().len();
        let first = text[indent..]
            .find(char::is_whitespace)
            .map_or(text.len(), |length| indent + length);
        let parts = std::iter::once(&text[..first]).chain(text[first..].split_whitespace());
        self.pack(parts, " ", out, &|word, out| self.anywhere(word, out));
    }

    fn anywhere(&self, text: &'t str, out: &mut Vec<Unit<'t>>) {
        let tokens = self.count.tokens(text);
        let middle = middle(text);
        if tokens <= self.max || middle == 0 {
            return out.push(Unit::counted(text, tokens));
        }
        self.anywhere(&text[..middle], out);
        self.anywhere(&text[middle..], out);
    }

    /// Joins parts up to the target; a part over the maximum is cut finer first.
    fn pack(
        &self,
        parts: impl Iterator<Item = &'t str>,
        joiner: &str,
        out: &mut Vec<Unit<'t>>,
        finer: &dyn Fn(&'t str, &mut Vec<Unit<'t>>),
    ) {
        let first = out.len();
        for part in parts {
            let tokens = self.count.tokens(part);
            if tokens > self.max {
                // The rest of a cut part may be filled up.
                finer(part, out);
                continue;
            }
            match out[first..].last_mut() {
                Some(last) if last.tokens + tokens <= self.target => {
                    text::join(self.source, &mut last.text, joiner, part);
                    last.tokens += tokens;
                    last.exact = false;
                }
                _ => out.push(Unit::counted(part, tokens)),
            }
        }
    }
}

/// The items of a list with what is indented under them.
fn items(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut open = lines(text).next().map_or("", |(_, line)| line);
    for (at, line) in lines(text) {
        // A term keeps its definition.
        let of_term = line.starts_with(": ") && !is_item(open);
        if at > 0 && is_item(line) && !of_term {
            out.push(text[start..at].trim_end());
            start = at;
            open = line;
        }
    }
    out.push(text[start..].trim_end());
    out
}

/// The parts of a text between blank lines.
fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    let seams = memchr::memmem::find_iter(text.as_bytes(), JOINER).chain(std::iter::once(text.len()));
    seams.map(move |seam| {
        let part = &text[from..seam];
        from = seam + JOINER.len();
        part
    })
}

/// The sentences of a text.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let sentences = std::iter::from_fn(move || {
        let (sentence, behind) = rest.split_at(end_of_sentence(rest)?);
        rest = behind;
        Some(trimmed(sentence))
    });
    sentences.filter(|sentence| !sentence.is_empty())
}

/// Where the first sentence of a text ends: behind a full stop, question or exclamation mark before white space, or behind its CJK form
/// anywhere. Nowhere in an empty text.
fn end_of_sentence(text: &str) -> Option<usize> {
    let before_space = |end: usize| text[end..].chars().next().is_none_or(char::is_whitespace);
    // The bytes that the other marks begin with stand in the middle of none.
    let is_mark = |byte: &u8| matches!(byte, b'\n' | b'.' | b'!' | b'?' | 0xe2 | 0xe3 | 0xef);
    let mut from = 0;
    while let Some(at) = text.as_bytes()[from..].iter().position(is_mark).map(|at| from + at) {
        let mark = text[at..].chars().next()?;
        from = at + mark.len_utf8();
        let ends = match mark {
            '\n' | '。' | '！' | '？' => true,
            '.' | '!' | '?' | '…' => before_space(from),
            _ => false,
        };
        if ends {
            return Some(from);
        }
    }
    Some(text.len()).filter(|length| *length > 0)
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
