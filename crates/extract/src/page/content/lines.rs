//! Single lines among the content that are controls ("Add to cart", "Read more") or notices (cookies, scripts, consent)
//! and carry no name that says so.

use super::{
    super::{
        dom::{Dom, Id},
        patterns::{self, CONTROL_LINE, NOTICE, SHORT_NOTICE, STATUS},
    },
    heading_level,
    stats::{Stat, stats},
};

/// Longest control, longest notice, and longest one that might be the beginning of an explanation, in bytes of words.
const MAX_CONTROL: usize = 60;
const MAX_NOTICE: usize = 600;
const MAX_SHORT_NOTICE: usize = 200;
/// Shortest notice.
const MIN_NOTICE: usize = 13;

/// Elements whose text is left alone: in them the same words may be the subject.
fn is_exempt(name: &str) -> bool {
    heading_level(name).is_some()
        || matches!(
            name,
            "pre" | "code" | "table" | "dt" | "figcaption" | "summary" | "blockquote"
        )
}

/// Marks the lines as dead. `policy` says that the page is about cookies and consent, which are then no notices.
pub(super) fn drop_lines(dom: &Dom, body: Id, sizes: &[usize], dead: &mut [bool], policy: bool) {
    let stats = stats(dom, sizes, dead);
    let around = Around::of(dom, sizes, &stats);
    let mut id = body + 1;
    while id < dom.nodes[body].end {
        let name = dom.name(id);
        let line = !dead[id] && !is_exempt(name) && is_line(dom, id, &stats, &around);
        dead[id] |= line && {
            let text = dom.text(id);
            // A single word is a control only where it can be pressed.
            let pressed =
                stats[id].link == stats[id].text || dom.elements(id, "button").next().is_some() || name == "button";
            stats[id].text <= MAX_CONTROL && (pressed || text.contains(' ')) && patterns::matches(&CONTROL_LINE, &text)
                || !policy && stats[id].text >= MIN_NOTICE && is_notice(dom, id, &text, &stats)
        };
        id = if dead[id] || is_exempt(name) {
            dom.nodes[id].end
        } else {
            id + 1
        };
    }
}

fn is_notice(dom: &Dom, id: Id, text: &str, stats: &[Stat]) -> bool {
    patterns::matches(&NOTICE, text)
        || stats[id].text <= MAX_SHORT_NOTICE
            && (patterns::matches(&SHORT_NOTICE, text)
                || patterns::matches(&STATUS, text) && is_place_of_messages(dom, id, stats))
}

/// Where forms and scripts speak: in a form, in what is announced as a message, or apart from all sentences and from the main part.
fn is_place_of_messages(dom: &Dom, id: Id, stats: &[Stat]) -> bool {
    let is_message = |it: Id| {
        dom.name(it) == "form"
            || matches!(dom.attribute(it, "role"), Some("alert" | "status"))
            || dom.attribute(it, "aria-live").is_some_and(|live| live != "off")
    };
    let is_main = |it: Id| matches!(dom.name(it), "main" | "article") || dom.attribute(it, "role") == Some("main");
    let around = || dom.ancestors(id);
    is_message(id)
        || around().any(is_message)
        || stats[dom.nodes[id].parent].prose <= stats[id].prose && !around().any(is_main)
}

/// What the lines of a page ask of their surroundings, counted once for all of them.
struct Around {
    /// Whether a node has text of its own, beside elements.
    speaks: Vec<bool>,
    /// How many parts with text stand before a node: headings, tables, articles and the like.
    parts: Vec<usize>,
}

impl Around {
    fn of(dom: &Dom, sizes: &[usize], stats: &[Stat]) -> Self {
        let mut speaks = vec![false; dom.nodes.len()];
        let mut parts = Vec::with_capacity(dom.nodes.len() + 1);
        let mut count = 0;
        for (id, node) in dom.nodes.iter().enumerate() {
            speaks[node.parent] |= sizes[id] > 0;
            parts.push(count);
            let name = dom.name(id);
            let is_part = stats[id].text > 0 && (is_exempt(name) && name != "code" || name == "article");
            count += usize::from(is_part);
        }
        parts.push(count);
        Self { speaks, parts }
    }

    fn has_parts(&self, dom: &Dom, id: Id) -> bool {
        self.parts[dom.nodes[id].end] > self.parts[id + 1]
    }
}

/// Whether an element is a line of its own rather than a phrase in a sentence or a part of the page.
fn is_line(dom: &Dom, id: Id, stats: &[Stat], around: &Around) -> bool {
    let boxed = matches!(dom.name(id), "p" | "div" | "li" | "section" | "ul" | "form" | "dd");
    let inline = matches!(
        dom.name(id),
        "span" | "a" | "button" | "label" | "small" | "strong" | "em" | "b" | "i" | "legend" | "cite"
    );
    if !(boxed || inline) || !(1..=MAX_NOTICE).contains(&stats[id].text) {
        return false;
    }
    let parent = dom.nodes[id].parent;
    let alone = dom.name(parent) != "p" || stats[parent].text == stats[id].text;
    let own = boxed || alone && !around.speaks[parent];
    own && !around.has_parts(dom, id)
}
