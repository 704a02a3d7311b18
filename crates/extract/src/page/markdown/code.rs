//! Code: within a line, and as a fenced block with its language.

use super::{
    Data, Id, Writer,
    text::{has_class, push_collapsed},
};

impl Writer<'_> {
    pub(super) fn inline_code(&mut self, id: Id) {
        let text = self.inline_text(id);
        let raw_space = |end: bool| {
            let mut text = self.dom.descendants(id).filter_map(|it| self.dom.text_of(it));
            let edge = if end { text.last() } else { text.next() };
            edge.is_some_and(|text| {
                if end {
                    text.ends_with(char::is_whitespace)
                } else {
                    text.starts_with(char::is_whitespace)
                }
            })
        };
        let (before, after) = (raw_space(false), raw_space(true));
        if before {
            push_collapsed(&mut self.line, " ");
        }
        let fence = if text.is_empty() || text.contains('`') || self.line.ends_with('`') {
            ""
        } else {
            "`"
        };
        self.line.extend([fence, text.as_str(), fence]);
        if after {
            push_collapsed(&mut self.line, " ");
        }
    }

    pub(super) fn code_block(&mut self, id: Id) {
        self.flush();
        let mut text = String::new();
        let mut at = id;
        while at < self.dom.nodes[id].end {
            let skipped = self.dead[at] || has_class(self.dom, at, &["linenos", "lineno", "line-numbers"]);
            match &self.dom.nodes[at].data {
                _ if skipped => {
                    at = self.dom.nodes[at].end;
                    continue;
                }
                Data::Text(part) => text.push_str(part),
                Data::Element { name, .. } if name == "br" => text.push('\n'),
                Data::Element { .. } => {}
            }
            at += 1;
        }
        if text.trim().is_empty() {
            return;
        }
        let fence = if text.contains("```") { "~~~~" } else { "```" };
        let mut lines = vec![format!("{fence}{}", self.code_language(id))];
        lines.extend(
            text.trim_matches('\n')
                .trim_end()
                .lines()
                .map(|line| line.trim_end().to_owned()),
        );
        lines.push(fence.to_owned());
        self.block(&lines);
    }

    /// `language-x`, `lang-x` or `highlight-x` on the block, what is directly in it, or just around it.
    fn code_language(&self, id: Id) -> String {
        let around = std::iter::once(id)
            .chain(self.dom.children(id))
            .chain(self.dom.ancestors(id).take(2));
        let mut classes = around
            .filter_map(|it| self.dom.attribute(it, "class"))
            .flat_map(str::split_ascii_whitespace);
        let prefixes = ["language-", "lang-", "highlight-"];
        let found = classes.find_map(|class| prefixes.iter().find_map(|prefix| class.strip_prefix(prefix)));
        let plain = |text: &&str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-#".contains(&byte))
        };
        found
            .filter(plain)
            .filter(|name| !matches!(*name, "default" | "none" | "text" | "source"))
            .unwrap_or_default()
            .to_owned()
    }
}
