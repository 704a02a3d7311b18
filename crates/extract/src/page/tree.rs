//! What the HTML parser builds: a tree of links between numbered nodes, which [`Dom`](super::dom::Dom) takes over in document
//! order without copying a text.
//!
//! The parser moves nodes about (misnested formatting, text in tables), so that a node's place is only known at the end.
//! Nothing here recurses. Comments and the contents of templates are built by the parser's rules and left behind.

use std::{
    borrow::Cow,
    cell::{Ref, RefCell},
};

use html5ever::{
    Attribute, ParseOpts, QualName,
    interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink},
    local_name, parse_document,
    tendril::{StrTendril, TendrilSink as _},
    tree_builder::TreeBuilderOpts,
};

use super::dom::{Data, Node};

/// Stands for no node: the document is nobody's child or sibling.
const NONE: usize = 0;
/// Most attributes that further `<html>` and `<body>` tags add to the first.
const MAX_MERGED: usize = 64;

/// Parses a page; the nodes in document order, of which the first is a root without a name.
pub(super) fn parse(html: &str) -> Vec<Node> {
    let tree_builder = TreeBuilderOpts {
        scripting_enabled: false,
        ..TreeBuilderOpts::default()
    };
    let options = ParseOpts {
        tree_builder,
        ..ParseOpts::default()
    };
    parse_document(Sink::new(), options).one(html)
}

struct Sink(RefCell<Vec<Built>>);

/// A node and its place in the tree.
struct Built {
    what: What,
    parent: usize,
    previous: usize,
    next: usize,
    first: usize,
    last: usize,
}

enum What {
    Text(StrTendril),
    Element {
        name: QualName,
        attributes: Vec<Attribute>,
        /// See [`ElementFlags::mathml_annotation_xml_integration_point`].
        integration_point: bool,
    },
    /// The document, a comment, or the contents of a template.
    Other,
}

impl Sink {
    fn new() -> Self {
        let sink = Self(RefCell::default());
        sink.add(What::Other);
        sink
    }

    fn add(&self, what: What) -> usize {
        let mut nodes = self.0.borrow_mut();
        nodes.push(Built {
            what,
            parent: NONE,
            previous: NONE,
            next: NONE,
            first: NONE,
            last: NONE,
        });
        nodes.len() - 1
    }

    /// Makes `id` the child of `parent` that stands before `next`, or its last child.
    fn insert(&self, parent: usize, next: usize, id: usize) {
        let mut nodes = self.0.borrow_mut();
        let previous = if next == NONE {
            nodes[parent].last
        } else {
            nodes[next].previous
        };
        (nodes[id].parent, nodes[id].previous, nodes[id].next) = (parent, previous, next);
        if previous == NONE {
            nodes[parent].first = id;
        } else {
            nodes[previous].next = id;
        }
        if next == NONE {
            nodes[parent].last = id;
        } else {
            nodes[next].previous = id;
        }
    }

    fn detach(&self, id: usize) {
        let mut nodes = self.0.borrow_mut();
        let Built {
            parent, previous, next, ..
        } = nodes[id];
        if previous != NONE {
            nodes[previous].next = next;
        } else if nodes[parent].first == id {
            nodes[parent].first = next;
        }
        if next != NONE {
            nodes[next].previous = previous;
        } else if nodes[parent].last == id {
            nodes[parent].last = previous;
        }
        (nodes[id].parent, nodes[id].previous, nodes[id].next) = (NONE, NONE, NONE);
    }

    /// Puts a child before `next`, or last; texts that meet become one.
    fn put(&self, parent: usize, next: usize, child: NodeOrText<usize>) {
        let text = match child {
            NodeOrText::AppendNode(id) => {
                self.detach(id);
                return self.insert(parent, next, id);
            }
            NodeOrText::AppendText(text) => text,
        };
        {
            let mut nodes = self.0.borrow_mut();
            let before = if next == NONE {
                nodes[parent].last
            } else {
                nodes[next].previous
            };
            if let What::Text(own) = &mut nodes[before].what {
                return own.push_tendril(&text);
            }
        }
        let id = self.add(What::Text(text));
        self.insert(parent, next, id);
    }
}

impl TreeSink for Sink {
    type Handle = usize;
    type Output = Vec<Node>;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Vec<Node> {
        in_document_order(self.0.into_inner())
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> usize {
        0
    }

    fn elem_name<'a>(&'a self, target: &'a usize) -> Ref<'a, QualName> {
        Ref::map(self.0.borrow(), |nodes| match &nodes[*target].what {
            What::Element { name, .. } => name,
            _ => unreachable!("the parser asks only for the names of elements"),
        })
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> usize {
        let id = self.add(What::Element {
            name,
            attributes,
            integration_point: flags.mathml_annotation_xml_integration_point,
        });
        if flags.template {
            self.add(What::Other);
        }
        id
    }

    fn create_comment(&self, _: StrTendril) -> usize {
        self.add(What::Other)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> usize {
        self.add(What::Other)
    }

    fn append(&self, parent: &usize, child: NodeOrText<usize>) {
        self.put(*parent, NONE, child);
    }

    fn append_based_on_parent_node(&self, element: &usize, before: &usize, child: NodeOrText<usize>) {
        let parent = self.0.borrow()[*element].parent;
        if parent == NONE {
            self.put(*before, NONE, child);
        } else {
            self.put(parent, *element, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// Its contents are the node made right after it, but for a shadow tree: that is shown where it stands.
    fn get_template_contents(&self, target: &usize) -> usize {
        match &self.0.borrow()[*target].what {
            What::Element { attributes, .. } if is_shadow_root(attributes) => *target,
            _ => target + 1,
        }
    }

    fn same_node(&self, one: &usize, other: &usize) -> bool {
        one == other
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &usize, child: NodeOrText<usize>) {
        let parent = self.0.borrow()[*sibling].parent;
        self.put(parent, *sibling, child);
    }

    fn add_attrs_if_missing(&self, target: &usize, more: Vec<Attribute>) {
        if let What::Element { attributes, .. } = &mut self.0.borrow_mut()[*target].what {
            for one in more {
                if attributes.len() < MAX_MERGED && attributes.iter().all(|own| own.name != one.name) {
                    attributes.push(one);
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &usize) {
        self.detach(*target);
    }

    fn reparent_children(&self, node: &usize, new_parent: &usize) {
        loop {
            let child = self.0.borrow()[*node].first;
            if child == NONE {
                return;
            }
            self.detach(child);
            self.insert(*new_parent, NONE, child);
        }
    }

    fn is_mathml_annotation_xml_integration_point(&self, target: &usize) -> bool {
        matches!(
            self.0.borrow()[*target].what,
            What::Element {
                integration_point: true,
                ..
            }
        )
    }
}

/// Whether a template declares a shadow tree (HTML, 4.12.3 "The template element"), as components that servers write out do.
fn is_shadow_root(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        &*attribute.name.local == "shadowrootmode"
            && ["open", "closed"]
                .iter()
                .any(|mode| attribute.value.eq_ignore_ascii_case(mode))
    })
}

/// The elements and texts below the document, each before what is below it.
fn in_document_order(mut built: Vec<Built>) -> Vec<Node> {
    let mut out = Vec::with_capacity(built.len());
    out.push(Node {
        parent: 0,
        end: 0,
        data: Data::root(),
    });
    // The new numbers of the elements around, innermost last.
    let mut open = vec![0];
    let mut at = built[0].first;
    while at != NONE {
        let data = match std::mem::replace(&mut built[at].what, What::Other) {
            What::Text(text) => Some(Data::Text(text)),
            What::Element { name, attributes, .. } => {
                let shown = name.local == local_name!("template") && is_shadow_root(&attributes);
                let name = if shown { local_name!("div") } else { name.local };
                Some(Data::Element { name, attributes })
            }
            What::Other => None,
        };
        if let Some(data) = data {
            let id = out.len();
            let parent = open.last().copied().unwrap_or_default();
            out.push(Node {
                parent,
                end: id + 1,
                data,
            });
            if built[at].first != NONE {
                open.push(id);
                at = built[at].first;
                continue;
            }
        }
        while at != NONE && built[at].next == NONE {
            at = built[at].parent;
            let end = out.len();
            if let Some(closed) = open.pop() {
                out[closed].end = end;
            }
        }
        if at != NONE {
            at = built[at].next;
        }
    }
    out[0].end = out.len();
    out
}
