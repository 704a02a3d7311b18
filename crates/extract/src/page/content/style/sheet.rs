//! The rules of `<style>` elements, and which of them an element has.

use std::collections::{HashMap, HashSet};

use super::{
    super::super::{
        dom::{Dom, Id},
        patterns::{self, SEEN_OR_NOT},
    },
    Colour, Look,
    look::look,
};

/// Most bytes of style rules that are read.
const MAX_CSS: usize = 512 * 1024;

/// One simple selector with its declarations.
#[derive(Debug)]
struct Rule {
    tag: String,
    id: String,
    classes: Vec<String>,
    look: Look,
    /// By specificity, then by place.
    weight: (usize, usize),
}

/// The rules of a page that matter, by the class, id or tag that an element must have.
#[derive(Debug, Default)]
pub struct Sheet {
    rules: Vec<Rule>,
    /// By tag, by class and by id, each as it is written.
    by_tag: HashMap<String, Vec<usize>>,
    by_class: HashMap<String, Vec<usize>>,
    by_id: HashMap<String, Vec<usize>>,
    /// Classes and ids whose elements some rule of a combined selector displays.
    shown_classes: HashSet<String>,
    shown_ids: HashSet<String>,
}

impl Sheet {
    /// Reads the `<style>` elements of a page.
    pub fn of(dom: &Dom) -> Self {
        let mut sheet = Self::default();
        let mut left = MAX_CSS;
        for id in dom.elements(0, "style") {
            let media = dom.attribute(id, "media").unwrap_or("all").to_ascii_lowercase();
            if !matches!(media.trim(), "" | "all" | "screen") {
                continue;
            }
            for css in dom.children(id).filter_map(|child| dom.text_of(child)) {
                if css.len() > left {
                    return sheet;
                }
                left -= css.len();
                sheet.read(&without_comments(css));
            }
        }
        sheet
    }

    fn read(&mut self, css: &str) {
        let mut rest = css;
        while let Some(open) = rest.find('{') {
            let prelude = rest[..open].rsplit(['}', ';']).next().unwrap_or_default().trim();
            let body = &rest[open + 1..];
            if prelude.starts_with('@') {
                let plain = matches!(prelude, "@media screen" | "@media all" | "@media only screen")
                    || prelude.starts_with("@layer");
                // What is inside a plain block is read as if it stood alone.
                rest = if plain { body } else { &body[block_end(body)..] };
                continue;
            }
            let end = body.find('}').unwrap_or(body.len());
            self.rule(prelude, &body[..end]);
            rest = body.get(end + 1..).unwrap_or_default();
        }
    }

    fn rule(&mut self, prelude: &str, declarations: &str) {
        if !patterns::matches(&SEEN_OR_NOT, declarations) {
            return;
        }
        let look = look(declarations);
        let hides = look.closed == Some(true) || look.vanished || look.faded;
        let shows = !hides
            && (look.closed.is_some()
                || ["opacity", "visib", "height"]
                    .iter()
                    .any(|sign| declarations.contains(sign)));
        for selector in prelude.split(',').map(str::trim) {
            let Some((tag, id, classes)) = compound(selector) else {
                if shows {
                    let last = selector.rsplit([' ', '>', '+', '~']).next().unwrap_or_default();
                    let last = last.split(':').next().unwrap_or_default();
                    keys(last).for_each(|key| self.show(&key));
                }
                continue;
            };
            let found_by = if !id.is_empty() {
                self.by_id.entry(id.clone())
            } else if let Some(class) = classes.last() {
                self.by_class.entry(class.clone())
            } else {
                self.by_tag.entry(tag.clone())
            };
            found_by.or_default().push(self.rules.len());
            let specificity = usize::from(!id.is_empty()) * 100 + classes.len() * 10 + usize::from(!tag.is_empty());
            let weight = (specificity, self.rules.len());
            if shows && classes.len() > 1 {
                self.shown_classes.extend(classes.iter().cloned());
            }
            self.rules.push(Rule {
                tag,
                id,
                classes,
                look,
                weight,
            });
        }
    }

    fn show(&mut self, key: &str) {
        if let Some(class) = key.strip_prefix('.') {
            self.shown_classes.insert(class.to_owned());
        } else if let Some(id) = key.strip_prefix('#') {
            self.shown_ids.insert(id.to_owned());
        }
    }

    /// How an element looks.
    pub fn look(&self, dom: &Dom, id: Id) -> Look {
        let mut out = if self.rules.is_empty() {
            Look::default()
        } else {
            self.ruled(dom, id)
        };
        if let Some(style) = dom.attribute(id, "style") {
            let own = look(style);
            out.closed = own.closed.or(out.closed);
            out.vanished |= own.vanished;
            out.faded |= own.faded;
            out.pictured |= own.pictured;
            out.text = own.text.or(out.text);
            out.back = own.back.or(out.back);
        }
        if let Some(colour) = dom.attribute(id, "color").filter(|_| dom.name(id) == "font") {
            out.text = out.text.or_else(|| Colour::parse(&colour.to_ascii_lowercase()));
        }
        if let Some(colour) = dom.attribute(id, "bgcolor") {
            out.back = out.back.or_else(|| Colour::parse(&colour.to_ascii_lowercase()));
        }
        if dom.attribute(id, "background").is_some() {
            out.pictured = true;
        }
        out
    }

    fn ruled(&self, dom: &Dom, id: Id) -> Look {
        let classes = dom.attribute(id, "class").unwrap_or_default();
        let own = dom.attribute(id, "id").unwrap_or_default();
        let mut matching: Vec<&Rule> = Vec::new();
        let mut seek = |rules: Option<&Vec<usize>>| {
            for index in rules.into_iter().flatten() {
                let rule = &self.rules[*index];
                if !dom.steps.take(4 + rule.classes.len() * classes.len() / 8) {
                    break;
                }
                let fits = (rule.tag.is_empty() || rule.tag == dom.name(id))
                    && (rule.id.is_empty() || rule.id == own)
                    && rule
                        .classes
                        .iter()
                        .all(|class| classes.split_ascii_whitespace().any(|it| it == class));
                if fits {
                    matching.push(rule);
                }
            }
        };
        seek(self.by_tag.get(dom.name(id)));
        let mut lifted = false;
        for class in classes.split_ascii_whitespace() {
            lifted |= self.shown_classes.contains(class);
            seek(self.by_class.get(class));
        }
        if !own.is_empty() {
            lifted |= self.shown_ids.contains(own);
            seek(self.by_id.get(own));
        }
        dom.steps.take(matching.len() * 4);
        matching.sort_by_key(|rule| rule.weight);
        let mut out = Look::default();
        for rule in matching {
            out.closed = rule.look.closed.or(out.closed);
            out.vanished |= rule.look.vanished;
            out.faded |= rule.look.faded;
            out.pictured |= rule.look.pictured;
            out.text = rule.look.text.or(out.text);
            out.back = rule.look.back.or(out.back);
        }
        if lifted {
            out.closed = None;
            out.vanished = false;
            out.faded = false;
        }
        out
    }
}

/// `tag#id.class.class`, or `None` for any other selector.
fn compound(selector: &str) -> Option<(String, String, Vec<String>)> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '#');
    if selector.is_empty() || !selector.chars().all(plain) {
        return None;
    }
    let tag_end = selector.find(['.', '#']).unwrap_or(selector.len());
    let tag = selector[..tag_end].to_ascii_lowercase();
    let mut id = String::new();
    let mut classes = Vec::new();
    for key in keys(selector) {
        match key.strip_prefix('#') {
            Some(own) => own.clone_into(&mut id),
            None => classes.extend(key.strip_prefix('.').map(str::to_owned)),
        }
    }
    Some((tag, id, classes))
}

/// The `.class` and `#id` parts of a compound selector.
fn keys(compound: &str) -> impl Iterator<Item = String> + '_ {
    let starts: Vec<usize> = compound.match_indices(['.', '#']).map(|(at, _)| at).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([compound.len()]).collect();
    starts
        .into_iter()
        .zip(ends)
        .map(|(from, to)| compound[from..to].to_owned())
}

fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(at) = rest.find("/*") {
        out.push_str(&rest[..at]);
        rest = rest[at + 2..].split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// Behind the brace that closes a block whose opening brace was read.
fn block_end(body: &str) -> usize {
    let mut depth = 1usize;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    body.len()
}
