//! The `Link` header (RFC 8288): canonical address, alternates in other languages, next and previous pages.

use ::url::Url;

use crate::url::normalize;

/// Most links read of one header.
const MAX_LINKS: usize = 100;

/// One link of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderLink {
    /// Absolute and normalised, `http` or `https`.
    pub url: Url,
    /// Its relation types in lower case, separated by spaces.
    pub rel: String,
    /// `hreflang` as written.
    pub hreflang: Option<String>,
}

/// Reads one `Link` header; targets resolve against `base`, the address of the answer. What can't be read is left out.
#[must_use]
pub fn parse(value: &str, base: &Url) -> Vec<HeaderLink> {
    let mut out = Vec::new();
    for item in split_quoted(value, ',').take(MAX_LINKS) {
        let Some((target, rest)) = item.trim().strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
            continue;
        };
        let (mut rel, mut hreflang, mut anchored) = (String::new(), None, false);
        for parameter in split_quoted(rest, ';') {
            let Some((name, value)) = parameter.split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches('"').trim();
            match name.trim().to_ascii_lowercase().as_str() {
                // The first one counts (RFC 8288 §3.3).
                "rel" if rel.is_empty() => rel = value.to_ascii_lowercase(),
                "hreflang" if hreflang.is_none() => hreflang = Some(value.to_owned()),
                // A link of some other resource.
                "anchor" => anchored = true,
                _ => {}
            }
        }
        let url = base.join(target.trim()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && !target.trim().is_empty());
        if let Some(url) = url.filter(|_| !anchored) {
            out.push(HeaderLink {
                url: normalize(&url),
                rel,
                hreflang,
            });
        }
    }
    out
}

/// The canonical address that a `Link` header names (RFC 6596).
#[must_use]
pub fn canonical(value: &str, base: &Url) -> Option<Url> {
    let links = parse(value, base);
    let mut named = links
        .into_iter()
        .filter(|link| link.rel.split_ascii_whitespace().any(|rel| rel == "canonical"));
    named.next().map(|link| link.url)
}

/// Splits at a separator outside of quoted strings and of `<…>`.
fn split_quoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut target) = (false, false, false);
    text.split(move |c: char| {
        let ends = c == separator && !quoted && !target;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !target => quoted = !quoted,
            '<' if !quoted => target = true,
            '>' if !quoted => target = false,
            _ => {}
        }
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_and_resolved() {
        let base = Url::parse("https://e.com/dir/page").unwrap();
        let links = parse(
            r#"</de,a>; rel="alternate"; hreflang=de, <x?utm_source=q>;rel=next;title="a, b; c\" d", <//o.com/>; REL="Canonical up", <mailto:a@e.com>; rel=author, </y>; rel=canonical; anchor="/z", broken"#,
            &base,
        );
        let seen: Vec<_> = links
            .iter()
            .map(|link| (link.url.as_str(), link.rel.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("https://e.com/de,a", "alternate"),
                ("https://e.com/dir/x", "next"),
                ("https://o.com/", "canonical up")
            ]
        );
        assert_eq!(links[0].hreflang.as_deref(), Some("de"));
    }

    #[test]
    fn the_canonical_address() {
        let base = Url::parse("https://e.com/file.pdf").unwrap();
        let of = |value: &str| canonical(value, &base).map(String::from);
        assert_eq!(
            of("<https://e.com/file#x>; rel=canonical"),
            Some("https://e.com/file".into())
        );
        assert_eq!(
            of("</a>; rel=preload, </b>; rel=\"canonical\""),
            Some("https://e.com/b".into())
        );
        assert_eq!(of("<>; rel=canonical"), None);
        assert_eq!(of("</a>; rel=\"unclosed"), None);
    }
}
