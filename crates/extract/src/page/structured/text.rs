//! Texts of structured data: short, plain, and without what no reader can see.

use crate::page::{
    dom::{Data, Dom, Id, push_collapsed, runs_on},
    guard,
};

/// Characters kept of a name, and of a description or an answer.
pub(super) const SHORT: usize = 300;
pub(super) const LONG: usize = 4000;
/// Nodes looked at for one text, so that a deep tree of properties costs no square.
const MAX_NODES: usize = 5000;

/// The text below a node with white space collapsed, hidden elements and scripts left out, at most `limit` characters.
pub(super) fn visible(dom: &Dom, id: Id, limit: usize) -> String {
    let mut out = String::new();
    let end = dom.nodes[id].end;
    let (mut at, mut visits) = (id, 0);
    while at < end && visits < MAX_NODES && out.len() < limit * 4 && dom.steps.take(1) {
        visits += 1;
        match &dom.nodes[at].data {
            Data::Text(text) => push_collapsed(&mut out, text),
            Data::Element { name, .. } => {
                let skipped = matches!(&**name, "script" | "style" | "template" | "noscript" | "svg");
                if skipped || (at != id && is_unseen(dom, at)) {
                    at = dom.nodes[at].end;
                    continue;
                }
                if !runs_on(name) && !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
            }
        }
        at += 1;
    }
    cut(out.trim(), limit)
}

/// Whether an element says itself that no reader sees it. The content's own rules know more; these hold for fragments, too.
pub(super) fn is_unseen(dom: &Dom, id: Id) -> bool {
    if dom.attribute(id, "hidden").is_some() || dom.attribute(id, "aria-hidden") == Some("true") {
        return true;
    }
    let Some(style) = dom.attribute(id, "style") else {
        return false;
    };
    dom.steps.take_text(style.len());
    let style: String = style.chars().filter(|c| !c.is_whitespace()).take(1000).collect();
    let style = style.to_ascii_lowercase();
    let signs = [
        "display:none",
        "visibility:hidden",
        "left:-999",
        "top:-999",
        "text-indent:-999",
        "opacity:0;",
        "font-size:0;",
        "font-size:0p",
        "clip:rect(0",
    ];
    signs.iter().any(|sign| style.contains(sign)) || style.ends_with("opacity:0") || style.ends_with("font-size:0")
}

/// A text that may be HTML, even HTML escaped once more, as plain text.
pub(super) fn plain(text: &str, limit: usize) -> String {
    // Markup takes space, but not without end.
    let text = &cut(text, limit * 20);
    if !text.contains(['<', '&']) {
        return cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), limit);
    }
    let once = strip(text, limit);
    let escaped = once.contains("</") || once.contains("<br") || once.contains("<p>");
    if escaped { strip(&once, limit) } else { once }
}

fn strip(html: &str, limit: usize) -> String {
    visible(&Dom::parse(&guard::bounded(html)), 0, limit)
}

/// The first `limit` characters, without NUL, which Postgres has not in texts.
pub(super) fn cut(text: &str, limit: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(plain("a\n  b", 10), "a b");
        assert_eq!(
            plain("<p>Yes &amp; <b>n</b>o</p><ul><li>x<li>y</ul>", 99),
            "Yes & no x y"
        );
        assert_eq!(plain("&lt;p&gt;Yes&lt;/p&gt;&lt;p&gt;no", 99), "Yes no");
        assert_eq!(plain("1 < 2 & 3", 99), "1 < 2 & 3");
        assert_eq!(plain("seen<i hidden>unseen</i><script>x</script>", 99), "seen");
        assert_eq!(plain("aä\0öx", 3), "aäö");
    }
}
