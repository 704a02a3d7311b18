//! Finds the main content: marks what is hidden or furniture as dead, then chooses the subtree that holds the rest.
//!
//! Measured against a labelled set of pages (the example `predict` writes predictions for the scorer); each rule is
//! general, and thresholds are shares of the page's own text.

use ::url::Url;

use super::{
    dom::{Data, Dom, Id},
    patterns::{self, COMMENTS, CONTROLS, ELSEWHERE, FORUM, FURNITURE, OPINIONS, REMARKS},
};

/// The main content of a page.
#[derive(Debug)]
pub(super) struct Content {
    /// The subtree that holds the content.
    pub root: Id,
    /// Nodes that do not belong to it, by id; descendants of a dead node are dead whatever their own entry says.
    pub dead: Vec<bool>,
}

/// What is below a node.
#[derive(Debug, Clone, Copy, Default)]
struct Stat {
    /// Length of the words, in bytes plus one a word.
    text: usize,
    /// The part of it inside links.
    link: usize,
    h1: bool,
    main: bool,
}

/// Chooses the main content of a page.
pub(super) fn main(dom: &Dom, url: &Url) -> Content {
    let body = dom.elements(0, "body").next().unwrap_or(0);
    let mut dead = vec![false; dom.nodes.len()];
    let all = stats(dom, &dead);
    let forum = is_forum(dom, url);
    let mut id = body + 1;
    while id < dom.nodes[body].end {
        if is_furniture(dom, id, body, &all, forum) {
            dead[id] = true;
            id = dom.nodes[id].end;
        } else {
            id += 1;
        }
    }
    drop_sections_elsewhere(dom, body, &mut dead, forum);
    let left = stats(dom, &dead);
    Content {
        root: root(dom, body, &left),
        dead,
    }
}

/// Drops what stands under a heading that leads elsewhere.
fn drop_sections_elsewhere(dom: &Dom, body: Id, dead: &mut [bool], forum: bool) {
    let stats = stats(dom, dead);
    let mut id = body + 1;
    while id < dom.nodes[body].end {
        if dead[id] {
            id = dom.nodes[id].end;
            continue;
        }
        if let Some(level) = heading_level(dom.name(id)).filter(|level| *level > 1) {
            let text = dom.text(id);
            let elsewhere = text.len() < 80
                && (patterns::matches(&ELSEWHERE, &text) || (!forum && patterns::matches(&OPINIONS, &text)));
            if elsewhere {
                drop_section(dom, id, level, body, &stats, dead);
            }
        }
        id += 1;
    }
}

fn heading_level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}

/// Drops the section of a heading: the largest block that begins with it and holds no other heading of its rank, or,
/// in a flat document, what follows up to the next such heading.
fn drop_section(dom: &Dom, heading: Id, level: u8, body: Id, stats: &[Stat], dead: &mut [bool]) {
    let total = stats[body].text;
    let ranks = |id: Id| heading_level(dom.name(id)).is_some_and(|other| other <= level);
    let mut top = heading;
    for up in dom.ancestors(heading) {
        let before =
            (up + 1..top).any(|id| dom.text_of(id).is_some_and(|text| !text.trim().is_empty()) && stats[id].text > 0);
        let alone = dom
            .descendants(up)
            .all(|id| id == heading || !ranks(id) || stats[id].text == 0);
        if up == body || before || !alone || stats[up].h1 || stats[up].main || stats[up].text * 2 > total {
            break;
        }
        top = up;
    }
    dead[top] = true;
    if stats[top].text > stats[heading].text {
        return;
    }
    let mut next = dom.nodes[top].end;
    let parent_end = dom.nodes[dom.nodes[top].parent].end;
    let mut dropped = 0;
    while next < parent_end {
        let has_rank = ranks(next) || dom.descendants(next).any(|id| ranks(id) && stats[id].text > 0);
        dropped += stats[next].text;
        if has_rank || dropped * 2 > total {
            break;
        }
        dead[next] = true;
        next = dom.nodes[next].end;
    }
}

fn is_forum(dom: &Dom, url: &Url) -> bool {
    patterns::matches(&FORUM, url.as_str())
        || dom.elements(0, "script").any(|id| {
            let text = dom
                .children(id)
                .find_map(|child| dom.text_of(child))
                .unwrap_or_default();
            text.contains("\"DiscussionForumPosting\"") || text.contains("\"QAPage\"")
        })
}

fn stats(dom: &Dom, dead: &[bool]) -> Vec<Stat> {
    let mut out = vec![Stat::default(); dom.nodes.len()];
    for id in (0..dom.nodes.len()).rev() {
        let mut own = out[id];
        match &dom.nodes[id].data {
            Data::Text(text) => own.text = text.split_whitespace().map(|word| word.len() + 1).sum(),
            Data::Element { name, .. } => match name.as_str() {
                "script" | "style" | "template" => own = Stat::default(),
                "a" => own.link = own.text,
                "h1" => own.h1 = true,
                "main" => own.main = true,
                _ => {}
            },
        }
        if dead[id] {
            own = Stat::default();
        }
        out[id] = own;
        if id > 0 {
            let up = &mut out[dom.nodes[id].parent];
            up.text += own.text;
            up.link += own.link;
            up.h1 |= own.h1;
            up.main |= own.main;
        }
    }
    out
}

/// Elements that are never content.
const NEVER: &[&str] = &[
    "script", "style", "template", "svg", "iframe", "nav", "footer", "aside", "select", "option", "input", "textarea",
    "canvas", "video", "audio", "object", "embed", "dialog",
];
const ROLES: &[&str] = &[
    "navigation",
    "banner",
    "contentinfo",
    "complementary",
    "dialog",
    "alertdialog",
    "search",
    "menu",
    "menubar",
];

fn is_furniture(dom: &Dom, id: Id, body: Id, stats: &[Stat], forum: bool) -> bool {
    let name = dom.name(id);
    let stat = stats[id];
    let total = stats[body].text;
    if name.is_empty() {
        return false;
    }
    if NEVER.contains(&name) {
        return true;
    }
    if matches!(name, "button" | "label") {
        return !is_speaking(dom, id, stat);
    }
    if name == "noscript" {
        // Some applications put the whole page there for readers without scripts.
        return stat.text < 400 || stat.text * 2 < total;
    }
    if matches!(name, "main" | "article" | "h1") {
        return false;
    }
    // A page that shows itself by script may carry most of its text in a hidden element.
    if is_hidden(dom, id) && stat.text * 10 < total * 4 {
        return true;
    }
    if dom.attribute(id, "role").is_some_and(|role| ROLES.contains(&role)) {
        return true;
    }
    if name == "header" && !stat.h1 {
        return true;
    }
    let container = matches!(
        name,
        "div" | "section" | "ul" | "ol" | "p" | "span" | "header" | "form" | "table" | "a" | "li"
    );
    if !container || stat.h1 || stat.main {
        return false;
    }
    let class = dom.attribute(id, "class").unwrap_or_default();
    let anchor = dom.attribute(id, "id").unwrap_or_default();
    let own = if class.is_empty() && is_anchor_of_heading(dom, id, anchor) {
        ""
    } else {
        anchor
    };
    let label = format!("{class} {own}");
    if !forum && patterns::names(&COMMENTS, &label) {
        return stat.text * 10 <= total * 9;
    }
    if forum && patterns::names(&REMARKS, &label) && is_question_page(dom) {
        return stat.text * 10 <= total * 4;
    }
    if patterns::names(&CONTROLS, &label) && stat.text * 10 <= total * 4 && !has_prose(dom, id) {
        return true;
    }
    patterns::names(&FURNITURE, &label) && stat.text * 10 <= total * 4
}

/// Whether the name of a section is only made from its heading, as documentation generators do: "how-do-i-share-a-variable"
/// says what the section is about and not that it is a row of share buttons.
fn is_anchor_of_heading(dom: &Dom, id: Id, anchor: &str) -> bool {
    let is_heading = |it: &Id| matches!(dom.name(*it), "h1" | "h2" | "h3" | "h4" | "h5" | "h6");
    // Generators put empty elements before the heading, as targets of an index.
    let first = dom.children(id).find(|it| !dom.text(*it).trim().is_empty());
    let words = |text: &str| -> Vec<String> {
        let parts = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|part| !part.is_empty());
        parts.map(str::to_lowercase).collect()
    };
    first.filter(is_heading).is_some_and(|heading| {
        let heading = words(&dom.text(heading));
        !anchor.is_empty() && words(anchor).iter().all(|word| heading.contains(word))
    })
}

/// Whether anything below is long enough to be a sentence of the text rather than a caption.
fn has_prose(dom: &Dom, id: Id) -> bool {
    dom.descendants(id)
        .any(|it| dom.text_of(it).is_some_and(|text| text.trim().len() > 100))
}

/// A page of one question and its answers (schema.org `QAPage`), where remarks are not answers.
fn is_question_page(dom: &Dom) -> bool {
    dom.descendants(0).take(200).any(|id| {
        dom.attribute(id, "itemtype")
            .is_some_and(|kind| kind.ends_with("/QAPage"))
    })
}

/// A button or label that is part of the text: the question of an accordion, a heading that opens its section.
fn is_speaking(dom: &Dom, id: Id, stat: Stat) -> bool {
    dom.ancestors(id)
        .take(3)
        .any(|up| heading_level(dom.name(up)).is_some())
        || dom.descendants(id).any(|it| heading_level(dom.name(it)).is_some())
        || stat.text > 80
        || dom.text(id).ends_with('?') && stat.text > 12
}

/// Hidden from every reader by the element's own attributes.
pub(super) fn is_hidden(dom: &Dom, id: Id) -> bool {
    if dom.attribute(id, "hidden").is_some() || dom.attribute(id, "aria-hidden") == Some("true") {
        return true;
    }
    let Some(style) = dom.attribute(id, "style") else {
        return false;
    };
    let style: String = style
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect::<String>()
        .to_ascii_lowercase();
    [
        "display:none",
        "visibility:hidden",
        "left:-999",
        "top:-999",
        "text-indent:-999",
        "font-size:0;",
        "clip:rect(0",
    ]
    .iter()
    .any(|sign| style.contains(sign))
}

fn root(dom: &Dom, body: Id, stats: &[Stat]) -> Id {
    let labelled = |id: Id| matches!(dom.attribute(id, "id"), Some("main" | "content" | "main-content"));
    let kinds: [&dyn Fn(Id) -> bool; 3] = [
        &|id| dom.name(id) == "main",
        &|id| dom.attribute(id, "role") == Some("main"),
        &labelled,
    ];
    for kind in kinds {
        let largest = dom
            .descendants(body)
            .filter(|id| kind(*id))
            .max_by_key(|id| stats[*id].text);
        if let Some(id) = largest.filter(|id| stats[*id].text * 100 > stats[body].text * 35) {
            return id;
        }
    }
    body
}
