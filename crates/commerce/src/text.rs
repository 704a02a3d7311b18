//! Descriptions as plain text: what stands in elements, without the elements.

/// Elements whose text nobody reads.
const SILENT: [&str; 4] = ["script", "style", "template", "noscript"];
/// Elements that words on both sides of them stay joined through.
const INLINE: [&str; 14] = [
    "a", "abbr", "b", "bdi", "code", "em", "font", "i", "mark", "small", "span", "strong", "sub", "u",
];
/// Longest name of an element that is looked at.
const NAME: usize = 20;

/// The text of some HTML: a line for each block, `- ` before the items of lists. Linear in its input, and nothing of it is markup
/// that a browser would follow: a `<` that begins no element stays a character.
pub(crate) fn plain(html: &str) -> String {
    let mut lines = String::new();
    let mut rest = html;
    let mut silent: Option<&str> = None;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        if silent.is_none() {
            lines.push_str(&decoded(before));
        }
        let (name, after) = element(tag);
        rest = after;
        match (silent, name.as_deref()) {
            (Some(element), Some(name)) if name.strip_prefix('/') == Some(element) => silent = None,
            (Some(_), _) => {}
            (None, None) => lines.push('<'),
            (None, Some(name)) => {
                silent = SILENT.into_iter().find(|element| *element == name);
                if name == "li" {
                    lines.push_str("\n- ");
                } else if !INLINE.contains(&name.trim_start_matches('/')) {
                    lines.push('\n');
                }
            }
        }
    }
    if silent.is_none() {
        lines.push_str(&decoded(rest));
    }
    let lines = lines
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines
        .filter(|line| !line.is_empty() && line != "-")
        .collect::<Vec<_>>()
        .join("\n")
}

/// The name of the element or comment that the text begins with, and what comes after it; no name if it begins with neither.
fn element(tag: &str) -> (Option<String>, &str) {
    if let Some(comment) = tag.strip_prefix("<!--") {
        let after = comment.split_once("-->").map_or("", |(_, after)| after);
        return (Some("span".to_owned()), after);
    }
    let inner = &tag[1..];
    if !inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
        return (None, inner);
    }
    let name: String = inner
        .chars()
        .take(NAME)
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
        .collect();
    let after = inner.split_once('>').map_or("", |(_, after)| after);
    (Some(name.trim_end_matches('/').to_ascii_lowercase()), after)
}

/// With the usual character references resolved, once.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(10).position(|b| b == b';');
        if let Some((c, end)) = end.and_then(|end| Some((character(&rest[1..end])?, end))) {
            out.push(c);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    let number = match name.strip_prefix('#') {
        Some(hex) if hex.starts_with(['x', 'X']) => u32::from_str_radix(&hex[1..], 16).ok(),
        Some(decimal) => decimal.parse().ok(),
        None => None,
    };
    if let Some(number) = number {
        return char::from_u32(number).filter(|c| !c.is_control());
    }
    let known = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", ' '),
        ("ndash", '–'),
        ("mdash", '—'),
        ("hellip", '…'),
        ("euro", '€'),
        ("pound", '£'),
        ("deg", '°'),
        ("times", '×'),
    ];
    known.into_iter().find_map(|(known, c)| (known == name).then_some(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_are_lines_and_what_nobody_reads_is_left_out() {
        let html = "<p>Holds <b>half</b> a litre.</p><ul><li>Dishwasher&nbsp;safe</li><li>3 &lt; 5</li></ul><script>alert('<p>no</p>')</script><style>p{}</style>Made in<br/>Norway<!-- <p>hidden</p> -->.";
        assert_eq!(
            plain(html),
            "Holds half a litre.\n- Dishwasher safe\n- 3 < 5\nMade in\nNorway."
        );
    }

    #[test]
    fn what_is_no_markup_stays() {
        assert_eq!(plain("3 < 5 & 7 > 6"), "3 < 5 & 7 > 6");
        assert_eq!(
            plain("R&D &amp;amp; &#8217;tis &#x1F600; &#0; &unknown;"),
            "R&D &amp; ’tis 😀 &#0; &unknown;"
        );
        assert_eq!(plain("unclosed <b"), "unclosed");
        assert_eq!(plain(""), "");
    }

    proptest! {
        #[test]
        fn any_text_is_taken(html in "(<[a-z/!?-]{0,5}>?|&[#a-z0-9x]{0,8};?|.){0,60}") {
            let _ = plain(&html);
        }
    }
}
