//! Reads Markdown into sections and blocks. Knows the Markdown that [`crate::page`] writes, and takes any other text
//! as paragraphs.

/// A heading's own text, up to the next heading of any level.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// The title and the headings around, outermost first, the section's own last.
    pub path: Vec<String>,
    pub blocks: Vec<Block>,
}

/// A piece of a section that belongs together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    Paragraph(String),
    /// A list or a definition with all that is indented under it.
    List(String),
    /// With its fences.
    Code(String),
    /// With its header row and delimiter row.
    Table(String),
}

impl Block {
    pub fn text(&self) -> &str {
        let (Self::Paragraph(text) | Self::List(text) | Self::Code(text) | Self::Table(text)) = self;
        text
    }
}

/// The sections in order. A heading without text of its own is left out when deeper headings follow, whose paths name it.
pub(super) fn sections(markdown: &str, title: &str) -> Vec<Section> {
    let mut stack: Vec<(usize, String)> = Vec::new();
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let path = |stack: &[(usize, String)]| {
        let headings = stack.iter().map(|(_, heading)| heading.clone());
        let same = |heading: &String| heading.to_lowercase() == title.to_lowercase();
        let titled = !title.is_empty() && !stack.first().is_some_and(|(_, heading)| same(heading));
        titled
            .then(|| title.clone())
            .into_iter()
            .chain(headings)
            .collect::<Vec<_>>()
    };
    let mut out = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in markdown.lines() {
        fence = fence_after(fence, line);
        let Some((level, heading)) = heading(line).filter(|_| fence.is_none()) else {
            lines.push(line);
            continue;
        };
        let blocks = blocks(&std::mem::take(&mut lines));
        let deeper = stack.last().is_some_and(|(own, _)| level > *own);
        if !blocks.is_empty() || !(stack.is_empty() || deeper) {
            out.push(Section {
                path: path(&stack),
                blocks,
            });
        }
        stack.retain(|(own, _)| *own < level);
        stack.push((level, heading.to_owned()));
    }
    let blocks = blocks(&lines);
    if !blocks.is_empty() || !stack.is_empty() {
        out.push(Section {
            path: path(&stack),
            blocks,
        });
    }
    out
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let text = line[level..].strip_prefix(' ')?.trim();
    ((1..=6).contains(&level) && !text.is_empty()).then_some((level, text))
}

/// The fence that is open after a line.
fn fence_after<'a>(open: Option<&'a str>, line: &str) -> Option<&'a str> {
    let line = line.trim_start_matches([' ', '>']);
    let mark = ["```", "~~~~"].into_iter().find(|mark| line.starts_with(mark));
    match (open, mark) {
        (None, mark) => mark,
        (Some(open), Some(mark)) if open == mark && line.trim_end() == mark => None,
        (open, _) => open,
    }
}

/// The blocks of lines without headings.
pub(super) fn blocks(lines: &[&str]) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if line.trim().is_empty() {
            at += 1;
            continue;
        }
        let (end, make): (usize, fn(String) -> Block) = if fence_after(None, line).is_some() {
            (code_end(lines, at), Block::Code)
        } else if line.starts_with('|') {
            (run(lines, at, |line| line.starts_with('|')), Block::Table)
        } else if is_item(line) {
            (list_end(lines, at), Block::List)
        } else {
            (paragraph_end(lines, at), Block::Paragraph)
        };
        let text = lines[at..end].join("\n").trim_end().to_owned();
        match (out.last_mut(), line.starts_with(": ")) {
            // A term stays with its definition.
            (Some(Block::Paragraph(term)), true) => {
                let whole = format!("{term}\n{text}");
                out.pop();
                out.push(Block::List(whole));
            }
            _ => out.push(make(text)),
        }
        at = end;
    }
    out
}

fn run(lines: &[&str], start: usize, belongs: impl Fn(&str) -> bool) -> usize {
    start + lines[start..].iter().take_while(|line| belongs(line)).count().max(1)
}

fn code_end(lines: &[&str], start: usize) -> usize {
    let mut open = None;
    for (offset, line) in lines[start..].iter().enumerate() {
        open = fence_after(open, line);
        if open.is_none() && offset > 0 {
            return start + offset + 1;
        }
    }
    lines.len()
}

fn paragraph_end(lines: &[&str], start: usize) -> usize {
    let ends = |line: &&str| {
        line.trim().is_empty() || line.starts_with('|') || fence_after(None, line).is_some() || is_item(line)
    };
    start + 1 + lines[start + 1..].iter().take_while(|line| !ends(line)).count()
}

/// A list goes on over blank lines while what follows is indented or another item of the same sort.
fn list_end(lines: &[&str], start: usize) -> usize {
    let definition = lines[start].starts_with(": ");
    let mut end = start + 1;
    let mut fence = None;
    for (offset, line) in lines[start + 1..].iter().enumerate() {
        let inside = fence.is_some();
        fence = fence_after(fence, line);
        if line.trim().is_empty() {
            continue;
        }
        let continues = line.starts_with("  ") || (is_item(line) && line.starts_with(": ") == definition);
        if !continues && !inside {
            break;
        }
        end = start + 1 + offset + 1;
    }
    end
}

/// Whether a line begins a list item or a definition at the margin.
pub(super) fn is_item(line: &str) -> bool {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    line.starts_with("- ") || line.starts_with(": ") || ((1..=9).contains(&digits) && line[digits..].starts_with(". "))
}
