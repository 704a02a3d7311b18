//! Cuts a block that is larger than a chunk at its natural seams: items, rows, lines, sentences, words, and at last
//! anywhere.

use super::blocks::{Block, is_item};

/// Cuts blocks to size.
pub(super) struct Splitter<'a> {
    /// No unit has more tokens.
    pub max: usize,
    /// What the parts of a cut block are packed up to.
    pub target: usize,
    pub count: &'a dyn Fn(&str) -> usize,
}

impl Splitter<'_> {
    /// The block as units with their tokens, in one unit if it fits.
    pub fn units(&self, block: Block) -> Vec<(String, usize)> {
        let tokens = (self.count)(block.text());
        if tokens <= self.max {
            let (Block::Paragraph(text) | Block::List(text) | Block::Code(text) | Block::Table(text)) = block;
            return vec![(text, tokens)];
        }
        match &block {
            Block::Paragraph(text) => self.sentences(text),
            Block::List(text) => self.list(text),
            Block::Code(text) => self.code(text),
            Block::Table(text) => self.table(text),
        }
    }

    fn list(&self, text: &str) -> Vec<(String, usize)> {
        let mut items: Vec<String> = Vec::new();
        for line in text.lines() {
            match items.last_mut() {
                // A term keeps its definition.
                Some(item)
                    if !is_item(line) || (line.starts_with(": ") && !item.starts_with(": ") && !is_item(item)) =>
                {
                    item.push('\n');
                    item.push_str(line);
                }
                _ => items.push(line.to_owned()),
            }
        }
        self.pack(items.iter().map(|item| item.trim_end()), "\n", &|item| {
            self.pack(item.split("\n\n"), "\n\n", &|part| {
                self.pack(part.lines(), "\n", &|line| self.sentences(line))
            })
        })
    }

    fn code(&self, text: &str) -> Vec<(String, usize)> {
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
            (text, tokens)
        });
        fenced.collect()
    }

    fn table(&self, text: &str) -> Vec<(String, usize)> {
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
            .map(|(rows, own)| (format!("{header}\n{rows}"), own + tokens))
            .collect()
    }

    fn sentences(&self, text: &str) -> Vec<(String, usize)> {
        self.pack(sentences(text).into_iter(), " ", &|sentence| self.words(sentence))
    }

    fn words(&self, text: &str) -> Vec<(String, usize)> {
        // Indentation belongs to the first word, so that code keeps its shape.
        let indent = text.len() - text.trim_start().len();
        let mut words = text[indent..].split_whitespace();
        let first = format!("{}{}", &text[..indent], words.next().unwrap_or_default());
        let parts: Vec<&str> = std::iter::once(first.as_str()).chain(words).collect();
        self.pack(parts.into_iter(), " ", &|word| self.anywhere(word))
    }

    fn anywhere(&self, text: &str) -> Vec<(String, usize)> {
        let tokens = (self.count)(text);
        let middle = text
            .char_indices()
            .nth(text.chars().count() / 2)
            .map_or(0, |(at, _)| at);
        if tokens <= self.max || middle == 0 {
            return vec![(text.to_owned(), tokens)];
        }
        [self.anywhere(&text[..middle]), self.anywhere(&text[middle..])].concat()
    }

    /// Joins parts up to the target; a part over the maximum is cut finer first.
    fn pack<'t>(
        &self,
        parts: impl Iterator<Item = &'t str>,
        joiner: &str,
        finer: &dyn Fn(&str) -> Vec<(String, usize)>,
    ) -> Vec<(String, usize)> {
        let mut out: Vec<(String, usize)> = Vec::new();
        let mut sealed = true;
        for part in parts {
            let tokens = (self.count)(part);
            if tokens > self.max {
                out.extend(finer(part));
                // The rest of a cut part may be filled up.
                sealed = false;
                continue;
            }
            match out.last_mut().filter(|_| !sealed) {
                Some(last) if last.1 + tokens <= self.target => {
                    last.0.push_str(joiner);
                    last.0.push_str(part);
                    last.1 += tokens;
                }
                _ => out.push((part.to_owned(), tokens)),
            }
            sealed = false;
        }
        out
    }
}

/// Ends of sentences: a full stop, question or exclamation mark before white space, or its CJK form anywhere.
fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let before_space = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        if c == '\n' || matches!(c, '。' | '！' | '？') || (matches!(c, '.' | '!' | '?' | '…') && before_space) {
            let end = at + c.len_utf8();
            out.push(text[start..end].trim());
            start = end;
        }
    }
    out.push(text[start..].trim());
    out.retain(|sentence| !sentence.is_empty());
    out
}

/// A text cut in two near its middle, at the best seam there; `None` when it is a single character.
pub(super) fn halves(text: &str) -> Option<(String, String)> {
    let middle = text
        .char_indices()
        .nth(text.chars().count() / 2)
        .map(|(at, _)| at)
        .filter(|at| *at > 0)?;
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
