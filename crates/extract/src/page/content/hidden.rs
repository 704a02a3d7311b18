//! Text that no reader of the page sees: hidden by attributes, by inline styles, or by the plain rules of the page's own
//! `<style>` elements. What a search engine would call cloaking and an attacker uses to speak to the model alone.
//!
//! Neighbours: [`super::style`] reads declarations and rules. External style sheets are not fetched, so white text on a
//! dark picture and invisible text look the same without a background of their own: colours are only compared where
//! both are known. Panels that a visible control of the page opens (tabs, accordions) are not hidden text.

use std::{cell::OnceCell, collections::HashSet};

use super::{
    super::{
        dom::{Data, Dom, Id},
        patterns::{self, ENTRANCE, PANEL},
    },
    heading_level,
    style::{Colour, Look, Sheet, look},
};

/// Shortest text, in bytes, that is a sentence.
const SENTENCE: usize = 60;

/// Elements hidden with all that is in them, by id. `texts` has the length of the text below each node: where a third of the page is
/// transparent it is a page that fades in as one scrolls, and being transparent hides nothing.
pub(super) fn hidden(dom: &Dom, body: Id, texts: impl Fn(Id) -> usize) -> Vec<bool> {
    let sheet = Sheet::of(dom);
    let (hidden, faded) = hidden_by(dom, body, &sheet, true);
    let share: usize = faded.into_iter().map(&texts).sum();
    if share * 3 > texts(body) {
        return hidden_by(dom, body, &sheet, false).0;
    }
    hidden
}

/// Hidden elements, and those among them that are only transparent; these count when `fading` does.
fn hidden_by(dom: &Dom, body: Id, sheet: &Sheet, fading: bool) -> (Vec<bool>, Vec<Id>) {
    let mut faded = Vec::new();
    let opened = opened(dom);
    let bare = !dom.elements(0, "link").any(|id| {
        dom.attribute(id, "rel")
            .is_some_and(|rel| rel.to_ascii_lowercase().contains("stylesheet"))
    });
    let mut out = vec![false; dom.nodes.len()];
    let painters = OnceCell::new();
    // Background and colour as far as they are known, by depth of the open elements.
    let mut open: Vec<(Id, Painted)> = vec![(
        0,
        Painted {
            back: bare.then_some(Colour::WHITE),
            text: None,
        },
    )];
    let mut id = body;
    while id < dom.nodes[body].end {
        while open.len() > 1 && open.last().is_some_and(|(up, _)| dom.nodes[*up].end <= id) {
            open.pop();
        }
        let Data::Element { name, .. } = &dom.nodes[id].data else {
            id += 1;
            continue;
        };
        let look = sheet.look(dom, id);
        let around = open.last().map_or(Painted::default(), |(_, painted)| *painted);
        let painted = Painted {
            back: if look.pictured { None } else { look.back.or(around.back) },
            text: look.text.or(around.text),
        };
        // The colour has to be the element's own or meet a background of its own: what is inherited was judged above.
        let own = look.text.is_some() || look.back.is_some();
        let blank = own && painted.is_blank() && !matches!(&**name, "body" | "html");
        let gone = is_hidden(dom, id, &look, &opened) || blank && !repaints(dom, id, sheet, &painters);
        if id != body && (gone || fading && look.faded && !comes_into_view(dom, id)) {
            if !gone {
                faded.push(id);
            }
            out[id] = true;
            id = dom.nodes[id].end;
            continue;
        }
        open.push((id, painted));
        id += 1;
    }
    (out, faded)
}

/// A part of the page that a script shows as one scrolls to it: its class says so, the page's rules hide it and not its own style, and it
/// says something.
fn comes_into_view(dom: &Dom, id: Id) -> bool {
    let named = dom.attribute(id, "data-aos").is_some()
        || patterns::matches(&ENTRANCE, dom.attribute(id, "class").unwrap_or_default());
    named
        && !dom.attribute(id, "style").is_some_and(|style| look(style).faded)
        && dom.descendants(id).any(|it| {
            heading_level(dom.name(it)).is_some() || dom.text_of(it).is_some_and(|text| text.trim().len() > SENTENCE)
        })
}

#[derive(Debug, Clone, Copy, Default)]
struct Painted {
    back: Option<Colour>,
    text: Option<Colour>,
}

impl Painted {
    fn is_blank(self) -> bool {
        self.text
            .is_some_and(|text| text.is_clear() || self.back.is_some_and(|back| back.is_close(text)))
    }
}

/// Whether something inside has a colour of its own, so that not all of it is blank. `painters` says how many such elements
/// stand before each node; it is counted when it is asked for first.
fn repaints(dom: &Dom, id: Id, sheet: &Sheet, painters: &OnceCell<Vec<u32>>) -> bool {
    let count = || {
        let mut count = 0;
        let mut out = vec![count];
        for it in 0..dom.nodes.len() {
            let look = sheet.look(dom, it);
            count += u32::from(look.pictured || look.back.is_some() || look.text.is_some());
            out.push(count);
        }
        out
    };
    let before = painters.get_or_init(count);
    before[dom.nodes[id].end] > before[id + 1]
}

fn is_hidden(dom: &Dom, id: Id, look: &Look, opened: &HashSet<&str>) -> bool {
    if look.vanished {
        return true;
    }
    // What is struck out holds no more: a price of yesterday, a rule that was changed.
    if matches!(dom.name(id), "del" | "s" | "strike") {
        return true;
    }
    let attribute = dom.attribute(id, "hidden").is_some_and(|value| value != "until-found") && !is_streamed(dom, id);
    let closed = look.closed == Some(true) || attribute;
    let aria = dom.attribute(id, "aria-hidden") == Some("true") && !is_slide(dom, id);
    (closed || aria) && !is_panel(dom, id, opened)
}

/// A part of the page that was sent late, which React's script puts in its place: `<div hidden id="S:1a">`.
fn is_streamed(dom: &Dom, id: Id) -> bool {
    let number = dom.attribute(id, "id").and_then(|own| own.strip_prefix("S:"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// One of several boxes that are shown in turn, with something to read: one beside it has the same class and is shown.
fn is_slide(dom: &Dom, id: Id) -> bool {
    const NEAR: usize = 24;
    let parent = dom.nodes[id].parent;
    let class = |it: Id| {
        dom.attribute(it, "class")
            .and_then(|own| own.split_ascii_whitespace().next())
    };
    let reads = |it: Id| {
        heading_level(dom.name(it)).is_some() || dom.text_of(it).is_some_and(|text| text.trim().len() > SENTENCE)
    };
    class(id).is_some()
        && dom.descendants(id).any(reads)
        && dom.children(parent).take(NEAR).any(|other| {
            dom.name(other) == dom.name(id)
                && class(other) == class(id)
                && dom.attribute(other, "aria-hidden") == Some("false")
        })
}

/// Ids that a control of the page opens.
fn opened(dom: &Dom) -> HashSet<&str> {
    let mut out = HashSet::new();
    for id in 0..dom.nodes.len() {
        let control = matches!(dom.name(id), "a" | "button" | "summary")
            || matches!(dom.attribute(id, "role"), Some("button" | "tab"));
        if !control {
            continue;
        }
        for key in ["aria-controls", "data-target", "data-bs-target", "href"] {
            let value = dom.attribute(id, key).unwrap_or_default();
            let target = if key == "aria-controls" {
                Some(value)
            } else {
                value.strip_prefix('#')
            };
            out.extend(target.filter(|target| !target.is_empty()));
        }
    }
    out
}

/// A tab or an answer that a control opens: by its role, by an id that a control names, by its class, or because it
/// stands right behind a control that says so.
fn is_panel(dom: &Dom, id: Id, opened: &HashSet<&str>) -> bool {
    let role = dom.attribute(id, "role");
    if matches!(role, Some("dialog" | "alertdialog" | "menu" | "listbox")) {
        return false;
    }
    role == Some("tabpanel")
        || dom.attribute(id, "id").is_some_and(|own| opened.contains(own))
        || patterns::matches(&PANEL, dom.attribute(id, "class").unwrap_or_default())
        || follows_control(dom, id)
}

/// The element before this one below the same parent. Walks back over the ends of siblings, so that a row of many costs
/// each of them its own step only.
fn previous_element(dom: &Dom, id: Id) -> Option<Id> {
    let parent = dom.nodes[id].parent;
    let mut at = id;
    while at > parent + 1 {
        at -= 1;
        while dom.nodes[at].parent != parent {
            at = dom.nodes[at].parent;
        }
        if !dom.name(at).is_empty() {
            return Some(at);
        }
    }
    None
}

/// Whether what stands right before is a control that unfolds something, or a line that asks, and this is a text.
fn follows_control(dom: &Dom, id: Id) -> bool {
    const NEAR: usize = 40;
    const QUESTION: usize = 200;
    let before = previous_element(dom, id);
    before.is_some_and(|before| {
        (before..dom.nodes[before].end)
            .take(NEAR)
            .any(|it| dom.attribute(it, "aria-expanded").is_some())
            || dom
                .text_within(before, QUESTION)
                .is_some_and(|text| text.ends_with(['?', '？', '؟']))
    }) && dom
        .descendants(id)
        .any(|it| dom.text_of(it).is_some_and(|text| text.trim().len() > SENTENCE))
}
