//! Renders the living part of a page as Markdown for retrieval: headings, paragraphs, nested lists, tables with a
//! header row, fenced code, definition lists. Links and emphasis are their text only; pictures are left out.

mod code;
mod grid;
mod heading;
mod list;
mod table;
mod text;

use std::collections::{HashMap, HashSet, hash_map::Entry};

use super::{
    content::Content,
    dom::{Data, Dom, Id, is_inline, runs_on},
    space::runs,
};
use text::{escaped, is_permalink, push_collapsed};

/// Deepest indent, in characters; lists nested deeper stay at it, so that nesting cannot multiply the output.
const MAX_INDENT: usize = 24;
/// Shortest paragraph, in bytes, that is taken for a copy when it comes again.
const MIN_REPEATED: usize = 60;

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
        title: 0,
        titles: HashMap::from([(String::new(), 0)]),
        seen: HashMap::new(),
        again: HashSet::new(),
        own: None,
        disclosures: 0,
        folded: false,
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
    /// The last heading, by its number in `titles`.
    title: usize,
    /// Numbers of the headings by their text.
    titles: HashMap<String, usize>,
    /// Paragraphs long enough not to be repeated on purpose, each with its number and its heading.
    seen: HashMap<String, (usize, usize)>,
    /// The further headings of a paragraph: a reference may say the same of two things.
    again: HashSet<(usize, usize)>,
    /// The level of the last heading.
    level: usize,
    /// The last heading of the page's own, with its level.
    own: Option<(usize, String)>,
    /// Disclosures that are open around the current place, and whether the last one has just been closed.
    disclosures: usize,
    folded: bool,
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
            "details" => self.disclosure(id),
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
        // In lists and definitions a repeated note belongs to each item.
        let free = self.prefix.trim_matches(['>', ' ']).is_empty() && !self.prefix.starts_with(' ');
        let length = lines.iter().map(|line| line.len() + 1).sum::<usize>();
        let copy = free && length > MIN_REPEATED && self.is_copy(lines.join("\n"));
        if !lines.is_empty() && !copy {
            let item = self.marker.is_some();
            self.block(lines);
            self.tight = item;
        }
        lines.clear();
    }

    /// Layouts for phone and desktop often carry the same paragraph twice under a heading. A quotation of what stands above is a copy
    /// under any heading.
    fn is_copy(&mut self, paragraph: String) -> bool {
        let number = self.seen.len();
        match self.seen.entry(paragraph) {
            Entry::Vacant(unseen) => {
                unseen.insert((number, self.title));
                false
            }
            Entry::Occupied(seen) => {
                let (number, first) = *seen.get();
                !self.prefix.is_empty() || first == self.title || !self.again.insert((number, self.title))
            }
        }
    }

    /// Writes whole lines under the current prefix, apart from what came before.
    fn block(&mut self, lines: &[String]) {
        self.leave_disclosures();
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

    /// The text below a node on one line.
    fn inline_text(&self, id: Id) -> String {
        let mut out = String::new();
        self.push_inline(id, &mut out);
        runs(&out).collect::<Vec<_>>().join(" ")
    }

    fn push_inline(&self, id: Id, out: &mut String) {
        if self.dead[id] {
            return;
        }
        match &self.dom.nodes[id].data {
            Data::Text(text) => push_collapsed(out, text),
            Data::Element { name, .. } => {
                let name = &**name;
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
}
