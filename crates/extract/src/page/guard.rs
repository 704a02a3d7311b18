//! Bounds what the HTML parser gets, before it gets it, and leaves out what nobody reads.
//!
//! html5ever takes quadratic time on deep nesting, on many unclosed formatting elements and on many attributes of
//! one tag; 200,000 nested `div`s hang it. One linear scan over the source drops the tags beyond the bounds, so that
//! their text stays and only their structure is flattened. Where the scan cannot know how the parser will read a
//! construct, it counts too much rather than too little: then a tag is dropped needlessly, which is harmless.
//!
//! About half of a usual page is scripts, and attributes for scripts and style sheets. The parser would spend most of its time
//! on them, so the scan takes them out where it is sure that they are what they look like.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::patterns::FORUM_ITEMS;

/// Deepest nesting of elements handed to the parser.
pub(super) const MAX_DEPTH: usize = 512;
/// Most formatting elements open at once: the parser opens all of them again in every new block.
const MAX_FORMATTING: usize = 32;
/// Most start tags of one page: the tree of so many takes some 80 MB.
const MAX_TAGS: usize = 300_000;
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

/// Elements in which the parser may see text where the scan sees tags.
const TEXTUAL: &[&str] = &["title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext"];
/// The attributes that extraction asks for, and the few that the parser itself looks at, sorted.
pub(super) const ATTRIBUTES: &[&str] = &[
    "aria-controls",
    "aria-expanded",
    "aria-hidden",
    "aria-live",
    "background",
    "bgcolor",
    "class",
    "color",
    "colspan",
    "content",
    "data",
    "data-aos",
    "data-bs-target",
    "data-cfemail",
    "data-nosnippet",
    "data-target",
    "datetime",
    "encoding",
    "face",
    "hidden",
    "href",
    "hreflang",
    "http-equiv",
    "id",
    "itemprop",
    "itemref",
    "itemscope",
    "itemtype",
    "lang",
    "media",
    "name",
    "property",
    "rel",
    "role",
    "rowspan",
    "shadowrootmode",
    "size",
    "src",
    "start",
    "style",
    "type",
    "typeof",
    "value",
    "xml:lang",
];

/// The source without the tags beyond the bounds, and without scripts and attributes that nobody reads.
pub(super) fn bounded(html: &str) -> Cow<'_, str> {
    let mut scan = Scan {
        html,
        stack: Vec::new(),
        formatting: 0,
        foreign: 0,
        tags: 0,
        textual: None,
        unread: Vec::new(),
        out: String::new(),
        kept_from: 0,
    };
    let mut at = 0;
    while let Some(offset) = memchr(b'<', &html.as_bytes()[at..]) {
        at = scan.construct(at + offset);
    }
    if scan.kept_from == 0 {
        return Cow::Borrowed(html);
    }
    scan.skip(html.len(), html.len());
    Cow::Owned(scan.out)
}

struct Scan<'a> {
    html: &'a str,
    /// Names of the open elements that count.
    stack: Vec<&'a str>,
    /// Formatting elements opened and not closed by name.
    formatting: usize,
    /// Open `svg` and `math` elements; inside, any element nests.
    foreign: usize,
    /// Start tags so far.
    tags: usize,
    /// The open element of [`TEXTUAL`], in which everything stays as it is.
    textual: Option<&'a str>,
    /// Where the attributes of the current tag stand that nobody reads.
    unread: Vec<(usize, usize)>,
    out: String,
    /// What is kept and not in `out` yet begins here.
    kept_from: usize,
}

impl<'a> Scan<'a> {
    /// Leaves a part of the source out.
    fn skip(&mut self, from: usize, to: usize) {
        self.out.push_str(&self.html[self.kept_from..from]);
        self.kept_from = to;
    }

    /// Takes what starts with the `<` at `start`; returns where it ends.
    fn construct(&mut self, start: usize) -> usize {
        let bytes = self.html.as_bytes();
        match bytes.get(start + 1) {
            Some(b'!') if self.html[start..].starts_with("<!--") => comment_end(self.html, start + 4),
            Some(b'!' | b'?') => memchr(b'>', &bytes[start..]).map_or(bytes.len(), |offset| start + offset + 1),
            Some(b'/') if bytes.get(start + 2).is_some_and(u8::is_ascii_alphabetic) => {
                let name_end = name_end(bytes, start + 2);
                let (end, _) = self.tag_end(name_end);
                let name = &self.html[start + 2..name_end];
                self.textual = self.textual.filter(|open| !open.eq_ignore_ascii_case(name));
                if !self.close(name) {
                    self.skip(start, end);
                }
                end
            }
            Some(byte) if byte.is_ascii_alphabetic() => self.start_tag(start),
            _ => start + 1,
        }
    }

    fn start_tag(&mut self, start: usize) -> usize {
        let bytes = self.html.as_bytes();
        let name_end = name_end(bytes, start + 1);
        let (end, attributes) = self.tag_end(name_end);
        let name = &self.html[start + 1..name_end];
        let is = |list: &[&str]| list.iter().any(|item| item.eq_ignore_ascii_case(name));
        if attributes > MAX_ATTRIBUTES || !self.open(name) {
            self.skip(start, end);
            return end;
        }
        let plain = self.textual.is_none();
        if plain {
            for (from, to) in std::mem::take(&mut self.unread) {
                self.skip(from, to);
            }
        }
        if plain && is(TEXTUAL) {
            self.textual = Some(name);
        }
        if self.foreign > 0 || !is(&["script", "style"]) {
            return end;
        }
        let close = raw_end(bytes, end, name);
        if plain && is(&["script"]) && !is_read(&self.html[start..end], &self.html[end..close]) {
            self.skip(end, close);
        }
        close
    }

    /// The end of a tag (after its `>`) and how many attributes it has, by the tokenizer's own states: a quote counts
    /// only directly after an equals sign. Notes which of them nobody reads.
    fn tag_end(&mut self, start: usize) -> (usize, usize) {
        let bytes = self.html.as_bytes();
        self.unread.clear();
        let (mut at, mut attributes) = (start, 0);
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'>' => return (at + 1, attributes),
                b'/' | b' ' | b'\t' | b'\n' | b'\r' | 0x0c => at += 1,
                _ => {
                    attributes += 1;
                    let (name_end, end) = attribute_end(bytes, at);
                    let name = &self.html[at..name_end];
                    if !is_asked_for(name) {
                        self.unread.push((at, end));
                    }
                    at = end;
                }
            }
        }
        self.unread.clear();
        (bytes.len(), attributes)
    }

    fn open(&mut self, name: &'a str) -> bool {
        let is = |list: &[&str]| list.iter().any(|item| item.eq_ignore_ascii_case(name));
        self.tags += 1;
        if self.tags > MAX_TAGS && !is(&["script", "style"]) && !is(TEXTUAL) {
            return false;
        }
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

/// Whether the parser or the extraction looks at an attribute of this name, in any case.
fn is_asked_for(name: &str) -> bool {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return ATTRIBUTES.binary_search(&&*name.to_ascii_lowercase()).is_ok();
    }
    ATTRIBUTES.binary_search(&name).is_ok()
}

fn name_end(bytes: &[u8], start: usize) -> usize {
    let stop = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
    bytes[start..]
        .iter()
        .position(stop)
        .map_or(bytes.len(), |offset| start + offset)
}

/// Where the name of an attribute ends, and the attribute.
fn attribute_end(bytes: &[u8], start: usize) -> (usize, usize) {
    // The first byte belongs to the name even when it is an equals sign.
    let stop = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'=');
    let name = bytes[start + 1..].iter().position(stop);
    let name_end = name.map_or(bytes.len(), |length| start + 1 + length);
    let blank = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let equals = name_end + blank(name_end);
    if bytes.get(equals) != Some(&b'=') {
        return (name_end, name_end);
    }
    let at = equals + 1 + blank(equals + 1);
    let rest = bytes.get(at..).unwrap_or_default();
    let end = if let Some(&quote @ (b'"' | b'\'')) = rest.first() {
        memchr(quote, &rest[1..]).map(|length| at + 2 + length)
    } else {
        let stop = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'>';
        rest.iter().position(stop).map(|length| at + length)
    };
    (name_end, end.unwrap_or(bytes.len()))
}

/// Whether extraction looks into a script: structured data, or what tells a forum. One with a comment may not end where it seems
/// to, and its type may be written with entities.
fn is_read(tag: &str, script: &str) -> bool {
    let contains = |mark: &str| memmem::find(script.as_bytes(), mark.as_bytes()).is_some();
    let tag = tag.to_ascii_lowercase();
    tag.contains("ld+json") || tag.contains('&') || contains("<!--") || FORUM_ITEMS.iter().any(|item| contains(item))
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
    while let Some(offset) = memchr(b'<', &bytes[at..]) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sane_pages_pass_untouched() {
        let page = "<!doctype html><p>a<p>b<ul><li>x<li>y</ul><a href='>'>q</a><script type='application/ld+json'>{}</script><br/>\
            <title>The <a data-x=1> element</title>";
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
    fn what_nobody_reads_goes() {
        let page =
            "<a data-x='>' href=/y data-y=\"1\"class=b _z>t</a><svg viewBox='0 0 1 1' d='1'/><p onclick = 'x' Id=q>";
        assert_eq!(bounded(page), "<a  href=/y class=b >t</a><svg  /><p  Id=q>");
        assert_eq!(bounded("<script>if (a<b) '<div>'</script>x"), "<script></script>x");
        for read in [
            "<script type='Application/LD+JSON'>{}</script>",
            "<script>{\"@type\":\"QAPage\"}</script>",
            "<script><!-- '<script></script>' --></script>",
            "<title><p data-x=1></title><textarea><script>x</script></textarea>",
        ] {
            assert_eq!(bounded(read), read);
        }
        assert!(ATTRIBUTES.is_sorted());
    }

    #[test]
    fn cut_anywhere_it_ends() {
        let page =
            "<!-- c --!><div id = 'x' class=\"y\" name=z hidden/><style>x</style></div><![CDATA[x]]><?x?></p><é>";
        for end in (0..=page.len()).filter(|end| page.is_char_boundary(*end)) {
            assert_eq!(bounded(&page[..end]), page[..end]);
        }
    }
}
