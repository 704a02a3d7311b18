//! The links of a page, for the frontier.

use std::collections::HashSet;

use ::url::Url;
use serde::Serialize;

use super::dom::Dom;
use crate::url::normalize;

/// Most links kept of one page.
const MAX_LINKS: usize = 20_000;

/// A link to another page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Absolute and normalised, `http` or `https`.
    pub url: Url,
    /// Whether the link itself says `rel=nofollow`.
    pub nofollow: bool,
}

/// The URL that relative links resolve against: the first `<base href>`, itself resolved against the page's URL.
pub(super) fn base(dom: &Dom, url: &Url) -> Url {
    let href = dom.elements(0, "base").find_map(|id| dom.attribute(id, "href"));
    href.and_then(|href| url.join(href.trim()).ok())
        .filter(is_web)
        .unwrap_or_else(|| url.clone())
}

/// Every distinct target of `a` and `area` in document order. A target is `nofollow` only if all its links are.
pub(super) fn collect(dom: &Dom, base: &Url) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    let mut seen = HashSet::new();
    let mut followed = HashSet::new();
    for id in dom.descendants(0).filter(|id| matches!(dom.name(*id), "a" | "area")) {
        let Some(href) = dom.attribute(id, "href").map(str::trim) else {
            continue;
        };
        let Some(url) = base.join(href).ok().filter(is_web).map(|url| normalize(&url)) else {
            continue;
        };
        let nofollow = dom.attribute(id, "rel").is_some_and(|rel| {
            rel.split_ascii_whitespace()
                .any(|token| token.eq_ignore_ascii_case("nofollow"))
        });
        if !nofollow {
            followed.insert(url.clone());
        }
        if links.len() < MAX_LINKS && seen.insert(url.clone()) {
            links.push(Link { url, nofollow });
        }
    }
    for link in &mut links {
        link.nofollow = !followed.contains(&link.url);
    }
    links
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(html: &str) -> Vec<String> {
        let (dom, url) = (Dom::parse(html), Url::parse("https://e.com/dir/page").unwrap());
        let links = collect(&dom, &base(&dom, &url));
        links
            .iter()
            .map(|link| format!("{}{}", link.url, if link.nofollow { " nofollow" } else { "" }))
            .collect()
    }

    #[test]
    fn resolved_decoded_and_deduplicated() {
        let html = "<a href='/q?a=1&amp;b=2'>1</a><a href=x>2</a><a href='x#frag'>3</a><area href=' //o.com '>\
            <a href='mailto:a@e.com'>m</a><a href='javascript:void(0)'>j</a><a href=../up>u</a><a href=''>self</a>";
        assert_eq!(
            links(html),
            [
                "https://e.com/q?a=1&b=2",
                "https://e.com/dir/x",
                "https://o.com/",
                "https://e.com/up",
                "https://e.com/dir/page"
            ]
        );
    }

    #[test]
    fn a_relative_base_is_honoured() {
        assert_eq!(
            links("<base href='../other/'><a href=x>x</a>"),
            ["https://e.com/other/x"]
        );
        assert_eq!(
            links("<base href='javascript:x'><a href=x>x</a>"),
            ["https://e.com/dir/x"]
        );
    }

    #[test]
    fn one_followed_link_is_enough() {
        assert_eq!(
            links("<a rel='NOFOLLOW noopener' href=x>x</a><a href=x>x</a><a rel=nofollow href=y>y</a>"),
            ["https://e.com/dir/x", "https://e.com/dir/y nofollow"]
        );
    }
}
