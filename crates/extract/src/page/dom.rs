//! The parsed page as a flat arena in document order, so that a subtree is a range of indexes and one pass backwards
//! visits children before their parents.

use std::collections::HashMap;

use html5ever::{Attribute, LocalName, tendril::StrTendril};

use super::{guard::ATTRIBUTES, space::runs, steps::Steps, tree};

/// Index of a node in the arena.
pub(super) type Id = usize;

/// An element or a piece of text.
#[derive(Debug)]
pub(super) struct Node {
    pub parent: Id,
    /// One past the last descendant.
    pub end: Id,
    pub data: Data,
}

#[derive(Debug)]
pub(super) enum Data {
    Text(StrTendril),
    Element {
        name: LocalName,
        attributes: Vec<Attribute>,
    },
}

impl Data {
    /// An element without a name.
    pub fn root() -> Self {
        Self::Element {
            name: LocalName::default(),
            attributes: Vec::new(),
        }
    }
}

/// The page. Node 0 is a root without a name; comments, doctypes and templates are left out; a declared shadow
/// tree is a `div`.
#[derive(Debug)]
pub(super) struct Dom {
    pub nodes: Vec<Node>,
    /// The elements of each name, in order.
    named: HashMap<LocalName, Vec<Id>>,
    /// What walking about may cost; walks end when nothing is left.
    pub steps: Steps,
}

impl Dom {
    /// Parses a page that went through [`super::guard::bounded`].
    pub fn parse(html: &str) -> Self {
        let nodes = tree::parse(html);
        let mut named: HashMap<LocalName, Vec<Id>> = HashMap::new();
        for (id, node) in nodes.iter().enumerate().skip(1) {
            if let Data::Element { name, .. } = &node.data {
                match named.get_mut(name) {
                    Some(ids) => ids.push(id),
                    None => drop(named.insert(name.clone(), vec![id])),
                }
            }
        }
        Self {
            nodes,
            named,
            steps: Steps::default(),
        }
    }

    /// The element's name in lower case, or the empty string for text.
    pub fn name(&self, id: Id) -> &str {
        match &self.nodes[id].data {
            Data::Element { name, .. } => name,
            Data::Text(_) => "",
        }
    }

    /// The text of a text node.
    pub fn text_of(&self, id: Id) -> Option<&str> {
        match &self.nodes[id].data {
            Data::Text(text) => Some(text),
            Data::Element { .. } => None,
        }
    }

    /// An attribute's value, entities decoded.
    pub fn attribute(&self, id: Id, wanted: &str) -> Option<&str> {
        debug_assert!(
            ATTRIBUTES.binary_search(&wanted).is_ok(),
            "the guard lets {wanted} through"
        );
        match &self.nodes[id].data {
            Data::Element { attributes, .. } => attributes
                .iter()
                .find(|attribute| *attribute.name.local == *wanted)
                .map(|attribute| &*attribute.value),
            Data::Text(_) => None,
        }
    }

    /// The children in order.
    pub fn children(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let end = self.nodes[id].end;
        let mut next = id + 1;
        std::iter::from_fn(move || {
            (next < end && self.steps.take(1)).then(|| {
                let child = next;
                next = self.nodes[child].end;
                child
            })
        })
    }

    /// The descendants in document order, without the node itself.
    pub fn descendants(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        (id + 1..self.nodes[id].end).take_while(|_| self.steps.take(1))
    }

    /// How many descendants there are.
    pub fn size(&self, id: Id) -> usize {
        self.nodes[id].end - id - 1
    }

    /// Descendant elements of one name.
    pub fn elements(&self, id: Id, name: &str) -> impl Iterator<Item = Id> + '_ {
        let all = self.named.get(&LocalName::from(name)).map_or(&[][..], Vec::as_slice);
        let start = all.partition_point(|it| *it <= id);
        let below = all[start..].iter().copied();
        below.take_while(move |it| *it < self.nodes[id].end && self.steps.take(1))
    }

    /// The ancestors from the parent up, without the root.
    pub fn ancestors(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        std::iter::successors(Some(self.nodes[id].parent), |at| Some(self.nodes[*at].parent))
            .take_while(|at| *at != 0 && self.steps.take(1))
    }

    /// All text below a node with white space collapsed; script and style are left out.
    pub fn text(&self, id: Id) -> String {
        self.text_within(id, usize::MAX).unwrap_or_default()
    }

    /// Whether [`Dom::text`] says anything.
    pub fn has_text(&self, id: Id) -> bool {
        let mut at = id;
        while at < self.nodes[id].end && self.steps.take(1) {
            at = match &self.nodes[at].data {
                Data::Text(text) if !text.trim_start().is_empty() => return true,
                Data::Element { name, .. } if matches!(&**name, "script" | "style") => self.nodes[at].end,
                _ => at + 1,
            };
        }
        false
    }

    /// [`Dom::text`] if it has no more than `most` bytes; a longer one is not collected.
    pub fn text_within(&self, id: Id, most: usize) -> Option<String> {
        let mut out = String::new();
        let mut at = id;
        while at < self.nodes[id].end {
            // A space at either end goes at last.
            if out.len() > most.saturating_add(2) {
                return None;
            }
            if !self.steps.take(1) {
                return None;
            }
            match &self.nodes[at].data {
                Data::Text(text) if !self.steps.take_text(text.len()) => return None,
                Data::Text(text) => push_collapsed(&mut out, text),
                Data::Element { name, .. } if matches!(&**name, "script" | "style") => {
                    at = self.nodes[at].end;
                    continue;
                }
                Data::Element { name, .. } => {
                    if matches!(&**name, "br" | "p" | "div" | "li" | "td" | "th") && !out.ends_with(' ') {
                        out.push(' ');
                    }
                }
            }
            at += 1;
        }
        let text = out.trim();
        (text.len() <= most).then(|| text.to_owned())
    }
}

/// Appends a text with its white space collapsed, also where it meets what is there.
pub(super) fn push_collapsed(out: &mut String, text: &str) {
    if text.starts_with(char::is_whitespace) && !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
    for run in runs(text) {
        out.push_str(run);
        out.push(' ');
    }
    if !text.ends_with(char::is_whitespace) && out.ends_with(' ') {
        out.pop();
    }
}

/// Whether an element stands within a line of text.
pub(super) fn is_inline(name: &str) -> bool {
    matches!(
        name,
        "a" | "abbr"
            | "acronym"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "cite"
            | "data"
            | "del"
            | "dfn"
            | "em"
            | "font"
            | "i"
            | "ins"
            | "label"
            | "mark"
            | "math"
            | "nobr"
            | "q"
            | "ruby"
            | "rb"
            | "rt"
            | "rp"
            | "s"
            | "small"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "time"
            | "u"
            | "var"
            | "wbr"
            | "slot"
            | "button"
    )
}

/// Whether the words around an element belong to one line, its own marks or not.
pub(super) fn runs_on(name: &str) -> bool {
    is_inline(name) || matches!(name, "code" | "kbd" | "samp" | "tt")
}
