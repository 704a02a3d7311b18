//! How much looking one page is worth.
//!
//! Rules look around: at a node's ancestors, siblings, descendants. On the pages that people write this is some steps a
//! node; a page can be made so that it is as many as it has nodes. Whoever walks takes its steps from here, and when none
//! are left every walk ends at once, so that the page is refused after a bounded time without a clock or a thread that
//! nobody can stop.

use std::cell::Cell;

/// Steps that one page may take: a second at most. The largest honest pages need a tenth.
const MOST: usize = 200_000_000;
/// Bytes of text that cost as much as one step.
const BYTES_A_STEP: usize = 32;

/// The steps that a page has left.
#[derive(Debug)]
pub(in crate::page) struct Steps(Cell<usize>);

impl Default for Steps {
    fn default() -> Self {
        Self(Cell::new(MOST))
    }
}

impl Steps {
    /// Takes `steps`; `false` where so many are not left, and from then on always.
    #[inline]
    pub fn take(&self, steps: usize) -> bool {
        let left = self.0.get().saturating_sub(steps);
        self.0.set(left);
        left > 0
    }

    /// Takes what reading `bytes` of text costs.
    #[inline]
    pub fn take_text(&self, bytes: usize) -> bool {
        self.take(1 + bytes / BYTES_A_STEP)
    }

    /// Whether some walk was cut short.
    pub fn are_spent(&self) -> bool {
        self.0.get() == 0
    }

    /// How many were taken.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        MOST - self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::page::{content, dom::Dom, guard, markdown, structured};

    /// A manual on one page, as large as a page may be.
    #[test]
    fn an_honest_page_takes_a_part_of_them() {
        let mut html = "<style>p.note{display:none} .box h2{color:#333} li{opacity:.9}</style><main>".to_owned();
        for section in 0..6_000 {
            let _ = write!(
                html,
                "<section class='box'><h2 id=s{section}>How is part {section} set?</h2><p class=text>It is set by a \
                 <a href=#s{section}>switch</a> with <b>two</b> places, <code>on</code> and <i>off</i>.</p><ul><li>One \
                 thing <span>more</span></li><li>Another</li></ul><table><tr><th>Name</th><td>Part {section}</td></tr>\
                 </table><dl><dt>What is it?</dt><dd>A part that many people need.</dd></dl></section>"
            );
        }
        let url = ::url::Url::parse("https://e.com/").unwrap();
        let dom = Dom::parse(&guard::bounded(&html));
        let content = content::main(&dom, &url);
        let text = markdown::render(&dom, &content);
        structured::collect(&dom, &url, &[], &text);
        assert!(text.contains("Part 5999"));
        let (taken, nodes) = (dom.steps.taken(), dom.nodes.len());
        assert!(taken * 5 < MOST, "{taken} steps for {nodes} nodes");
    }
}
