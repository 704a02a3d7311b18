//! What is below each node, counted once for the whole page.

use super::super::{
    dom::{Data, Dom},
    space::runs,
};

/// What is below a node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stat {
    /// Length of the words, in bytes plus one a word.
    pub text: usize,
    /// The part of it inside links.
    pub link: usize,
    /// The part of it in text nodes long enough to be a sentence.
    pub prose: usize,
    pub h1: bool,
    pub main: bool,
}

/// Shortest text node, in bytes, that counts as prose.
const PROSE: usize = 100;

/// Length of every text node's words, in bytes plus one a word; zero for elements.
pub(super) fn sizes(dom: &Dom) -> Vec<usize> {
    let size = |text: &str| runs(text).map(|run| run.len() + 1).sum();
    let nodes = dom.nodes.iter();
    nodes
        .map(|node| match &node.data {
            Data::Text(text) => size(text),
            Data::Element { .. } => 0,
        })
        .collect()
}

/// Counts what is not dead.
pub(super) fn stats(dom: &Dom, sizes: &[usize], dead: &[bool]) -> Vec<Stat> {
    let mut out = vec![Stat::default(); dom.nodes.len()];
    for id in (0..dom.nodes.len()).rev() {
        let mut own = out[id];
        match &dom.nodes[id].data {
            Data::Text(_) => {
                own.text = sizes[id];
                own.prose = if own.text > PROSE { own.text } else { 0 };
            }
            Data::Element { name, .. } => match &**name {
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
            up.prose += own.prose;
            up.h1 |= own.h1;
            up.main |= own.main;
        }
    }
    out
}
