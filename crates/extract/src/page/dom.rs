//! The parsed page as a flat arena in document order, so that a subtree is a range of indexes and one pass backwards
//! visits children before their parents.

use dom_query::{Document, NodeData, NodeRef};

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
    Text(String),
    Element {
        name: String,
        attributes: Vec<(String, String)>,
    },
}

/// The page. Node 0 is a root without a name; comments, doctypes and templates are left out.
#[derive(Debug)]
pub(super) struct Dom {
    pub nodes: Vec<Node>,
}

impl Dom {
    /// Parses a page that went through [`super::guard::bounded`].
    pub fn parse(html: &str) -> Self {
        let document = Document::from(html);
        let root = Data::Element {
            name: String::new(),
            attributes: Vec::new(),
        };
        let mut dom = Self {
            nodes: vec![Node {
                parent: 0,
                end: 0,
                data: root,
            }],
        };
        dom.copy_children(&document.root(), 0);
        dom.nodes[0].end = dom.nodes.len();
        dom
    }

    fn copy_children(&mut self, from: &NodeRef<'_>, parent: Id) {
        for child in from.children_it(false) {
            let data = child.query_or(None, |node| match &node.data {
                NodeData::Text { contents } => Some(Data::Text(contents.to_string())),
                NodeData::Element(element) => Some(Data::Element {
                    name: element.name.local.to_string(),
                    attributes: element
                        .attrs
                        .iter()
                        .map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string()))
                        .collect(),
                }),
                _ => None,
            });
            let Some(data) = data else { continue };
            let id = self.nodes.len();
            self.nodes.push(Node {
                parent,
                end: id + 1,
                data,
            });
            self.copy_children(&child, id);
            self.nodes[id].end = self.nodes.len();
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
        match &self.nodes[id].data {
            Data::Element { attributes, .. } => attributes
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.as_str()),
            Data::Text(_) => None,
        }
    }

    /// The children in order.
    pub fn children(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let end = self.nodes[id].end;
        let mut next = id + 1;
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let child = next;
                next = self.nodes[child].end;
                child
            })
        })
    }

    /// The descendants in document order, without the node itself.
    pub fn descendants(&self, id: Id) -> std::ops::Range<Id> {
        id + 1..self.nodes[id].end
    }

    /// Descendant elements of one name.
    pub fn elements<'a>(&'a self, id: Id, name: &'a str) -> impl Iterator<Item = Id> + 'a {
        self.descendants(id).filter(move |node| self.name(*node) == name)
    }

    /// The ancestors from the parent up, without the root.
    pub fn ancestors(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        std::iter::successors(Some(self.nodes[id].parent), |at| Some(self.nodes[*at].parent)).take_while(|at| *at != 0)
    }

    /// All text below a node with white space collapsed; script and style are left out.
    pub fn text(&self, id: Id) -> String {
        let mut out = String::new();
        let mut at = id;
        while at < self.nodes[id].end {
            match &self.nodes[at].data {
                Data::Text(text) => push_collapsed(&mut out, text),
                Data::Element { name, .. } if matches!(name.as_str(), "script" | "style") => {
                    at = self.nodes[at].end;
                    continue;
                }
                Data::Element { name, .. } => {
                    if matches!(name.as_str(), "br" | "p" | "div" | "li" | "td" | "th") && !out.ends_with(' ') {
                        out.push(' ');
                    }
                }
            }
            at += 1;
        }
        out.trim().to_owned()
    }
}

/// Appends a text with its white space collapsed, also where it meets what is there.
pub(super) fn push_collapsed(out: &mut String, text: &str) {
    if text.starts_with(char::is_whitespace) && !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
    for word in text.split_whitespace() {
        out.push_str(word);
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
