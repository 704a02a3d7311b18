//! Reads Markdown into sections and blocks, as slices of it. Knows the Markdown that [`crate::page`] writes, and takes any
//! other text as paragraphs.
//!
//! Most lines are told apart by their first byte; only what begins like a mark is looked at further.

use std::{borrow::Cow, rc::Rc};

use super::text;

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
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain(Some(text.len()).filter(|_| !text.ends_with('\n')));
    ends.map(move |end| {
        let line = Line {
            text: &text[start..end],
            start,
        };
        start = end + 1;
        line
    })
}

/// What takes a section: its path, and its blocks.
type Take<'f, 't> = dyn FnMut(Rc<[&'t str]>, &mut Vec<Block<'t>>) + 'f;

/// Gives the sections in order: the title and the headings around each, outermost first and its own last, and its own text's
/// blocks, up to the next heading of any level. A heading without text of its own is left out when deeper headings follow, whose
/// paths name it.
pub(super) fn sections<'t>(markdown: &'t str, title: &'t str, take: &mut Take<'_, 't>) {
    let mut outline = Outline {
        title,
        lower_title: title.to_lowercase(),
        titled: false,
        headings: Vec::new(),
    };
    let (mut own, mut found) = (Vec::new(), Vec::new());
    let mut fence = None;
    for line in lines(markdown) {
        fence = fence_after(fence, line.text);
        let Some((level, heading)) = heading(line.text).filter(|_| fence.is_none()) else {
            own.push(line);
            continue;
        };
        blocks(markdown, &own, &mut found);
        own.clear();
        if !found.is_empty() || outline.ends_at(level) {
            take(outline.path(), &mut found);
            found.clear();
        }
        outline.enter(level, heading);
    }
    blocks(markdown, &own, &mut found);
    if !found.is_empty() || !outline.headings.is_empty() {
        take(outline.path(), &mut found);
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
    fn path(&self) -> Rc<[&'t str]> {
        let title = Some(self.title).filter(|title| !title.is_empty() && !self.titled);
        title
            .into_iter()
            .chain(self.headings.iter().map(|(_, heading)| *heading))
            .collect()
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

/// Adds the blocks of lines without headings to none.
pub(super) fn blocks<'t>(text: &'t str, lines: &[Line<'t>], out: &mut Vec<Block<'t>>) {
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
