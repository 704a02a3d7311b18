//! Reads Markdown into sections and blocks, as slices of it. Knows the Markdown that [`crate::page`] writes, and takes any
//! other text as paragraphs.
//!
//! Most lines are told apart by their first byte; only what begins like a mark is looked at further.

use std::borrow::Cow;

use super::text;

/// A heading's own text, up to the next heading of any level.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section<'t> {
    /// The title and the headings around, outermost first, the section's own last.
    pub path: Vec<&'t str>,
    pub blocks: Vec<Block<'t>>,
}

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

/// A line without its end.
#[derive(Clone, Copy)]
pub(super) struct Line<'t> {
    text: &'t str,
    start: usize,
}

impl Line<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The lines of a text that has line feeds alone at their ends.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    const USUAL: usize = 48;
    let mut out = Vec::with_capacity(text.len() / USUAL + 1);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text.as_bytes()) {
        let text = &text[start..end];
        out.push(Line { text, start });
        start = end + 1;
    }
    let text = &text[start..];
    if !text.is_empty() {
        out.push(Line { text, start });
    }
    out
}

/// Gives the sections in order. A heading without text of its own is left out when deeper headings follow, whose paths name
/// it.
pub(super) fn sections<'t>(markdown: &'t str, title: &'t str, take: &mut dyn FnMut(Section<'t>)) {
    let all = lines(markdown);
    let mut outline = Outline {
        title,
        lower_title: title.to_lowercase(),
        titled: false,
        headings: Vec::new(),
    };
    let (mut start, mut fence) = (0, None);
    for (at, line) in all.iter().enumerate() {
        fence = fence_after(fence, line.text);
        let Some((level, heading)) = heading(line.text).filter(|_| fence.is_none()) else {
            continue;
        };
        let blocks = blocks(markdown, &all[start..at]);
        start = at + 1;
        if !blocks.is_empty() || outline.ends_at(level) {
            let path = outline.path();
            take(Section { path, blocks });
        }
        outline.enter(level, heading);
    }
    let blocks = blocks(markdown, &all[start..]);
    if !blocks.is_empty() || !outline.headings.is_empty() {
        let path = outline.path();
        take(Section { path, blocks });
    }
}

/// The headings around a line, with their levels.
struct Outline<'t> {
    title: &'t str,
    lower_title: String,
    /// The outermost heading is the title itself.
    titled: bool,
    headings: Vec<(usize, &'t str)>,
}

impl<'t> Outline<'t> {
    fn path(&self) -> Vec<&'t str> {
        let mut path = Vec::with_capacity(self.headings.len() + 1);
        path.extend(Some(self.title).filter(|title| !title.is_empty() && !self.titled));
        path.extend(self.headings.iter().map(|(_, heading)| heading));
        path
    }

    /// Whether a heading of this level ends the innermost section rather than going deeper into it.
    fn ends_at(&self, level: usize) -> bool {
        self.headings.last().is_some_and(|(own, _)| level <= *own)
    }

    fn enter(&mut self, level: usize, heading: &'t str) {
        self.headings.retain(|(own, _)| *own < level);
        if self.headings.is_empty() {
            self.titled = heading.to_lowercase() == self.lower_title;
        }
        self.headings.push((level, heading));
    }
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let text = line[level..].strip_prefix(' ')?.trim();
    ((1..=6).contains(&level) && !text.is_empty()).then_some((level, text))
}

/// The fence that is open after a line.
fn fence_after(open: Option<&'static str>, line: &str) -> Option<&'static str> {
    if !matches!(line.as_bytes().first(), Some(b'`' | b'~' | b' ' | b'>')) {
        return open;
    }
    let line = line.trim_start_matches([' ', '>']);
    let mark = ["```", "~~~~"].into_iter().find(|mark| line.starts_with(mark));
    match (open, mark) {
        (None, mark) => mark,
        (Some(open), Some(mark)) if open == mark && line.trim_end() == mark => None,
        (open, _) => open,
    }
}

/// The blocks of lines without headings.
pub(super) fn blocks<'t>(text: &'t str, lines: &[Line<'t>]) -> Vec<Block<'t>> {
    let mut out: Vec<Block<'_>> = Vec::new();
    let mut at = 0;
    while let Some(first) = lines.get(at) {
        if is_blank(first.text) {
            at += 1;
            continue;
        }
        let rest = &lines[at..];
        let (length, kind) = if fence_after(None, first.text).is_some() {
            (code_length(rest), Kind::Code)
        } else if first.text.starts_with('|') {
            (run_length(rest, |line| line.starts_with('|')), Kind::Table)
        } else if is_item(first.text) {
            (list_length(rest), Kind::List)
        } else {
            (run_length(rest, continues_paragraph), Kind::Paragraph)
        };
        let own = text[first.start..rest[length - 1].end()].trim_end();
        match out.last_mut().filter(|last| last.kind == Kind::Paragraph) {
            // A term stays with its definition.
            Some(term) if first.text.starts_with(": ") => {
                text::join(text, &mut term.text, "\n", own);
                term.kind = Kind::List;
            }
            _ => out.push(Block {
                kind,
                text: Cow::Borrowed(own),
            }),
        }
        at += length;
    }
    out
}

fn is_blank(line: &str) -> bool {
    !matches!(line.as_bytes().first(), Some(b'!'..=b'~')) && line.trim().is_empty()
}

/// The first line and those directly after it that belong to it.
fn run_length(lines: &[Line<'_>], belongs: impl Fn(&str) -> bool) -> usize {
    1 + lines[1..].iter().take_while(|line| belongs(line.text)).count()
}

fn continues_paragraph(line: &str) -> bool {
    !(is_blank(line) || line.starts_with('|') || fence_after(None, line).is_some() || is_item(line))
}

fn code_length(lines: &[Line<'_>]) -> usize {
    let mut open = fence_after(None, lines[0].text);
    let closing = lines[1..].iter().position(|line| {
        open = fence_after(open, line.text);
        open.is_none()
    });
    closing.map_or(lines.len(), |at| at + 2)
}

/// A list goes on over blank lines while what follows is indented or another item of the same sort.
fn list_length(lines: &[Line<'_>]) -> usize {
    let definition = lines[0].text.starts_with(": ");
    let mut length = 1;
    let mut fence = None;
    for (at, line) in lines.iter().enumerate().skip(1) {
        let inside = fence.is_some();
        fence = fence_after(fence, line.text);
        if is_blank(line.text) {
            continue;
        }
        let same_sort = is_item(line.text) && line.text.starts_with(": ") == definition;
        if !inside && !same_sort && !line.text.starts_with("  ") {
            break;
        }
        length = at + 1;
    }
    length
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
