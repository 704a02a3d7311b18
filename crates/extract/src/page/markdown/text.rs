//! Text on its way into Markdown: white space, characters that draw nothing, what would read as structure.

use super::{super::space::runs, Dom, Id};

/// Appends text with white space collapsed to single spaces.
pub(super) fn push_collapsed(out: &mut String, text: &str) {
    let at_break = |out: &String| out.is_empty() || out.ends_with([' ', '\n']);
    if text.starts_with(char::is_whitespace) && !at_break(out) {
        out.push(' ');
    }
    let mut first = true;
    for run in runs(text) {
        if !first {
            out.push(' ');
        }
        if run.is_ascii() {
            out.push_str(run);
        } else {
            out.extend(run.split(draws_nothing));
        }
        first = false;
    }
    if !first && text.ends_with(char::is_whitespace) {
        out.push(' ');
    }
}

/// Characters without a glyph that carry no meaning between letters, among them those that smuggle text past a reader:
/// the tag block of Unicode and overrides of direction. Joiners stay; scripts and emoji need them.
fn draws_nothing(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Text that would read as Markdown structure at the start of a line.
pub(super) fn escaped(line: &str) -> String {
    let structural = line.starts_with('|')
        || line.starts_with("```")
        || line.starts_with("~~~~")
        || line.trim_start_matches('#').starts_with(' ') && line.starts_with('#');
    if structural {
        format!("\\{line}")
    } else {
        line.to_owned()
    }
}

/// The sign that documentation tools put behind a heading to link to it.
pub(super) fn is_permalink(dom: &Dom, id: Id) -> bool {
    const LONGEST: usize = 4;
    has_class(
        dom,
        id,
        &[
            "headerlink",
            "header-anchor",
            "anchorjs-link",
            "hash-link",
            "anchor-link",
        ],
    ) || matches!(
        dom.text_within(id, LONGEST).as_deref(),
        Some("¶" | "#" | "§" | "🔗" | "\u{f0c1}")
    )
}

pub(super) fn has_class(dom: &Dom, id: Id, classes: &[&str]) -> bool {
    dom.attribute(id, "class")
        .is_some_and(|own| own.split_ascii_whitespace().any(|class| classes.contains(&class)))
}
