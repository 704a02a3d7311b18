//! The links of a page, for the frontier, and where the page sends its reader on.

use std::collections::HashMap;

use ::url::Url;
use serde::Serialize;

use super::dom::{Dom, Id};
use crate::url::normalize;

/// Most links kept of one page.
const MAX_LINKS: usize = 20_000;
/// Most feeds kept of one page.
const MAX_FEEDS: usize = 8;
/// Longest address that is resolved, in bytes; data URLs are longer.
const MAX_HREF: usize = 4096;

/// How a page names another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// `a`, `area` or `frame`.
    Anchor,
    /// `rel=next`: the next page of a list.
    Next,
    /// `rel=prev`: the previous page of a list.
    Previous,
    /// `<link rel=alternate hreflang>`: the same page in another language.
    Translation,
}

/// A link to another page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Absolute and normalised, `http` or `https`.
    pub url: Url,
    /// Whether the link itself says `rel=nofollow`, `ugc` or `sponsored`.
    pub nofollow: bool,
    /// The relation of the first link to this address.
    pub relation: Relation,
    /// `hreflang` in lower case, where given.
    pub language: Option<String>,
}

/// `<meta http-equiv=refresh>` that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refresh {
    /// Where to, absolute and normalised.
    pub url: Url,
    /// After how many seconds; at once is a redirect in all but name.
    pub seconds: u32,
}

/// The URL that relative links resolve against: the first `<base href>`, itself resolved against the page's URL.
pub(super) fn base(dom: &Dom, url: &Url) -> Url {
    let href = dom.elements(0, "base").find_map(|id| dom.attribute(id, "href"));
    href.and_then(|href| join(url, href)).unwrap_or_else(|| url.clone())
}

/// Every distinct target in document order. A target is `nofollow` only if all its links are.
pub(super) fn collect(dom: &Dom, base: &Url) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    let mut seen: HashMap<Url, usize> = HashMap::new();
    for id in dom.descendants(0) {
        let Some((relation, href)) = target(dom, id) else {
            continue;
        };
        let Some(url) = join(base, href).map(|url| normalize(&url)) else {
            continue;
        };
        let nofollow = ["nofollow", "ugc", "sponsored"]
            .iter()
            .any(|token| has_rel(dom, id, token));
        if let Some(index) = seen.get(&url) {
            links[*index].nofollow &= nofollow;
        } else if links.len() < MAX_LINKS {
            seen.insert(url.clone(), links.len());
            links.push(Link {
                url,
                nofollow,
                relation,
                language: dom.attribute(id, "hreflang").and_then(language),
            });
        }
    }
    links
}

/// What kind of link an element is, and its address.
fn target(dom: &Dom, id: Id) -> Option<(Relation, &str)> {
    let rel = |token| has_rel(dom, id, token);
    let (relation, attribute) = match dom.name(id) {
        "a" | "area" | "link" if rel("next") => (Relation::Next, "href"),
        "a" | "area" | "link" if rel("prev") => (Relation::Previous, "href"),
        "a" | "area" => (Relation::Anchor, "href"),
        "frame" => (Relation::Anchor, "src"),
        "link" if rel("alternate") && dom.attribute(id, "hreflang").is_some() => (Relation::Translation, "href"),
        _ => return None,
    };
    Some((relation, dom.attribute(id, attribute)?))
}

fn has_rel(dom: &Dom, id: Id, token: &str) -> bool {
    let rel = dom.attribute(id, "rel").unwrap_or_default();
    rel.split_ascii_whitespace().any(|it| it.eq_ignore_ascii_case(token))
}

fn language(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let sane = (1..=35).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    sane.then_some(text)
}

/// Where the page sends its reader on by itself: the first `<meta http-equiv=refresh>` with an address, outside of
/// `noscript`, which only readers without scripts obey.
pub(super) fn refresh(dom: &Dom, base: &Url) -> Option<Refresh> {
    let is_refresh = |id: &Id| {
        dom.attribute(*id, "http-equiv")
            .is_some_and(|it| it.trim().eq_ignore_ascii_case("refresh"))
            && !dom.ancestors(*id).any(|up| dom.name(up) == "noscript")
    };
    let contents = dom
        .elements(0, "meta")
        .filter(is_refresh)
        .filter_map(|id| dom.attribute(id, "content"));
    let mut found = contents.filter_map(|content| {
        // `5; url='/x'`, `0,/x` (HTML standard, "shared declarative refresh steps").
        let content = content.trim_start();
        let digits = content.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 && !content.starts_with('.') {
            return None;
        }
        let seconds = content[..digits].parse().unwrap_or(u32::MAX);
        let rest = content[digits..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let rest = rest.trim_start().trim_start_matches([';', ',']).trim_start();
        let named = rest.get(..3).is_some_and(|it| it.eq_ignore_ascii_case("url"));
        let after = if named {
            rest[3..].trim_start().strip_prefix('=')
        } else {
            None
        };
        let target = after.unwrap_or(rest).trim();
        let target = match target.chars().next() {
            Some(quote @ ('"' | '\'')) => target[1..].split(quote).next().unwrap_or_default(),
            _ => target,
        };
        let url = Some(target)
            .filter(|target| !target.is_empty())
            .and_then(|target| join(base, target))?;
        Some(Refresh {
            url: normalize(&url),
            seconds,
        })
    });
    found.next()
}

/// The feeds that the page names (`<link rel=alternate type=application/rss+xml>`), which list new pages like a sitemap.
pub(super) fn feeds(dom: &Dom, base: &Url) -> Vec<Url> {
    let is_feed = |id: &Id| {
        let kind = dom
            .attribute(*id, "type")
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        has_rel(dom, *id, "alternate") && matches!(kind.as_str(), "application/rss+xml" | "application/atom+xml")
    };
    let mut out: Vec<Url> = Vec::new();
    for id in dom.elements(0, "link").filter(is_feed) {
        let url = dom
            .attribute(id, "href")
            .and_then(|href| join(base, href))
            .map(|url| normalize(&url));
        out.extend(url.filter(|url| out.len() < MAX_FEEDS && !out.contains(url)));
    }
    out
}

/// `<link rel=canonical>`, resolved and normalised.
pub(super) fn canonical(dom: &Dom, base: &Url) -> Option<Url> {
    let links = dom.elements(0, "link").filter(|id| has_rel(dom, *id, "canonical"));
    let href = links
        .filter_map(|id| dom.attribute(id, "href"))
        .find(|href| !href.trim().is_empty())?;
    join(base, href).map(|url| normalize(&url))
}

fn join(base: &Url, href: &str) -> Option<Url> {
    let href = href.trim();
    let url = (href.len() <= MAX_HREF).then(|| base.join(href).ok())??;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(html: &str) -> Vec<Link> {
        let (dom, url) = (Dom::parse(html), Url::parse("https://e.com/dir/page").unwrap());
        collect(&dom, &base(&dom, &url))
    }

    fn links(html: &str) -> Vec<String> {
        let all = parsed(html);
        let shown = all
            .iter()
            .map(|link| format!("{}{}", link.url, if link.nofollow { " nofollow" } else { "" }));
        shown.collect()
    }

    #[test]
    fn resolved_decoded_and_deduplicated() {
        let html = "<a href='/q?a=1&amp;b=2'>1</a><a href=x>2</a><a href='x#frag'>3</a><map><area href=' //o.com '></map>\
            <a href='mailto:a@e.com'>m</a><a href='javascript:void(0)'>j</a><a href=../up>u</a><a href=''>self</a>\
            <a href='y\n z' aria-hidden=true>white space</a>";
        assert_eq!(
            links(html),
            [
                "https://e.com/q?a=1&b=2",
                "https://e.com/dir/x",
                "https://o.com/",
                "https://e.com/up",
                "https://e.com/dir/page",
                "https://e.com/dir/y%20z",
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
        assert_eq!(
            links("<base target=_top><base href=/b/><a href=x>x</a>"),
            ["https://e.com/b/x"]
        );
    }

    #[test]
    fn one_followed_link_is_enough() {
        assert_eq!(
            links(
                "<a rel='NOFOLLOW noopener' href=x>x</a><a href=x>x</a><a rel=ugc href=y>y</a><a rel='sponsored x' href=z>z</a>"
            ),
            [
                "https://e.com/dir/x",
                "https://e.com/dir/y nofollow",
                "https://e.com/dir/z nofollow"
            ]
        );
    }

    #[test]
    fn translations_and_neighbours_have_their_relation() {
        let found = parsed(
            "<link rel=alternate hreflang=DE-at href=/de><link rel=alternate type=application/rss+xml href=/feed>\
             <link rel=alternate hreflang=x-default href=/><link rel=next href='?page=3'><a rel=prev href='?page=1'>back</a><a href=/de>de</a>",
        );
        let seen: Vec<_> = found
            .iter()
            .map(|link| (link.url.as_str(), link.relation, link.language.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                ("https://e.com/de", Relation::Translation, Some("de-at")),
                ("https://e.com/", Relation::Translation, Some("x-default")),
                ("https://e.com/dir/page?page=3", Relation::Next, None),
                ("https://e.com/dir/page?page=1", Relation::Previous, None),
            ]
        );
    }

    #[test]
    fn refreshes_lead_on() {
        let of = |content: &str| {
            let dom = Dom::parse(&format!("<meta http-equiv=Refresh content=\"{content}\">"));
            refresh(&dom, &Url::parse("https://e.com/dir/page").unwrap()).map(|it| format!("{} {}", it.seconds, it.url))
        };
        assert_eq!(of("0;url=/x"), Some("0 https://e.com/x".into()));
        assert_eq!(of(" 5 ; URL = 'y?a=1' "), Some("5 https://e.com/dir/y?a=1".into()));
        assert_eq!(of("0.5,https://o.com/"), Some("0 https://o.com/".into()));
        assert_eq!(of("1;urlaub.html"), Some("1 https://e.com/dir/urlaub.html".into()));
        assert_eq!(of("300"), None);
        assert_eq!(of("0;url=javascript:alert(1)"), None);
        assert_eq!(of("x;url=/x"), None);
        let quiet = Dom::parse("<head><noscript><meta http-equiv=refresh content='0;url=/no-js'></noscript></head>");
        assert_eq!(refresh(&quiet, &Url::parse("https://e.com/").unwrap()), None);
    }

    #[test]
    fn feeds_are_named() {
        let dom = Dom::parse(
            "<link rel=alternate type=application/rss+xml href=/feed><link rel=alternate type='application/atom+xml ' href=/atom>\
             <link rel=alternate type=application/rss+xml href=/feed#x><link rel=alternate hreflang=de href=/de>",
        );
        let found: Vec<String> = feeds(&dom, &Url::parse("https://e.com/").unwrap())
            .into_iter()
            .map(String::from)
            .collect();
        assert_eq!(found, ["https://e.com/feed", "https://e.com/atom"]);
    }

    #[test]
    fn canonical_addresses_are_resolved() {
        let url = Url::parse("https://e.com/a").unwrap();
        let of = |html: &str| canonical(&Dom::parse(html), &url).map(String::from);
        assert_eq!(
            of("<link rel='x canonical' href='/b?utm_source=q#f'>"),
            Some("https://e.com/b".into())
        );
        assert_eq!(of("<link rel=canonical href=' '>"), None);
        assert_eq!(of("<link rel=canonical href='http://'>"), None);
    }
}
