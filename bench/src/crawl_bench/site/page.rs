//! The generated pages: where each stands, what it links to, and the furniture around its text.
use std::fmt::Write as _;

use super::text::{Chance, article, title};

/// Children of a page, so that 5,000 pages are seven levels deep.
const BRANCHES: usize = 4;

/// Where a page stands.
pub fn path(page: usize) -> String {
    let mut chance = Chance::of(page, 1);
    format!("/guide/{}-{}-{page}.html", chance.word(), chance.word())
}

/// Where a page links to: its children, its parent, its neighbours and some others.
pub(super) fn links(page: usize, pages: usize) -> Vec<usize> {
    let mut chance = Chance::of(page, 2);
    let children = (1..=BRANCHES).map(|n| page * BRANCHES + n);
    let mut links: Vec<usize> = children.collect();
    links.extend([page.saturating_sub(1) / BRANCHES, page + 1, page.saturating_sub(1)]);
    links.extend((0..5).map(|_| chance.below(pages)));
    links.retain(|to| *to < pages);
    links
}

/// A page with its text.
pub(super) fn html(page: usize, pages: usize) -> String {
    let mut out = String::with_capacity(48 * 1024);
    head(&mut out, page);
    furniture(&mut out, page, pages);
    out.push_str("<main><article>");
    out.push_str(&article(page));
    out.push_str("</article><section class=\"related\"><h2>Related</h2><ul>");
    for to in links(page, pages) {
        let variant = if (page + to).is_multiple_of(9) {
            "?utm_source=related"
        } else {
            ""
        };
        let _ = write!(out, "<li><a href=\"{}{variant}\">{}</a></li>", path(to), title(to));
    }
    out.push_str("</ul></section></main>");
    footer(&mut out);
    out
}

/// A page whose text comes by script.
pub(super) fn shell(page: usize, pages: usize) -> String {
    let mut out = String::new();
    head(&mut out, page);
    let links: Vec<String> = links(page, pages)
        .into_iter()
        .map(|to| format!("<a href='{}'>{}</a> ", path(to), title(to)))
        .collect();
    let _ = write!(
        out,
        "<noscript>This site needs JavaScript.</noscript><div id=\"root\"></div><script>\
         fetch('/text/page-{page}.html').then(r => r.text()).then(t => {{ document.getElementById('root').innerHTML = \
         '<main><article>' + t + '</article></main><nav>' + \"{}\" + '</nav>'; }});</script></body></html>",
        links.concat()
    );
    out
}

fn head(out: &mut String, page: usize) {
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{} | Example Guides</title>\
         <link rel=\"canonical\" href=\"{}\"><style>",
        title(page),
        path(page)
    );
    for rule in 0..60 {
        let _ = write!(
            out,
            ".c{rule}{{margin:{rule}px;padding:4px 8px;color:#33{rule:02}aa;display:block}}"
        );
    }
    out.push_str("</style></head><body>");
}

/// What is the same on every page.
fn furniture(out: &mut String, page: usize, pages: usize) {
    out.push_str("<header><div class=\"logo\">Example Guides</div><nav class=\"menu\"><ul>");
    for to in 0..24.min(pages) {
        let _ = write!(
            out,
            "<li class=\"c{to}\"><a href=\"{}\">{}</a></li>",
            path(to),
            title(to)
        );
    }
    out.push_str("</ul></nav></header><div class=\"cookie-banner\">We use cookies. <button>Accept</button></div><aside class=\"sidebar\"><ul>");
    for step in 0..40 {
        let to = (page / 40 * 40 + step) % pages;
        let _ = write!(
            out,
            "<li><a class=\"c{step}\" href=\"{}\">{}</a></li>",
            path(to),
            title(to)
        );
    }
    out.push_str("</ul></aside>");
}

fn footer(out: &mut String) {
    out.push_str(
        "<footer><p>Example Guides, 1 Example Road, Exampleton. Opening hours: Monday to Friday, 9 to 17.</p><script>",
    );
    for line in 0..60 {
        let _ = write!(out, "window.c{line}=function(a,b){{return a+b*{line};}};");
    }
    out.push_str("</script></footer></body></html>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_page_is_linked_and_the_same_each_time() {
        let pages = 300;
        let mut seen = HashSet::from([0]);
        let mut open = vec![0];
        while let Some(page) = open.pop() {
            open.extend(links(page, pages).into_iter().filter(|to| seen.insert(*to)));
        }
        assert_eq!(seen.len(), pages);
        assert_eq!(html(7, pages), html(7, pages));
        assert_ne!(article(7), article(8));
    }

    #[test]
    fn a_page_is_as_large_as_real_ones() {
        let bytes = html(123, 5000).len();
        assert!((20_000..60_000).contains(&bytes), "{bytes}");
    }
}
