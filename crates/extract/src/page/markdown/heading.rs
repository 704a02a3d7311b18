//! Headings, and what stands in for them: bold lines, terms that ask, the visible lines of disclosures.

use super::{Id, Writer};

/// Longest heading, in characters; a longer one is a paragraph that someone wanted big.
const MAX_HEADING: usize = 200;

impl Writer<'_> {
    pub(super) fn heading(&mut self, id: Id, level: usize) {
        self.flush();
        let text = self.inline_text(id);
        if text.is_empty() {
            return;
        }
        if text.chars().count() > MAX_HEADING || !self.prefix.is_empty() {
            self.line.push_str(&text);
            self.flush();
        } else {
            self.level = level;
            self.folded = false;
            self.block(&[format!("{} {text}", "#".repeat(level))]);
            let next = self.titles.len();
            self.title = *self.titles.entry(text.clone()).or_insert(next);
            if matches!(self.dom.name(id), "h1" | "h2" | "h3" | "h4" | "h5" | "h6") && self.disclosures == 0 {
                self.own = Some((level, text));
            }
        }
    }

    /// A line with an answer that folds out.
    pub(super) fn disclosure(&mut self, id: Id) {
        self.flush();
        let level = self.level;
        self.disclosures += 1;
        self.children(id);
        self.flush();
        self.disclosures -= 1;
        // The next one is its sibling, whatever headings its answer has.
        self.level = level;
        self.folded = self.disclosures == 0;
    }

    /// What follows the last of some disclosures is no part of its answer: it stands under the heading that stood above them.
    pub(super) fn leave_disclosures(&mut self) {
        if !self.folded || !self.prefix.is_empty() {
            return;
        }
        self.folded = false;
        if let Some((level, text)) = self.own.clone() {
            self.level = level;
            self.block(&[format!("{} {text}", "#".repeat(level))]);
            self.title = self.titles.get(&text).copied().unwrap_or_default();
        }
    }

    /// A paragraph that is nothing but bold text, the heading of those who never met heading elements: a question, or
    /// a line among such questions.
    pub(super) fn is_bold_heading(&self, id: Id) -> bool {
        const NEARBY: usize = 40;
        let asks = |it: Id| self.bold_line(it).is_some_and(|text| text.ends_with(['?', '？', '؟']));
        let line = self.bold_line(id).filter(|text| text.chars().count() <= MAX_HEADING);
        let parent = self.dom.nodes[id].parent;
        line.is_some() && (asks(id) || self.dom.children(parent).take(NEARBY).any(asks))
    }

    /// The text of a paragraph that has nothing but one bold element.
    fn bold_line(&self, id: Id) -> Option<String> {
        if !matches!(self.dom.name(id), "p" | "div") || self.dom.size(id) > 12 {
            return None;
        }
        let mut children = self.dom.children(id).filter(|child| self.dom.has_text(*child));
        let only = children.next().filter(|_| children.next().is_none())?;
        (matches!(self.dom.name(only), "b" | "strong") && !self.dead[only]).then(|| self.dom.text(only))
    }

    /// The visible line of a disclosure, or a term: a heading over its answer when it asks (or `always`).
    pub(super) fn question(&mut self, id: Id, always: bool) {
        let text = self.inline_text(id);
        let has_heading = self
            .dom
            .descendants(id)
            .any(|it| matches!(self.dom.name(it), "h1" | "h2" | "h3" | "h4" | "h5" | "h6"));
        if has_heading || !(always || text.ends_with(['?', '？', '؟'])) {
            self.children(id);
            self.flush();
            return;
        }
        let level = self.level;
        self.heading(id, (level + 1).min(6));
        // The next question is this one's sibling.
        self.level = level;
    }
}
