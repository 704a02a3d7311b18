//! Finds the main content: marks what is hidden or furniture as dead, then chooses the subtree that holds the rest.
//!
//! The order: [`hidden`] takes what no reader sees; [`furniture`] what names itself; [`sections`] what stands under a
//! heading that leads elsewhere; [`lines`] single controls and notices. Each works on what the one before has left.
//! Measured against a labelled set of pages (`omniops eval extraction` writes predictions for the scorer); each rule is
//! general, and thresholds are shares of the page's own text.

mod furniture;
mod hidden;
mod lines;
mod sections;
mod stats;
mod style;

use ::url::Url;

use super::{
    dom::{Dom, Id},
    patterns::{self, FORUM, FORUM_ITEMS, Naming},
};
use stats::{Stat, sizes, stats};

/// The main content of a page.
#[derive(Debug)]
pub(super) struct Content {
    /// The subtree that holds the content.
    pub root: Id,
    /// Nodes that do not belong to it, by id; descendants of a dead node are dead whatever their own entry says.
    pub dead: Vec<bool>,
    /// Hardly anything but links.
    pub navigational: bool,
}

/// Chooses the main content of a page.
pub(super) fn main(dom: &Dom, url: &Url) -> Content {
    let body = dom.elements(0, "body").next().unwrap_or(0);
    let sizes = sizes(dom);
    let mut dead = unseen(dom, body, &sizes);
    let shown = stats(dom, &sizes, &dead);
    let forum = is_forum(dom, url);
    let mut judge = furniture::Judge {
        dom,
        body,
        stats: &shown,
        forum,
        naming: Naming,
    };
    let mut id = body + 1;
    while id < dom.nodes[body].end {
        dead[id] = dead[id] || judge.is_furniture(id);
        id = if dead[id] { dom.nodes[id].end } else { id + 1 };
    }
    sections::drop_elsewhere(dom, body, &sizes, &mut dead, forum);
    lines::drop_lines(dom, body, &sizes, &mut dead, is_policy(url));
    let left = stats(dom, &sizes, &dead);
    let root = root(dom, body, &left);
    let navigational = is_navigational(left[root], || leading(dom, root, &dead, &left));
    Content {
        root,
        dead,
        navigational,
    }
}

/// What is hidden, but for what a script is to show: an element that carries most of the page's text. And what its author does
/// not want to be quoted, however much that is
/// (<https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag#data-nosnippet-attr>).
fn unseen(dom: &Dom, body: Id, sizes: &[usize]) -> Vec<bool> {
    let all = stats(dom, sizes, &vec![false; dom.nodes.len()]);
    let mut hidden = hidden::hidden(dom, body, |id| all[id].text);
    for id in dom.descendants(body) {
        hidden[id] &= all[id].text * 10 < all[body].text * 4;
        hidden[id] |= dom.attribute(id, "data-nosnippet").is_some();
    }
    hidden
}

/// Whether nearly all of the text is in links and next to none in sentences: an index, a table of contents, a site map.
fn is_navigational(stat: Stat, leading: impl FnOnce() -> usize) -> bool {
    const MIN_TEXT: usize = 200;
    let mostly = |link: usize| link * 10 >= stat.text * 7;
    stat.text >= MIN_TEXT && mostly(stat.link) && stat.prose * 10 <= stat.text && mostly(leading())
}

/// The text of links that only lead on. A card that is a link as a whole says something itself (an address, hours, a price), and so does
/// a link to write or to call by.
fn leading(dom: &Dom, root: Id, dead: &[bool], left: &[Stat]) -> usize {
    const CARD: usize = 60;
    let (mut sum, mut id) = (0, root);
    while id < dom.nodes[root].end {
        if dead[id] {
            id = dom.nodes[id].end;
        } else if dom.name(id) == "a" {
            let href = dom.attribute(id, "href").unwrap_or_default().trim();
            let reaches = ["mailto:", "tel:", "sms:"]
                .iter()
                .any(|scheme| href.starts_with(scheme));
            let card = left[id].text >= CARD && dom.text(id).bytes().any(|byte| byte.is_ascii_digit());
            sum += if reaches || card { 0 } else { left[id].text };
            id = dom.nodes[id].end;
        } else {
            id += 1;
        }
    }
    sum
}

fn is_forum(dom: &Dom, url: &Url) -> bool {
    patterns::matches(&FORUM, url.as_str())
        || dom.elements(0, "script").any(|id| {
            let text = dom
                .children(id)
                .find_map(|child| dom.text_of(child))
                .unwrap_or_default();
            FORUM_ITEMS.iter().any(|item| text.contains(item))
        })
}

/// A page about cookies, consent and the like, by its address.
fn is_policy(url: &Url) -> bool {
    let address = url.as_str().to_ascii_lowercase();
    ["cookie", "privacy", "gdpr", "legal", "terms"]
        .iter()
        .any(|word| address.contains(word))
}

/// The largest `main` (or what is labelled as such) if it holds most of the text; else the body.
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
        let holds =
            |id: &Id| stats[*id].text * 100 > stats[body].text * 35 && stats[*id].prose * 2 >= stats[body].prose;
        if let Some(id) = largest.filter(holds) {
            return id;
        }
    }
    body
}

/// Level of a heading element.
fn heading_level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}
