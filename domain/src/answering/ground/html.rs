//! Markup in a model's prose. An answer is Markdown: harmless tags are dropped around their words, and a piece that tries to run,
//! load or ask for something is not shown at all.
use super::quoted::{make_way, parts};

pattern!(
    ACTIVE,
    r"(?i)<\s*[/!]?\s*(?:script|iframe|object|embed|svg|math|style|link|meta|base|form|input|button|textarea|select|video|audio|img|image|picture|source|template|marquee|body|html|head|frame|frameset|applet|noscript|dialog|details|portal|xml|!\[cdata)|<[^<>\n]*\b(?:on[a-z]{3,20}|href|src|srcdoc|style|action|formaction|data|background|xlink:href)\s*=|\b(?:java|vb|live)\s*script\s*:|expression\s*\(|<\?"
);
pattern!(TAG, r"<[/!]?[A-Za-z][^<>\n]{0,200}>|<!--.*?(?:-->|$)|-->");
pattern!(OPEN, r"<([A-Za-z/!?])");
pattern!(
    ENTITY,
    r"(?i)&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(lt|gt|quot|apos|amp|colon|lpar|rpar|sol|nbsp|tab|newline|period|commat));?"
);

/// `text` without tags; none if it is more than markup. `quoted` says whether a span of code stands in a passage as it is.
///
/// What code is must be what `CommonMark` takes for it: its spans stand between single backticks then, and there are no other ones.
pub fn plain(text: &str, quoted: impl Fn(&str) -> bool) -> Option<String> {
    let start = text.trim_start();
    // The other way to begin a block of code.
    let text = if start.starts_with("~~~") {
        start.trim_start_matches('~')
    } else {
        text
    };
    let mut out = String::new();
    for (is_code, part) in parts(text) {
        let inner = part.trim_matches('`');
        let code = is_code && !inner.contains('`') && !inner.trim().is_empty();
        let shown = if code && quoted(inner) {
            inner.to_owned()
        } else {
            bare(inner)?.replace('`', "")
        };
        if code {
            make_way(&mut out);
            out.extend(["`", &shown, "`"]);
        } else {
            out.push_str(&shown);
        }
    }
    out.truncate(out.trim_end_matches('\\').len());
    Some(out)
}

/// Text that is not code without tags; none if it is more than markup.
fn bare(text: &str) -> Option<String> {
    let said = decoded(text);
    if ACTIVE.is_match(text) || ACTIVE.is_match(&said) {
        return None;
    }
    let source = if TAG.is_match(&said) && !TAG.is_match(text) {
        &said
    } else {
        text
    };
    Some(OPEN.replace_all(&TAG.replace_all(source, ""), "$1").into_owned())
}

/// Whether a line has nothing in it that could be markup, written out or by references.
pub fn is_none(line: &str) -> bool {
    let said = decoded(line);
    [line, &said]
        .iter()
        .all(|text| !ACTIVE.is_match(text) && !TAG.is_match(text) && !OPEN.is_match(text))
}

/// With character references resolved, twice, for those that hide one in another.
fn decoded(text: &str) -> String {
    let once = |text: &str| {
        ENTITY
            .replace_all(text, |c: &regex::Captures<'_>| reference(c))
            .into_owned()
    };
    once(&once(text))
}

fn reference(c: &regex::Captures<'_>) -> String {
    let number = c
        .get(1)
        .map(|hex| u32::from_str_radix(hex.as_str(), 16))
        .or_else(|| c.get(2).map(|n| n.as_str().parse()));
    if let Some(number) = number {
        return number
            .ok()
            .and_then(char::from_u32)
            .map(String::from)
            .unwrap_or_default();
    }
    let name = c
        .get(3)
        .map(|name| name.as_str().to_ascii_lowercase())
        .unwrap_or_default();
    let meant = match name.as_str() {
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        "amp" => "&",
        "colon" => ":",
        "lpar" => "(",
        "rpar" => ")",
        "sol" => "/",
        "period" => ".",
        "commat" => "@",
        _ => " ",
    };
    meant.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_what_acts_goes_whole() {
        let nothing = |_: &str| false;
        assert_eq!(
            plain("It is <b>two</b> days<br/> <!-- x -->long, 3 < 4.", nothing).unwrap(),
            "It is two days long, 3 < 4."
        );
        for bad in [
            "<script>alert(1)</script>",
            "hi <img src=x onerror=alert(1)>",
            "<a href=\"https://evil.example\">here</a>",
            "&lt;script&gt;x",
            "&#60;iframe src=x",
            "&amp;lt;script",
            "<x onclick=1>y</x>",
            "go java\u{73}cript:alert(1)",
            "`<svg/onload=x>`",
            "`a`<img src=x>`b`",
            r"\`<img src=x>`",
            "`` ` ``<img src=x>`` ` ``",
            "`<img src=x>",
        ] {
            assert_eq!(plain(bad, nothing), None, "{bad}");
        }
        assert_eq!(
            plain("paste `<script src=x>`", |code| code == "<script src=x>").unwrap(),
            "paste `<script src=x>`"
        );
    }

    #[test]
    fn code_is_what_every_renderer_takes_for_it() {
        let tag = |code: &str| code == "<img src=x>";
        for (text, shown) in [
            ("a `<img src=x>` b", Some("a `<img src=x>` b")),
            ("a ``<img src=x>`` b", Some("a `<img src=x>` b")),
            (r"a \`<img src=x>` b", Some("a `<img src=x>` b")),
            ("a `` ` ``<img src=x>`` ` `` b", None),
            ("a ```<img src=x>` b", None),
            ("a ``b` c", Some("a b c")),
            ("`a` ``b`c`` ` d", Some("`a` bc  d")),
            ("~~~ a `b`", Some(" a `b`")),
            ("`a````b`", Some("ab")),
            ("`a` `` `b`", Some("`a`  `b`")),
            (r"a\", Some("a")),
            ("a &lt;b&gt;&#96;", Some("a ")),
        ] {
            assert_eq!(plain(text, tag).as_deref(), shown, "{text}");
        }
    }
}
