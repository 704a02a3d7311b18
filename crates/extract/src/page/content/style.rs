//! The little of CSS that says whether text can be seen: declarations of `style` attributes, and the rules of `<style>`
//! elements whose selector is one compound of tag, id and classes.
//!
//! Rules of combined selectors never hide anything here, and one that shows what a simple rule hides (a state such as
//! `.tab.active`) lifts it: a wrong "hidden" loses content, which is the worse mistake.

use std::collections::{HashMap, HashSet};

use super::super::dom::{Dom, Id};

/// Most bytes of style rules that are read.
const MAX_CSS: usize = 512 * 1024;

/// A colour as far as it matters: `rgb`, and whether it is fully transparent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour([u8; 3], bool);

impl Colour {
    pub const WHITE: Self = Self([255; 3], false);

    pub fn is_clear(self) -> bool {
        self.1
    }

    /// No eye tells the two apart.
    pub fn is_close(self, other: Self) -> bool {
        !self.1 && !other.1 && self.0.iter().zip(other.0).all(|(a, b)| a.abs_diff(b) <= 8)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches("!important").trim();
        if let Some(hex) = text.strip_prefix('#') {
            let digit = |at: usize| hex.get(at..=at).and_then(|c| u8::from_str_radix(c, 16).ok());
            let pair = |at: usize| hex.get(at..at + 2).and_then(|c| u8::from_str_radix(c, 16).ok());
            return match hex.len() {
                3 => Some(Self([digit(0)? * 17, digit(1)? * 17, digit(2)? * 17], false)),
                4 => Some(Self([digit(0)? * 17, digit(1)? * 17, digit(2)? * 17], digit(3)? == 0)),
                6 => Some(Self([pair(0)?, pair(2)?, pair(4)?], false)),
                8 => Some(Self([pair(0)?, pair(2)?, pair(4)?], pair(6)? == 0)),
                _ => None,
            };
        }
        if let Some(inside) = text.strip_prefix("rgba(").or_else(|| text.strip_prefix("rgb(")) {
            let parts: Vec<&str> = inside
                .trim_end_matches(')')
                .split([',', ' ', '/'])
                .filter(|part| !part.is_empty())
                .collect();
            let channel = |at: usize| {
                parts
                    .get(at)
                    .and_then(|part| part.parse::<f32>().ok())
                    .map(|v| v.clamp(0.0, 255.0) as u8)
            };
            let clear = parts
                .get(3)
                .is_some_and(|part| number(part).is_some_and(|(v, _)| v <= 0.05));
            return Some(Self([channel(0)?, channel(1)?, channel(2)?], clear));
        }
        Some(match text {
            "transparent" => Self([0; 3], true),
            "white" => Self::WHITE,
            "black" => Self([0; 3], false),
            "red" => Self([255, 0, 0], false),
            "green" => Self([0, 128, 0], false),
            "blue" => Self([0, 0, 255], false),
            "yellow" => Self([255, 255, 0], false),
            "gray" | "grey" => Self([128; 3], false),
            "silver" => Self([192; 3], false),
            _ => return None,
        })
    }
}

/// How an element looks by the declarations that apply to it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Not displayed, which a script or a state may change; `None` where no declaration says.
    pub closed: Option<bool>,
    /// Displayed so that nobody sees it.
    pub vanished: bool,
    pub text: Option<Colour>,
    pub back: Option<Colour>,
    /// A background that is not one known colour.
    pub pictured: bool,
}

/// The declarations of one element, later ones last.
fn look(declarations: &str) -> Look {
    let mut out = Look::default();
    let mut tiny = (false, false, false);
    let mut placed = false;
    let mut away = false;
    for declaration in declarations.split(';') {
        let Some((name, value)) = declaration.split_once(':') else {
            continue;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase());
        let value = value.trim_end_matches("!important").trim();
        let zero = || number(value).is_some_and(|(v, _)| v == 0.0);
        let far = || number(value).is_some_and(|(v, unit)| is_far(-v, unit));
        match name.as_str() {
            "display" => out.closed = Some(value == "none"),
            "visibility" => out.vanished |= matches!(value, "hidden" | "collapse"),
            "content-visibility" => out.vanished |= value == "hidden",
            "opacity" => {
                out.vanished |= number(value).is_some_and(|(v, unit)| v <= if unit == "%" { 5.0 } else { 0.05 });
            }
            "font-size" => {
                out.vanished |= number(value).is_some_and(|(v, unit)| {
                    v * if matches!(unit, "em" | "rem") {
                        16.0
                    } else if unit == "%" {
                        0.16
                    } else {
                        1.0
                    } <= 2.0
                });
            }
            "zoom" | "scale" => out.vanished |= zero(),
            "position" => placed = matches!(value, "absolute" | "fixed"),
            "left" | "top" | "right" | "bottom" => away |= far(),
            "text-indent" | "margin-left" | "margin-top" | "margin-right" => out.vanished |= far(),
            "clip" => {
                out.vanished |= value.starts_with("rect(") && !value[5..].contains(|c: char| ('2'..='9').contains(&c));
            }
            "clip-path" => {
                out.vanished |= ["inset(50%", "inset(100%", "circle(0", "polygon(0 0)", "polygon(0px 0px"]
                    .iter()
                    .any(|it| value.starts_with(it));
            }
            "transform" => out.vanished |= hides_by_transform(value),
            "filter" => out.vanished |= value.replace(' ', "").contains("opacity(0"),
            "width" | "max-width" => tiny.0 |= is_tiny(value),
            "height" | "max-height" => tiny.1 |= is_tiny(value),
            "overflow" | "overflow-x" | "overflow-y" => tiny.2 |= matches!(value, "hidden" | "clip"),
            "color" | "-webkit-text-fill-color" => out.text = Colour::parse(value).or(out.text),
            "background" | "background-color" | "background-image" => match Colour::parse(value) {
                Some(colour) if colour.is_clear() => {}
                Some(colour) => out.back = Some(colour),
                None => out.pictured |= !matches!(value, "none" | "inherit" | "initial"),
            },
            _ => {}
        }
    }
    out.vanished |= placed && away;
    // A height of nothing alone is how accordions close.
    if tiny.2 && tiny.1 {
        if tiny.0 {
            out.vanished = true;
        } else {
            out.closed = Some(true);
        }
    }
    out
}

fn hides_by_transform(value: &str) -> bool {
    let inside = |name: &str| value.split(name).nth(1).and_then(|rest| rest.split(')').next());
    let nothing = ["scale(", "scalex(", "scaley(", "scale3d("].iter().any(|name| {
        inside(name).is_some_and(|it| it.split(',').next().and_then(number).is_some_and(|(v, _)| v == 0.0))
    });
    let away = ["translate(", "translatex(", "translatey(", "translate3d("]
        .iter()
        .any(|name| {
            inside(name).is_some_and(|it| {
                it.split(',')
                    .filter_map(number)
                    .any(|(v, unit)| unit != "%" && is_far(-v, unit))
            })
        });
    nothing || away
}

fn is_tiny(value: &str) -> bool {
    number(value).is_some_and(|(v, unit)| v == 0.0 || unit == "px" && v <= 1.0)
}

/// Further out than any layout reaches, to the left or above.
fn is_far(distance: f32, unit: &str) -> bool {
    match unit {
        "em" | "rem" => distance >= 60.0,
        "%" | "vw" | "vh" => distance >= 100.0,
        _ => distance >= 900.0,
    }
}

fn number(text: &str) -> Option<(f32, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+'))
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

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
pub(super) struct Sheet {
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
        const SIGNS: [&str; 13] = [
            "display",
            "visib",
            "opacity",
            "font-size",
            "indent",
            "left",
            "top",
            "clip",
            "color",
            "transform",
            "background",
            "height",
            "right",
        ];
        if !SIGNS.iter().any(|sign| declarations.contains(sign)) {
            return;
        }
        let look = look(declarations);
        let hides = look.closed == Some(true) || look.vanished;
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
        matching.sort_by_key(|rule| rule.weight);
        let mut out = Look::default();
        for rule in matching {
            out.closed = rule.look.closed.or(out.closed);
            out.vanished |= rule.look.vanished;
            out.pictured |= rule.look.pictured;
            out.text = rule.look.text.or(out.text);
            out.back = rule.look.back.or(out.back);
        }
        if lifted {
            out.closed = None;
            out.vanished = false;
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
