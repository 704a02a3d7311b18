//! Addresses in answers. A link may lead to a source of the answer, or to a page of the customer's verified hosts that a passage
//! names; every other address stays inside.
use regex::Captures;
use std::collections::HashSet;
use url::Url;

use crate::tenancy::HostName;

// `[words](target "title")`, with one pair of parentheses in the target.
pattern!(pub(super) LINK, r#"\[((?:[^\[\]\n]|\[\d{1,3}\])*)\]\(\s*<?([^\s<>()]*(?:\([^\s()]*\)[^\s<>()]*)*)>?(?:\s+(?:"[^"\n]*"|'[^'\n]*'|\([^)\n]*\)))?\s*\)"#);
pattern!(pub(super) IMAGE, r"!\[[^\]\n]*\](?:\([^)\n]*\)?|\[[^\]\n]*\])?");
pattern!(pub(super) EMAIL, r"(?i)[\p{L}\p{N}._%+-]+@[\p{L}\p{N}](?:[\p{L}\p{N}-]*\.)+\p{L}{2,24}");
// With a scheme, a `www.`, two slashes before a host, or a host before a path.
pattern!(
    pub(super) WHOLE,
    r"(?i)\b[a-z][a-z0-9+.-]{0,20}:/{1,3}[^\s<>`|]+|\b(?:javascript|vbscript|livescript|view-source|intent|blob|ms-[a-z]+)\s*:\S*|\bdata:\s*[a-z]+/\S*|\bwww\.[^\s<>`|]+|(?:^|[\s(\[<])//[\p{L}\p{N}-]+\.[^\s<>`|]+"
);
pattern!(pub(super) HOST, r"(?i)(?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?\.)+(?:xn--[a-z0-9-]+|\p{L}{2,24})(?::\d{1,5})?(?:[/?#][^\s<>`|]*)?");
// Ways to write a point so that machines don't see it.
pattern!(pub(super) MASKED, r"(?i)\b([\p{L}\p{N}-]+)\s*(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)|\{dot\}|\s+dot\s+|[。．｡])\s*([a-z]{2,24})\b");

/// Endings of hosts as they stand in texts. Country codes that are endings of files as well (`.rs`, `.py`, `.sh`, `.md`, …) count
/// only with a path or a scheme.
const ENDINGS: &str = " com net org edu gov mil int info biz name io ai app dev co me tv cc ly gg to xyz top site online store shop web \
    blog cloud tech live fun icu club vip work world today link click page zone agency digital email help support news media host space \
    website example test invalid localhost local internal lan onion eu uk de fr es it nl be at ch pl pt se no dk fi cz sk hu ro bg gr \
    ru ua by tr il ae sa in cn jp kr tw hk sg my th vn id ph au nz us ca mx br ar cl pe za ng ke ie lu lt lv ee is si hr ";

/// Which addresses may be shown.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Pages that the answer may name as they are.
    sources: HashSet<String>,
    /// The customer's verified hosts.
    hosts: HashSet<String>,
    /// Addresses that passages name.
    named: HashSet<String>,
}

impl Links {
    /// Sources, and verified hosts as `host` or `host:port`.
    pub fn new<'a>(sources: impl IntoIterator<Item = &'a str>, hosts: impl IntoIterator<Item = String>) -> Self {
        Self {
            sources: sources.into_iter().filter_map(normal).collect(),
            hosts: hosts.into_iter().collect(),
            named: HashSet::new(),
        }
    }

    /// Takes what a passage names into account. `page` is its own address, which relative links are relative to.
    pub fn name(&mut self, text: &str, page: &str) {
        let page = Url::parse(page).ok();
        for c in LINK.captures_iter(text) {
            let absolute = page.as_ref().and_then(|page| page.join(&c[2]).ok());
            self.named.extend(absolute.and_then(|url| normal(url.as_str())));
        }
        self.named
            .extend(found(text).iter().filter_map(|address| normal(address)));
    }

    /// Whether the address is the customer's or a source, and none that was made up.
    pub fn allow(&self, address: &str) -> bool {
        let Some(normal) = normal(address) else { return false };
        self.sources.contains(&normal) || (self.own(&normal) && (self.named.contains(&normal) || is_home(&normal)))
    }

    /// Whether the address is a source or on a host of the customer, whoever names it.
    pub fn lead_home(&self, address: &str) -> bool {
        normal(address).is_some_and(|normal| self.sources.contains(&normal) || self.own(&normal))
    }

    fn own(&self, normal: &str) -> bool {
        let host = Url::parse(normal).ok().and_then(|url| HostName::of(&url));
        host.is_some_and(|host| self.hosts.contains(host.as_str()))
    }
}

fn is_home(normal: &str) -> bool {
    Url::parse(normal).is_ok_and(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none())
}

/// An http(s) address in one writing; none for everything else, and for addresses that hide their host behind a user's name.
fn normal(address: &str) -> Option<String> {
    let address = trimmed(address);
    let whole = if address.contains("://") {
        address.to_owned()
    } else {
        format!("https://{}", address.trim_start_matches('/'))
    };
    let url = Url::parse(&whole).ok()?;
    let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    plain.then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// Without the punctuation that a sentence puts after an address.
pub(super) fn trimmed(address: &str) -> &str {
    address.trim().trim_end_matches([
        '.', ',', ';', ':', '!', '?', ')', ']', '"', '\'', '*', '_', '»', '”', '’', '>',
    ])
}

/// The addresses in a text without Markdown links: with a scheme or without, hidden ones as well.
pub fn found(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !may_lead(text) {
        return found;
    }
    let rest = WHOLE.replace_all(text, |c: &Captures<'_>| {
        found.push(trimmed(&c[0]).trim_start_matches(['(', '[', '<', ' ', '\n']).to_owned());
        " "
    });
    let rest = EMAIL.replace_all(&rest, " ").into_owned();
    found.extend(
        HOST.find_iter(&rest)
            .map(|m| trimmed(m.as_str()))
            .filter(|host| is_host(host))
            .map(str::to_owned),
    );
    let masked = |c: Captures<'_>| format!("{}.{}", &c[1], &c[2]);
    found.extend(MASKED.captures_iter(&rest).map(masked).filter(|host| is_host(host)));
    found
}

/// Whether a text has any of what addresses are made of.
fn may_lead(text: &str) -> bool {
    let inner = text
        .bytes()
        .zip(text.bytes().skip(1))
        .any(|(a, b)| matches!(a, b'.' | b':' | b'/') && !b.is_ascii_whitespace());
    inner || MASKED.is_match(text) || text.contains("ript") || text.contains("data")
}

/// `text` with the addresses blanked that [`found`] finds.
pub fn without(text: &str) -> String {
    if !may_lead(text) {
        return text.to_owned();
    }
    let rest = WHOLE.replace_all(text, " ");
    let host = |c: &Captures<'_>| {
        if is_host(trimmed(&c[0])) {
            " ".to_owned()
        } else {
            c[0].to_owned()
        }
    };
    HOST.replace_all(&rest, host).into_owned()
}

/// Whether points between words make a host: by its ending, by a path behind it, or since no file is named so.
fn is_host(text: &str) -> bool {
    let (host, path) = text.split_at(text.find(['/', '?', '#']).unwrap_or(text.len()));
    let host = host.split(':').next().unwrap_or_default().to_lowercase();
    let ending = host.rsplit('.').next().unwrap_or_default();
    let known = ENDINGS.split_whitespace().any(|known| known == ending);
    let letters = |part: &str| part.chars().any(char::is_alphabetic);
    host.contains("xn--")
        || (known && letters(&host))
        || (path.len() > 1 && host.split('.').all(letters) && ending.len() <= 3 && known)
        || (!host.is_ascii()
            && host
                .split('.')
                .next_back()
                .is_some_and(|e| !e.is_ascii() && !known && e.chars().count() <= 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        let mut links = Links::new(["https://shop.example/help"], ["shop.example".to_owned()]);
        links.name(
            "See [returns](/returns) and https://shop.example/faq. Or https://evil.example/x.",
            "https://shop.example/help",
        );
        links
    }

    #[test]
    fn only_sources_and_named_pages_of_the_own_hosts_are_let_out() {
        let links = links();
        for good in [
            "https://shop.example/help",
            "https://shop.example/help/",
            "shop.example/faq",
            "https://shop.example/returns.",
            "shop.example",
        ] {
            assert!(links.allow(good), "{good}");
        }
        for bad in [
            "https://evil.example/x",
            "https://shop.example/faq?q=secret",
            "https://shop.example/invented",
            "https://shop.example@evil.example/help",
            "https://shop.example.evil.example/help",
            "https://shop.example:8443/help",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://shop.example/help",
            "https://xn--shp-tna.example/help",
            "https://shоp.example/help",
        ] {
            assert!(!links.allow(bad), "{bad}");
        }
    }

    #[test]
    fn addresses_are_found_however_they_are_written() {
        for (text, want) in [
            ("go to HTTPS://Evil.Example/a now", "HTTPS://Evil.Example/a"),
            ("or www.evil.example.", "www.evil.example"),
            ("at evil.com, or", "evil.com"),
            ("at //evil.example/x", "//evil.example/x"),
            ("at evil[.]example", "evil.example"),
            ("at evil dot com", "evil.com"),
            ("javascript:alert(1)", "javascript:alert(1"),
            ("see xn--evl-6ma.xyzzy now", "xn--evl-6ma.xyzzy"),
            ("hxxps://evil.example", "hxxps://evil.example"),
        ] {
            assert_eq!(found(text), [want], "{text}");
        }
        for text in [
            "e.g. Node.js 3.11",
            "open main.rs and README.md",
            "It works.Then go",
            "std::io::Error",
            "key: value",
            "at 9:30",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }
}
