//! Renders the living part of a page as Markdown for retrieval: headings, paragraphs, nested lists, tables with a
//! header row, fenced code, definition lists. Links and emphasis are their text only; pictures are left out.

use std::collections::HashSet;

use super::{
    content::Content,
    dom::{Data, Dom, Id, is_inline, runs_on},
};

/// Deepest indent, in characters; lists nested deeper stay at it, so that nesting cannot multiply the output.
const MAX_INDENT: usize = 24;
/// Shortest paragraph, in bytes, that is taken for a copy when it comes again.
const MIN_REPEATED: usize = 60;
/// Longest heading, in characters; a longer one is a paragraph that someone wanted big.
const MAX_HEADING: usize = 200;
/// Most columns of a table; padding rows beyond it would let one row blow up a page.
const MAX_COLUMNS: usize = 64;

/// Renders the content.
pub(super) fn render(dom: &Dom, content: &Content) -> String {
    let mut writer = Writer {
        dom,
        dead: &content.dead,
        out: String::new(),
        line: String::new(),
        prefix: String::new(),
        marker: None,
        tight: false,
        level: 1,
        title: String::new(),
        seen: HashSet::new(),
    };
    writer.node(content.root);
    writer.flush();
    writer.out.trim_end().to_owned()
}

struct Writer<'a> {
    dom: &'a Dom,
    dead: &'a [bool],
    out: String,
    /// The paragraph being collected; `\n` in it is a `<br>`.
    line: String,
    /// What every line begins with: the indent of the list items around, or `> `.
    prefix: String,
    /// The bullet that the next line takes in place of its innermost indent.
    marker: Option<String>,
    /// Whether the last block was a list item, after which the next item follows without a blank line.
    tight: bool,
    /// The last heading's text.
    title: String,
    /// Paragraphs long enough not to be repeated on purpose, each with its heading: a reference may say the same of two
    /// things.
    seen: HashSet<String>,
    /// The level of the last heading.
    level: usize,
}

impl Writer<'_> {
    fn node(&mut self, id: Id) {
        if self.dead[id] {
            return;
        }
        match &self.dom.nodes[id].data {
            Data::Text(text) => push_collapsed(&mut self.line, text),
            Data::Element { name, .. } => self.element(id, name),
        }
    }

    fn children(&mut self, id: Id) {
        let mut before = id;
        for child in self.dom.children(id) {
            if self.runs_together(before, child) && self.line.ends_with(char::is_alphanumeric) {
                self.line.push(' ');
            }
            self.node(child);
            before = child;
        }
    }

    /// Whether two neighbours are boxes that a style sheet sets apart though no white space does.
    fn runs_together(&self, before: Id, next: Id) -> bool {
        let boxed = |id: Id| matches!(self.dom.name(id), "span" | "a" | "button" | "label" | "time");
        let words = |id: Id| {
            self.dom
                .descendants(id)
                .filter_map(|it| self.dom.text_of(it))
                .find(|text| !text.trim().is_empty())
        };
        let long = |id: Id| words(id).is_some_and(|text| text.trim().len() > 1);
        boxed(before)
            && boxed(next)
            && long(before)
            && long(next)
            && words(next).is_some_and(|text| text.starts_with(char::is_alphanumeric))
    }

    fn element(&mut self, id: Id, name: &str) {
        match name {
            "script" | "style" | "template" | "svg" | "head" | "img" | "picture" => {}
            "br" => self.line.push('\n'),
            "hr" => self.flush(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading(id, usize::from(name.as_bytes()[1] - b'0')),
            "summary" => self.question(id, true),
            "pre" => self.code_block(id),
            "code" | "kbd" | "samp" | "tt" => self.inline_code(id),
            "ul" | "ol" | "menu" => self.list(id, name == "ol"),
            "dl" => self.definitions(id),
            "table" => self.table(id),
            "blockquote" => {
                self.flush();
                let outer = self.prefix.len();
                if outer < MAX_INDENT {
                    self.prefix.push_str("> ");
                }
                self.children(id);
                self.flush();
                self.prefix.truncate(outer);
            }
            "p" | "div" if self.is_bold_heading(id) => self.question(id, true),
            "a" if is_permalink(self.dom, id) => {}
            _ if is_inline(name) => self.children(id),
            "td" | "th" => {
                self.children(id);
                self.line.push(' ');
            }
            _ => {
                self.flush();
                self.children(id);
                self.flush();
            }
        }
    }

    /// Ends the paragraph being collected.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.line);
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() {
                self.paragraph(&mut lines);
            } else {
                lines.push(escaped(line));
            }
        }
        self.paragraph(&mut lines);
    }

    fn paragraph(&mut self, lines: &mut Vec<String>) {
        let text = lines.join("\n");
        // Layouts for phone and desktop often carry the same paragraph twice.
        // In lists and definitions a repeated note belongs to each item.
        let free = self.prefix.trim_matches(['>', ' ']).is_empty() && !self.prefix.starts_with(' ');
        let here = format!("{}\n{text}", self.title);
        // A quotation of what stands above is a copy under any heading.
        let quoted = !self.prefix.is_empty() && self.seen.contains(&text);
        let copy = free && text.len() >= MIN_REPEATED && (quoted || !self.seen.insert(here));
        if free && text.len() >= MIN_REPEATED {
            self.seen.insert(text);
        }
        if !lines.is_empty() && !copy {
            let item = self.marker.is_some();
            self.block(lines);
            self.tight = item;
        }
        lines.clear();
    }

    /// Writes whole lines under the current prefix, apart from what came before.
    fn block(&mut self, lines: &[String]) {
        // Items of a list, and a term and its definition, follow each other without a blank line.
        let definition = self.marker.as_deref().is_some_and(|marker| marker.starts_with(':'));
        let next_item = definition || self.tight && self.marker.is_some();
        if !self.out.is_empty() && !next_item {
            self.out.push('\n');
        }
        for line in lines {
            match self.marker.take() {
                Some(marker) => {
                    let indent = self.prefix.len().saturating_sub(marker.len());
                    self.out.push_str(&self.prefix[..indent]);
                    self.out.push_str(&marker);
                }
                None => self.out.push_str(&self.prefix),
            }
            self.out.push_str(line);
            self.out.push('\n');
        }
        self.tight = false;
    }

    fn heading(&mut self, id: Id, level: usize) {
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
            self.block(&[format!("{} {text}", "#".repeat(level))]);
            self.title = text;
        }
    }

    /// A paragraph that is nothing but bold text, the heading of those who never met heading elements: a question, or
    /// a line among such questions.
    fn is_bold_heading(&self, id: Id) -> bool {
        const NEARBY: usize = 40;
        let asks = |it: Id| self.bold_line(it).is_some_and(|text| text.ends_with(['?', '？', '؟']));
        let line = self.bold_line(id).filter(|text| text.chars().count() <= MAX_HEADING);
        let parent = self.dom.nodes[id].parent;
        line.is_some() && (asks(id) || self.dom.children(parent).take(NEARBY).any(asks))
    }

    /// The text of a paragraph that has nothing but one bold element.
    fn bold_line(&self, id: Id) -> Option<String> {
        if !matches!(self.dom.name(id), "p" | "div") || self.dom.descendants(id).len() > 12 {
            return None;
        }
        let mut children = self.dom.children(id).filter(|child| !self.dom.text(*child).is_empty());
        let only = children.next().filter(|_| children.next().is_none())?;
        (matches!(self.dom.name(only), "b" | "strong") && !self.dead[only]).then(|| self.dom.text(only))
    }

    /// The visible line of a disclosure, or a term: a heading over its answer when it asks (or `always`).
    fn question(&mut self, id: Id, always: bool) {
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

    /// The text below a node on one line.
    fn inline_text(&self, id: Id) -> String {
        let mut out = String::new();
        self.push_inline(id, &mut out);
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn push_inline(&self, id: Id, out: &mut String) {
        if self.dead[id] {
            return;
        }
        match &self.dom.nodes[id].data {
            Data::Text(text) => push_collapsed(out, text),
            Data::Element { name, .. } => {
                let name = name.as_str();
                if matches!(name, "script" | "style" | "template" | "svg")
                    || (name == "a" && is_permalink(self.dom, id))
                {
                    return;
                }
                let apart = !runs_on(name);
                if apart {
                    out.push(' ');
                }
                for child in self.dom.children(id) {
                    self.push_inline(child, out);
                }
                if apart {
                    out.push(' ');
                }
            }
        }
    }

    fn inline_code(&mut self, id: Id) {
        let text = self.inline_text(id);
        let raw_space = |end: bool| {
            let mut text = self.dom.descendants(id).filter_map(|it| self.dom.text_of(it));
            let edge = if end { text.next_back() } else { text.next() };
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

    fn code_block(&mut self, id: Id) {
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

    fn list(&mut self, id: Id, ordered: bool) {
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

    fn definitions(&mut self, id: Id) {
        self.flush();
        for child in self.dom.children(id) {
            match self.dom.name(child) {
                _ if self.dead[child] => {}
                "dd" => self.item(child, ": ".to_owned()),
                "div" => self.definitions(child),
                "dt" => self.question(child, false),
                _ => {
                    self.node(child);
                    self.flush();
                }
            }
        }
    }

    fn table(&mut self, id: Id) {
        self.flush();
        let rows = self.own_rows(id);
        let cells = |row: Id| {
            self.dom
                .children(row)
                .filter(|cell| matches!(self.dom.name(*cell), "td" | "th") && !self.dead[*cell])
        };
        let columns = rows
            .iter()
            .map(|row| cells(*row).count())
            .max()
            .unwrap_or(0)
            .min(MAX_COLUMNS);
        let is_block = |it: Id| {
            matches!(
                self.dom.name(it),
                "table" | "pre" | "h1" | "h2" | "h3" | "ul" | "ol" | "article" | "section" | "dl"
            )
        };
        let layout = columns < 2
            || self.dom.attribute(id, "role") == Some("presentation")
            || self
                .dom
                .descendants(id)
                .any(|it| is_block(it) && !self.is_dead(it, id) && self.is_large(it));
        if layout {
            self.children(id);
            self.flush();
            return;
        }
        for caption in self.dom.children(id).filter(|child| self.dom.name(*child) == "caption") {
            self.node(caption);
            self.flush();
        }
        let texts: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                cells(*row)
                    .take(MAX_COLUMNS)
                    .map(|cell| self.inline_text(cell).replace('|', "\\|"))
                    .collect()
            })
            .collect();
        let headed = rows.first().is_some_and(|row| {
            cells(*row).all(|cell| self.dom.name(cell) == "th") || self.dom.name(self.dom.nodes[*row].parent) == "thead"
        });
        self.rows(&texts, columns, headed);
    }

    fn rows(&mut self, rows: &[Vec<String>], columns: usize, headed: bool) {
        let line = |cells: &[String]| {
            let mut line = String::from("|");
            for column in 0..columns {
                line.push(' ');
                line.push_str(cells.get(column).map_or("", String::as_str));
                line.push_str(" |");
            }
            line
        };
        let blank = |row: &&Vec<String>| row.iter().all(String::is_empty);
        let mut lines = vec![
            line(if headed { &rows[0] } else { &[] }),
            format!("|{}", " --- |".repeat(columns)),
        ];
        lines.extend(
            rows.iter()
                .skip(usize::from(headed))
                .filter(|row| !blank(row))
                .map(|row| line(row)),
        );
        if lines.len() > 2 || headed {
            self.block(&lines);
        }
    }

    /// The living rows of a table, without those of tables inside.
    fn own_rows(&self, table: Id) -> Vec<Id> {
        let mut rows = Vec::new();
        let mut at = table + 1;
        while at < self.dom.nodes[table].end {
            let row = self.dom.name(at) == "tr";
            if row && !self.dead[at] {
                rows.push(at);
            }
            let skip = row || self.dead[at] || self.dom.name(at) == "table";
            at = if skip { self.dom.nodes[at].end } else { at + 1 };
        }
        rows
    }

    fn is_dead(&self, id: Id, within: Id) -> bool {
        self.dead[id]
            || self
                .dom
                .ancestors(id)
                .take_while(|up| *up != within)
                .any(|up| self.dead[up])
    }

    /// Whether a block in a table is too much for a cell.
    fn is_large(&self, id: Id) -> bool {
        !matches!(self.dom.name(id), "ul" | "ol") || self.dom.descendants(id).len() > 40
    }
}

/// Appends text with white space collapsed to single spaces.
fn push_collapsed(out: &mut String, text: &str) {
    let at_break = |out: &String| out.is_empty() || out.ends_with([' ', '\n']);
    if text.starts_with(char::is_whitespace) && !at_break(out) {
        out.push(' ');
    }
    let mut first = true;
    for word in text.split_whitespace() {
        if !first {
            out.push(' ');
        }
        out.extend(word.chars().filter(|c| !draws_nothing(*c)));
        first = false;
    }
    if !first && text.ends_with(char::is_whitespace) {
        out.push(' ');
    }
}

/// Characters without a glyph that carry no meaning between letters, among them those that smuggle text past a reader:
/// the tag block of Unicode and overrides of direction. Joiners stay; scripts and emoji need them.
fn draws_nothing(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Text that would read as Markdown structure at the start of a line.
fn escaped(line: &str) -> String {
    let structural = line.starts_with('|')
        || line.starts_with("```")
        || line.starts_with("~~~~")
        || line.trim_start_matches('#').starts_with(' ') && line.starts_with('#');
    if structural {
        format!("\\{line}")
    } else {
        line.to_owned()
    }
}

/// The sign that documentation tools put behind a heading to link to it.
fn is_permalink(dom: &Dom, id: Id) -> bool {
    has_class(
        dom,
        id,
        &[
            "headerlink",
            "header-anchor",
            "anchorjs-link",
            "hash-link",
            "anchor-link",
        ],
    ) || matches!(dom.text(id).as_str(), "¶" | "#" | "§" | "🔗" | "\u{f0c1}")
}

fn has_class(dom: &Dom, id: Id, classes: &[&str]) -> bool {
    dom.attribute(id, "class")
        .is_some_and(|own| own.split_ascii_whitespace().any(|class| classes.contains(&class)))
}
