//! Reads Markdown into sections and blocks, as slices of it. Knows the Markdown that [`crate::page`] writes, and takes any
//! other text as paragraphs.
//!
//! Most lines are told apart by their first byte; only what begins like a mark is looked at further.

use std::borrow::Cow;

use super::{SEPARATOR, text};

/// A piece of a section that belongs together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block<'t> {
    pub kind: Kind,
    pub text: Cow<'t, str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Paragraph,
    /// A list or a definition with all that is indented under it.
    List,
    /// With its fences.
    Code,
    /// With its header row and delimiter row.
    Table,
}

/// Gives the sections in order: the headings above each, its own last, and its own text's blocks, up to the next heading of any
/// level. A heading without text of its own is left out when deeper headings follow, whose paths name it.
pub(super) fn sections<'t>(markdown: &'t str, title: &'t str, take: &mut Take<'_, 't>) {
    let mut outline = Outline::new(title);
    let mut reader = Reader::new(markdown);
    for (start, line) in lines(markdown) {
        let Some((level, heading)) = heading(line).filter(|_| reader.fence.is_none()) else {
            reader.line(start, line);
            continue;
        };
        reader.close();
        if !reader.found.is_empty() || outline.ends_at(level) {
            take(&outline, &mut reader.found);
            reader.found.clear();
        }
        outline.enter(level, heading);
    }
    reader.close();
    if !reader.found.is_empty() || !outline.headings.is_empty() {
        take(&outline, &mut reader.found);
    }
}

/// The blocks of a text in which no line is a heading.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut reader = Reader::new(text);
    for (start, line) in lines(text) {
        reader.line(start, line);
    }
    reader.close();
    reader.found
}

/// The lines of a text that has line feeds alone at their ends, without them; each with the place of its first byte.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        // Every other line is empty, and found sooner than a search begins.
        let length = match bytes.get(start)? {
            b'\n' => 0,
            _ => memchr::memchr(b'\n', &bytes[start..]).unwrap_or(bytes.len() - start),
        };
        let line = (start, &text[start..start + length]);
        start += length + 1;
        Some(line)
    })
}

/// What takes a section: the headings above it, and its blocks.
type Take<'f, 't> = dyn FnMut(&Outline<'t>, &mut Vec<Block<'t>>) + 'f;

/// The headings around a line.
pub(super) struct Outline<'t> {
    title: &'t str,
    lower_title: String,
    /// The outermost heading is the title itself.
    titled: bool,
    headings: Vec<Heading<'t>>,
    /// The title and the headings, as a path.
    path: String,
}

struct Heading<'t> {
    level: usize,
    text: &'t str,
    /// How long the path is before it.
    before: usize,
}

impl<'t> Outline<'t> {
    fn new(title: &'t str) -> Self {
        Self {
            title,
            lower_title: title.to_lowercase(),
            titled: false,
            headings: Vec::new(),
            path: title.to_owned(),
        }
    }

    /// The heading path as it is written in a chunk.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The parts of the path, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &'t str> {
        let title = Some(self.title).filter(|title| !title.is_empty() && !self.titled);
        title
            .into_iter()
            .chain(self.headings.iter().map(|heading| heading.text))
    }

    /// Whether a heading of this level ends the innermost section rather than going deeper into it.
    fn ends_at(&self, level: usize) -> bool {
        self.headings.last().is_some_and(|heading| level <= heading.level)
    }

    fn enter(&mut self, level: usize, text: &'t str) {
        while let Some(deeper) = self.headings.pop_if(|heading| heading.level >= level) {
            self.path.truncate(deeper.before);
        }
        if self.headings.is_empty() {
            self.titled = text.to_lowercase() == self.lower_title;
            self.path.clear();
            self.path.push_str(if self.titled { "" } else { self.title });
        }
        let before = self.path.len();
        push_heading(&mut self.path, text);
        self.headings.push(Heading { level, text, before });
    }
}

/// Adds a heading to a path.
pub(super) fn push_heading(path: &mut String, heading: &str) {
    if !path.is_empty() {
        path.push_str(SEPARATOR);
    }
    path.push_str(heading);
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    if !(1..=6).contains(&level) {
        return None;
    }
    let text = trimmed(line[level..].strip_prefix(' ')?);
    (!text.is_empty()).then_some((level, text))
}

/// The fence that is open after a line.
fn fence_after(open: Option<&'static str>, line: &str) -> Option<&'static str> {
    if !matches!(line.as_bytes().first(), Some(b'`' | b'~' | b' ' | b'>')) {
        return open;
    }
    let inner = line.bytes().position(|byte| !matches!(byte, b' ' | b'>'));
    let line = inner.map_or("", |at| &line[at..]);
    let mark = ["```", "~~~~"].into_iter().find(|mark| line.starts_with(mark));
    match (open, mark) {
        (None, mark) => mark,
        (Some(open), Some(mark)) if open == mark && line.trim_end() == mark => None,
        (open, _) => open,
    }
}

/// Puts lines together to blocks, each line looked at once.
struct Reader<'t> {
    source: &'t str,
    /// The fence that is open, of a block of code or of one within a list.
    fence: Option<&'static str>,
    open: Option<Open>,
    found: Vec<Block<'t>>,
}

/// A block that the next line may belong to.
struct Open {
    kind: Kind,
    start: usize,
    end: usize,
    /// Its first line defines the term before it.
    defines: bool,
}

impl<'t> Reader<'t> {
    fn new(source: &'t str) -> Self {
        Self {
            source,
            fence: None,
            open: None,
            found: Vec::with_capacity(64),
        }
    }

    fn line(&mut self, start: usize, line: &str) {
        let inside = self.fence;
        self.fence = fence_after(inside, line);
        if let Some(open) = &mut self.open {
            let end = start + line.len();
            match open.kind {
                Kind::Code => {
                    open.end = end;
                    if self.fence.is_none() {
                        self.close();
                    }
                    return;
                }
                // A list goes on over blank lines while what follows is indented or another item of the same sort.
                Kind::List if is_blank(line) => return,
                _ if is_blank(line) => return self.close(),
                Kind::List => {
                    let same_sort = is_item(line) && line.starts_with(": ") == open.defines;
                    if inside.is_some() || same_sort || line.starts_with("  ") {
                        open.end = end;
                        return;
                    }
                }
                Kind::Table => {
                    if line.starts_with('|') {
                        open.end = end;
                        return;
                    }
                }
                Kind::Paragraph => {
                    if self.fence.is_none() && begins(line) == Kind::Paragraph {
                        open.end = end;
                        return;
                    }
                }
            }
            self.close();
        } else if is_blank(line) {
            return;
        }
        self.open = Some(Open {
            kind: if self.fence.is_some() { Kind::Code } else { begins(line) },
            start,
            end: start + line.len(),
            defines: line.starts_with(": "),
        });
    }

    /// Ends the open block.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let own = trimmed_end(&self.source[open.start..open.end]);
        match self.found.last_mut().filter(|last| last.kind == Kind::Paragraph) {
            // A term stays with its definition.
            Some(term) if open.defines => {
                text::join(self.source, &mut term.text, "\n", own);
                term.kind = Kind::List;
            }
            _ => self.found.push(Block {
                kind: open.kind,
                text: Cow::Borrowed(own),
            }),
        }
    }
}

/// What a line begins that is not blank and opens no fence.
fn begins(line: &str) -> Kind {
    if line.starts_with('|') {
        Kind::Table
    } else if is_item(line) {
        Kind::List
    } else {
        Kind::Paragraph
    }
}

/// The text without white space around it; what begins and ends with a letter of ASCII has none.
pub(super) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

fn trimmed_end(text: &str) -> &str {
    match text.as_bytes() {
        [.., b'!'..=b'~'] => text,
        _ => text.trim_end(),
    }
}

fn is_blank(line: &str) -> bool {
    match line.as_bytes().first() {
        None => true,
        Some(b'!'..=b'~') => false,
        Some(_) => {
            let inner = line.bytes().position(|byte| byte != b' ');
            inner.is_none_or(|at| trimmed(&line[at..]).is_empty())
        }
    }
}

/// Whether a line begins a list item or a definition at the margin.
pub(super) fn is_item(line: &str) -> bool {
    match line.as_bytes() {
        [b'-' | b':', b' ', ..] => true,
        [b'0'..=b'9', ..] => {
            let digits = line.bytes().take_while(u8::is_ascii_digit).count();
            digits <= 9 && line[digits..].starts_with(". ")
        }
        _ => false,
    }
}
