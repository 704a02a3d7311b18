//! Lists, nested ones with their indent, and definitions.

use super::{Id, MAX_INDENT, Writer};

impl Writer<'_> {
    pub(super) fn list(&mut self, id: Id, ordered: bool) {
        self.flush();
        let mut number: usize = self
            .dom
            .attribute(id, "start")
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(1);
        let cards = !ordered && self.is_list_of_cards(id);
        for child in self.dom.children(id) {
            if self.dead[child] {
                continue;
            }
            if self.dom.name(child) == "li" && !cards {
                number = self
                    .dom
                    .attribute(child, "value")
                    .and_then(|text| text.trim().parse().ok())
                    .unwrap_or(number);
                let marker = if ordered {
                    format!("{number}. ")
                } else {
                    "- ".to_owned()
                };
                number = number.saturating_add(1);
                self.item(child, marker);
            } else {
                self.node(child);
                self.flush();
            }
        }
    }

    /// A list whose items carry headings is a row of cards or articles, not an enumeration.
    fn is_list_of_cards(&self, id: Id) -> bool {
        let living = |it: &Id| matches!(self.dom.name(*it), "h1" | "h2" | "h3" | "h4") && !self.dead[*it];
        self.prefix.is_empty() && self.dom.descendants(id).any(|it| living(&it))
    }

    fn item(&mut self, id: Id, marker: String) {
        let outer = (self.prefix.len(), self.marker.take());
        // An item that begins with a list gives its own bullet up to the inner one.
        if self.prefix.len() < MAX_INDENT {
            self.prefix.push_str(&" ".repeat(marker.len()));
        }
        self.marker = Some(marker);
        self.children(id);
        self.flush();
        self.marker = None;
        self.prefix.truncate(outer.0);
    }

    /// Whether a definition follows a term, or the terms that share it; terms alone are a list, as of contents.
    fn is_explained(&self, term: Id) -> bool {
        const NEARBY: usize = 16;
        let end = self.dom.nodes[self.dom.nodes[term].parent].end;
        let within = |id: Id| (id < end).then_some(id);
        let behind = std::iter::successors(within(self.dom.nodes[term].end), |id| within(self.dom.nodes[*id].end));
        let mut names = behind.map(|id| self.dom.name(id)).take(NEARBY);
        names.find(|name| !matches!(*name, "" | "dt")) == Some("dd")
    }

    pub(super) fn definitions(&mut self, id: Id) {
        self.flush();
        for child in self.dom.children(id) {
            match self.dom.name(child) {
                _ if self.dead[child] => {}
                "dd" => self.item(child, ": ".to_owned()),
                "div" => self.definitions(child),
                "dt" if self.is_explained(child) => self.question(child, false),
                _ => {
                    self.node(child);
                    self.flush();
                }
            }
        }
    }
}
