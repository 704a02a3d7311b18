//! Bounds what the HTML parser gets, before it gets it.
//!
//! html5ever takes quadratic time on deep nesting, on many unclosed formatting elements and on many attributes of
//! one tag; 200,000 nested `div`s hang it. One linear scan over the source drops the tags beyond the bounds, so that
//! their text stays and only their structure is flattened. Where the scan cannot know how the parser will read a
//! construct, it counts too much rather than too little: then a tag is dropped needlessly, which is harmless.

use std::borrow::Cow;

/// Deepest nesting of elements handed to the parser.
pub(super) const MAX_DEPTH: usize = 512;
/// Most formatting elements open at once: the parser opens all of them again in every new block.
const MAX_FORMATTING: usize = 32;
/// Most attributes of one tag.
const MAX_ATTRIBUTES: usize = 256;

const VOID: &[&str] = &[
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "keygen", "link",
    "meta", "param", "source", "track", "wbr",
];
/// Elements that the parser closes by itself, so that an open one says nothing about depth.
const IMPLIED: &[&str] = &[
    "html", "head", "body", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot", "colgroup", "option",
    "optgroup", "rt", "rp", "rb", "rtc",
];
const FORMATTING: &[&str] = &[
    "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
/// Elements that a stray end tag of another kind cannot reach across.
const BARRIERS: &[&str] = &["table", "template", "applet", "marquee", "object", "svg", "math"];
/// Inline elements: their end tags do not reach across a block.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "bdi", "bdo", "cite", "data", "del", "dfn", "ins", "kbd", "label", "map", "mark", "meter",
    "output", "progress", "q", "ruby", "samp", "slot", "span", "sub", "sup", "time", "var", "picture", "video",
    "audio", "canvas",
];

/// The source with the tags beyond the bounds left out.
pub(super) fn bounded(html: &str) -> Cow<'_, str> {
    let mut scan = Scan {
        html,
        stack: Vec::new(),
        formatting: 0,
        foreign: 0,
    };
    let mut out = String::new();
    let (mut kept_from, mut at) = (0, 0);
    while let Some(offset) = html[at..].find('<') {
        let start = at + offset;
        let (end, keep) = scan.construct(start);
        if !keep {
            out.push_str(&html[kept_from..start]);
            kept_from = end;
        }
        at = end;
    }
    if kept_from == 0 {
        return Cow::Borrowed(html);
    }
    out.push_str(&html[kept_from..]);
    Cow::Owned(out)
}

struct Scan<'a> {
    html: &'a str,
    /// Names of the open elements that count.
    stack: Vec<&'a str>,
    /// Formatting elements opened and not closed by name.
    formatting: usize,
    /// Open `svg` and `math` elements; inside, any element nests.
    foreign: usize,
}

impl<'a> Scan<'a> {
    /// Takes what starts with the `<` at `start`; returns where it ends and whether it stays.
    fn construct(&mut self, start: usize) -> (usize, bool) {
        let bytes = self.html.as_bytes();
        match bytes.get(start + 1) {
            Some(b'!') if self.html[start..].starts_with("<!--") => (comment_end(self.html, start + 4), true),
            Some(b'!' | b'?') => (find_from(self.html, start, ">", 1), true),
            Some(b'/') if bytes.get(start + 2).is_some_and(u8::is_ascii_alphabetic) => {
                let name_end = name_end(bytes, start + 2);
                let (end, _) = tag_end(bytes, name_end);
                (end, self.close(&self.html[start + 2..name_end]))
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                let name_end = name_end(bytes, start + 1);
                let (end, attributes) = tag_end(bytes, name_end);
                let name = &self.html[start + 1..name_end];
                let keep = attributes <= MAX_ATTRIBUTES && self.open(name);
                let raw = self.foreign == 0 && ["script", "style"].iter().any(|raw| name.eq_ignore_ascii_case(raw));
                if keep && raw {
                    (raw_end(bytes, end, name), true)
                } else {
                    (end, keep)
                }
            }
            _ => (start + 1, true),
        }
    }

    fn open(&mut self, name: &'a str) -> bool {
        let is = |list: &[&str]| list.iter().any(|item| item.eq_ignore_ascii_case(name));
        if self.foreign == 0 && (is(VOID) || is(IMPLIED) || is(&["script", "style"])) {
            return true;
        }
        let formatting = is(FORMATTING);
        if formatting && self.formatting >= MAX_FORMATTING {
            return false;
        }
        if !formatting && !is(INLINE) {
            self.close_paragraph();
        }
        if is(&["a"]) {
            self.remove_nearest(name);
        }
        if self.stack.len() >= MAX_DEPTH {
            return false;
        }
        self.formatting += usize::from(formatting);
        self.foreign += usize::from(is(&["svg", "math"]));
        self.stack.push(name);
        true
    }

    /// A new block ends an open paragraph, and with it the inline elements left open in it.
    fn close_paragraph(&mut self) {
        let inline = |name: &&&str| {
            INLINE
                .iter()
                .chain(FORMATTING)
                .any(|item| item.eq_ignore_ascii_case(name))
        };
        let open = self.stack.iter().rev().take_while(inline).count();
        let at = self.stack.len() - open;
        if at > 0 && self.stack[at - 1].eq_ignore_ascii_case("p") {
            self.stack.truncate(at - 1);
        }
    }

    /// Takes an end tag; it is left out when its start tag may have been.
    fn close(&mut self, name: &str) -> bool {
        let is = |list: &[&str]| list.iter().any(|item| item.eq_ignore_ascii_case(name));
        if is(FORMATTING) {
            self.formatting = self.formatting.saturating_sub(1);
        }
        if is(FORMATTING) || is(&["a"]) {
            // The parser takes a misnested formatting element out of the middle.
            self.remove_nearest(name);
            return true;
        }
        let (inline, barrier) = (is(INLINE), is(BARRIERS));
        for index in (0..self.stack.len()).rev() {
            let open = self.stack[index];
            if open.eq_ignore_ascii_case(name) {
                let popped = self.stack.drain(index..);
                let left = popped.filter(|open| ["svg", "math"].iter().any(|item| open.eq_ignore_ascii_case(item)));
                self.foreign = self.foreign.saturating_sub(left.count());
                return true;
            }
            let blocks = |list: &[&str]| list.iter().any(|item| item.eq_ignore_ascii_case(open));
            if (!barrier && blocks(BARRIERS)) || (inline && !blocks(INLINE) && !blocks(FORMATTING)) {
                break;
            }
        }
        // An end tag without a start tag is ignored by the parser, except for `</p>` and `</br>`, which make one.
        self.stack.len() < MAX_DEPTH
    }

    fn remove_nearest(&mut self, name: &str) {
        if let Some(index) = self.stack.iter().rposition(|open| open.eq_ignore_ascii_case(name)) {
            self.stack.remove(index);
        }
    }
}

fn name_end(bytes: &[u8], start: usize) -> usize {
    let stop = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
    bytes[start..]
        .iter()
        .position(stop)
        .map_or(bytes.len(), |offset| start + offset)
}

/// The end of a tag (after its `>`) and how many attributes it has, by the tokenizer's own states: a quote counts
/// only directly after an equals sign.
fn tag_end(bytes: &[u8], start: usize) -> (usize, usize) {
    let (mut at, mut attributes) = (start, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'>' => return (at + 1, attributes),
            b'/' | b' ' | b'\t' | b'\n' | b'\r' | 0x0c => at += 1,
            _ => {
                attributes += 1;
                at = attribute_end(bytes, at);
            }
        }
    }
    (bytes.len(), attributes)
}

fn attribute_end(bytes: &[u8], start: usize) -> usize {
    // The first byte belongs to the name even when it is an equals sign.
    let mut at = start + 1;
    while bytes
        .get(at)
        .is_some_and(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>' | b'='))
    {
        at += 1;
    }
    let blank = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let equals = at.min(bytes.len()) + blank(at.min(bytes.len()));
    if bytes.get(equals) != Some(&b'=') {
        return at.min(bytes.len());
    }
    at = equals + 1 + blank(equals + 1);
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some(&quote @ (b'"' | b'\'')) = rest.first() {
        let closing = rest[1..].iter().position(|byte| *byte == quote);
        return closing.map_or(bytes.len(), |offset| at + 2 + offset);
    }
    let stop = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'>';
    rest.iter().position(stop).map_or(bytes.len(), |offset| at + offset)
}

/// A comment ends at `-->` or `--!>`, and at once when it is `<!-->` or `<!--->`.
fn comment_end(html: &str, start: usize) -> usize {
    let rest = &html[start..];
    if rest.starts_with('>') {
        return start + 1;
    }
    if rest.starts_with("->") {
        return start + 2;
    }
    let mut at = start;
    while let Some(offset) = html[at..].find("--") {
        let after = &html[at + offset + 2..];
        if after.starts_with('>') {
            return at + offset + 3;
        }
        if after.starts_with("!>") {
            return at + offset + 4;
        }
        at += offset + 1;
    }
    html.len()
}

fn raw_end(bytes: &[u8], start: usize, name: &str) -> usize {
    let name = name.as_bytes();
    let mut at = start;
    while let Some(offset) = bytes[at..].iter().position(|byte| *byte == b'<') {
        let tag = at + offset;
        let closes = bytes.get(tag + 1) == Some(&b'/')
            && bytes
                .get(tag + 2..tag + 2 + name.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(name));
        if closes {
            return tag;
        }
        at = tag + 1;
    }
    bytes.len()
}

fn find_from(html: &str, start: usize, needle: &str, length: usize) -> usize {
    html[start..]
        .find(needle)
        .map_or(html.len(), |offset| start + offset + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sane_pages_pass_untouched() {
        let page = "<!doctype html><p>a<p>b<ul><li>x<li>y</ul><a href='>'>q</a><script>if (a<b) '<div>'</script><br/>";
        assert!(matches!(bounded(page), Cow::Borrowed(_)));
        let rows = format!("<table>{}</table>", "<tr><td>x<td>y".repeat(2000));
        assert!(matches!(bounded(&rows), Cow::Borrowed(_)));
        let paragraphs = "<p><span>open".repeat(3000);
        assert!(matches!(bounded(&paragraphs), Cow::Borrowed(_)));
        let cards = "<div><a href=x><h2>t</a></h2></div>".repeat(3000);
        assert!(matches!(bounded(&cards), Cow::Borrowed(_)));
    }

    #[test]
    fn depth_is_flattened_and_text_stays() {
        let deep = format!("{}text{}<p>after", "<div>".repeat(10_000), "</div>".repeat(10_000));
        let flat = bounded(&deep);
        assert_eq!(flat.matches("<div>").count(), MAX_DEPTH);
        assert!(flat.contains("text") && flat.ends_with("<p>after"));
    }

    #[test]
    fn disguised_depth_is_seen() {
        for unit in [
            "<span><div></span>",
            "<svg><td>",
            "<b id=1>x",
            "<div \">",
            "<svg><title><div>",
            "<!--><section>",
        ] {
            let flat = bounded(&unit.repeat(20_000)).into_owned();
            let name = unit.rsplit('<').find(|part| !part.starts_with('/')).unwrap();
            let name = name.split([' ', '>']).next().unwrap();
            assert!(flat.matches(&format!("<{name}")).count() <= MAX_DEPTH, "{unit}");
        }
    }

    #[test]
    fn endless_attributes_go() {
        let tag = format!("<div{}>text</div>", " a=1".repeat(100_000));
        assert_eq!(bounded(&tag), "text</div>");
    }

    #[test]
    fn cut_anywhere_it_ends() {
        let page = "<!-- c --!><div a = 'x' b=\"y\" c=z d/><script>x</script></div><![CDATA[x]]><?x?></p><é>";
        for end in (0..=page.len()).filter(|end| page.is_char_boundary(*end)) {
            assert_eq!(bounded(&page[..end]), page[..end]);
        }
    }
}
