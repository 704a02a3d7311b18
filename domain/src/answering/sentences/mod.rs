//! Splits Markdown into the pieces that an extractive answer is made of: sentences, items of lists, rows of tables, code.
//!
//! What belongs together has one group: the steps of a list, the rows of a table. A row stands on its own as a line that names its
//! columns, since the widget shows no tables. What is no answer to anything (lists of links, captions, "see also") is left out.

mod aside;
mod blocks;
mod ends;
mod rows;

pub use aside::leads_away;
use aside::{is_aside, is_caption, is_label, without_notes};
use blocks::{blocks, flat, items, list};
pub use ends::sentences;
pub use rows::rows;

/// What a piece is, and so how much of its group must stay with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of a paragraph.
    Sentence,
    /// Of a numbered list: half a procedure is worse than none.
    Step,
    /// Of a list in which each item says something by itself.
    Item,
    /// Of a table.
    Row,
    /// A fenced block.
    Code,
}

/// A piece of a passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The text as it is shown.
    pub text: String,
    /// The heading that it stands under within the passage.
    pub heading: Option<String>,
    /// Whether it begins a paragraph.
    pub starts_paragraph: bool,
    /// Whether it makes no sense without the piece before it, whatever its words: further sentences of a definition.
    pub continues: bool,
    /// What it is.
    pub kind: Kind,
    /// Its block's number in the text.
    pub group: usize,
}

/// The pieces of `markdown` in order.
pub fn pieces(markdown: &str) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    let mut heading: Option<String> = None;
    for (group, block) in blocks(markdown).into_iter().enumerate() {
        let line = block.trim_start();
        if line.starts_with('#') {
            heading = Some(line.trim_start_matches('#').trim().to_owned());
            continue;
        }
        if heading.as_deref().is_some_and(leads_away) {
            continue;
        }
        let defines = block.lines().skip(1).any(|line| line.starts_with(": "));
        let announced = out.last().is_some_and(|before| before.text.ends_with(':'));
        let (kind, texts) = if line.starts_with("```") {
            (Kind::Code, vec![block])
        } else if line.starts_with('|') {
            let rows = rows(&block);
            // The caption above a table tells nothing more than its columns do.
            if out.last().is_some_and(|before| {
                before.kind == Kind::Sentence && before.starts_paragraph && is_caption(&before.text)
            }) {
                out.pop();
            }
            // A table of one short row that names no columns arranges links.
            if rows.len() < 2
                && !announced
                && rows
                    .iter()
                    .all(|row| row.split_whitespace().count() < 15 && !row.contains(": "))
            {
                continue;
            }
            (Kind::Row, rows)
        } else if let Some(numbered) = list(&block) {
            let items: Vec<String> = items(&block).iter().map(|item| without_notes(item)).collect();
            if !numbered && !announced && items.iter().all(|item| is_label(item)) {
                continue;
            }
            (if numbered { Kind::Step } else { Kind::Item }, items)
        } else if is_aside(line) {
            continue;
        } else {
            (Kind::Sentence, sentences(&without_notes(&flat(&block))))
        };
        out.extend(texts.into_iter().enumerate().map(|(n, text)| Piece {
            text,
            heading: heading.clone(),
            starts_paragraph: n == 0,
            continues: n > 0 && defines,
            kind,
            group,
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn texts(markdown: &str) -> Vec<String> {
        pieces(markdown).into_iter().map(|p| p.text).collect()
    }

    #[test]
    fn a_heading_goes_with_what_stands_under_it() {
        let pieces = pieces("Intro.\n\n## Opening hours\nSaturday: 10 to 15.");
        assert_eq!(
            (pieces[0].heading.as_deref(), pieces[0].text.as_str()),
            (None, "Intro.")
        );
        assert_eq!(
            (pieces[1].heading.as_deref(), pieces[1].text.as_str()),
            (Some("Opening hours"), "Saturday: 10 to 15.")
        );
        assert_eq!(pieces.len(), 2);
    }
}
