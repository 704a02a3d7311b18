//! URL rules of the crawl: which spellings are one page, what belongs to the site, and what is not worth a request.
//!
//! Used by the frontier (keys), the link extractor and the sitemap reader. Two spellings that may be two pages
//! stay apart: the case of the path, the order of query parameters and a trailing slash are kept.

use std::{collections::HashMap, fmt};

use ::url::Url;

/// Longest path, in bytes, that a sane site is expected to use.
const MAX_PATH: usize = 2000;
/// Most path segments before a URL is taken for a trap.
const MAX_SEGMENTS: usize = 15;
/// How often one segment may occur in a path before it is taken for a loop (`/a/b/a/b/a/b/a/b`).
const MAX_REPEATS: usize = 4;

/// Query parameters that name a campaign or a click, never a page.
const TRACKING: &[&str] = &[
    "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "ttclid", "igshid",
    "mc_cid", "mc_eid", "_ga", "_gl", "_hsenc", "_hsmi", "mkt_tok", "srsltid",
];
/// Query parameters that carry a visitor's session.
const SESSION: &[&str] = &[
    "phpsessid",
    "jsessionid",
    "aspsessionid",
    "cfid",
    "cftoken",
    "sessionid",
    "session_id",
];

/// File name extensions of things that are not pages.
const NOT_PAGES: &[&str] = &[
    "jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "ico", "bmp", "tif", "tiff", "heic", "psd", "eps", "mp3",
    "mp4", "m4a", "m4v", "avi", "mov", "mkv", "webm", "ogg", "ogv", "oga", "wav", "flac", "wmv", "flv", "m3u8", "zip",
    "gz", "tgz", "bz2", "xz", "7z", "rar", "tar", "zst", "iso", "dmg", "exe", "msi", "apk", "deb", "rpm", "pkg", "jar",
    "war", "bin", "woff", "woff2", "ttf", "otf", "eot", "css", "js", "mjs", "map", "json", "xml", "rss", "atom", "txt",
    "csv", "tsv", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "epub", "mobi", "rtf",
    "ics", "vcf", "wasm", "swf", "torrent",
];

/// Why a URL looks like one of endlessly many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// The path is longer than 2000 bytes.
    LongPath,
    /// The path has more than 15 segments.
    ManySegments,
    /// One segment occurs four times or more.
    RepeatedSegment,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LongPath => "path too long",
            Self::ManySegments => "too many path segments",
            Self::RepeatedSegment => "a path segment repeats",
        })
    }
}

/// The one spelling of a URL under which the frontier knows the page.
///
/// Scheme, host, default port and dot segments are settled by the URL parser; here the fragment goes, percent
/// encoding is normalised (RFC 3986 §6.2.2: upper-case hex, unreserved bytes decoded), tracking and session
/// parameters go, and an empty query goes with its question mark. Idempotent.
#[must_use]
pub fn normalize(url: &Url) -> Url {
    let mut out = url.clone();
    out.set_fragment(None);
    let path = normalize_percent(&without_session_segment(url.path()));
    if path != url.path() {
        out.set_path(&path);
    }
    let query = url.query().map(|query| {
        let kept: Vec<String> = query
            .split('&')
            .filter(|pair| !pair.is_empty() && !is_noise(pair))
            .map(normalize_percent)
            .collect();
        kept.join("&")
    });
    out.set_query(query.as_deref().filter(|query| !query.is_empty()));
    out
}

/// Whether two URLs belong to one site: both HTTP or HTTPS, same host, same port (80 and 443 count as the scheme's own).
#[must_use]
pub fn same_site(a: &Url, b: &Url) -> bool {
    let web = |url: &Url| matches!(url.scheme(), "http" | "https");
    web(a) && web(b) && a.host() == b.host() && a.port() == b.port()
}

/// Whether a GET of the URL is likely to answer with an HTML page, judged by its scheme and file name extension.
#[must_use]
pub fn is_probably_page(url: &Url) -> bool {
    if !matches!(url.scheme(), "http" | "https") {
        return false;
    }
    let name = url.path().rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, extension)) => !NOT_PAGES.contains(&extension.to_ascii_lowercase().as_str()),
        None => true,
    }
}

/// Why the URL looks like a crawler trap, if it does.
#[must_use]
pub fn trap(url: &Url) -> Option<Trap> {
    let path = url.path();
    if path.len() > MAX_PATH {
        return Some(Trap::LongPath);
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    for (index, segment) in segments.enumerate() {
        if index >= MAX_SEGMENTS {
            return Some(Trap::ManySegments);
        }
        let count = seen.entry(segment).or_default();
        *count += 1;
        if *count >= MAX_REPEATS {
            return Some(Trap::RepeatedSegment);
        }
    }
    None
}

/// `;jsessionid=…` as servlet containers write it into the path.
fn without_session_segment(path: &str) -> String {
    let lower = path.to_ascii_lowercase();
    match lower.find(";jsessionid=") {
        Some(start) => {
            let end = path[start..].find('/').map_or(path.len(), |offset| start + offset);
            format!("{}{}", &path[..start], &path[end..])
        }
        None => path.to_owned(),
    }
}

fn is_noise(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = name.to_ascii_lowercase();
    name.starts_with("utm_")
        || TRACKING.contains(&name.as_str())
        || SESSION.contains(&name.as_str())
        // `sid` is a session id at some shops and a story id elsewhere; only long opaque values are sessions.
        || (name == "sid" && value.len() >= 16 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Decodes percent-encoded unreserved bytes and writes every other escape in upper case (RFC 3986 §6.2.2).
pub(crate) fn normalize_percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut plain = 0;
    while at < bytes.len() {
        if let Some(value) = escape_at(bytes, at) {
            out.push_str(&text[plain..at]);
            if value.is_ascii_alphanumeric() || matches!(value, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(value));
            } else {
                out.push_str(&text[at..at + 3].to_ascii_uppercase());
            }
            at += 3;
            plain = at;
        } else {
            at += 1;
        }
    }
    out.push_str(&text[plain..]);
    out
}

fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    if bytes.get(at) != Some(&b'%') {
        return None;
    }
    let digit = |offset: usize| char::from(*bytes.get(at + offset)?).to_digit(16);
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(text: &str) -> String {
        normalize(&Url::parse(text).unwrap()).to_string()
    }

    #[test]
    fn one_page_has_one_spelling() {
        assert_eq!(normal("HTTP://Example.com:80/a/../b/./c#top"), "http://example.com/b/c");
        assert_eq!(normal("https://e.com/?utm_source=x&gclid=1"), "https://e.com/");
        assert_eq!(
            normal("https://e.com/p?b=2&utm_medium=m&a=1"),
            "https://e.com/p?b=2&a=1"
        );
        assert_eq!(normal("https://e.com/%7euser/%c3%a9"), "https://e.com/~user/%C3%A9");
        assert_eq!(
            normal("https://e.com/cart;jsessionid=AB12/x?PHPSESSID=1"),
            "https://e.com/cart/x"
        );
        assert_eq!(normal("https://e.com/p?"), "https://e.com/p");
    }

    #[test]
    fn what_may_differ_stays_apart() {
        assert_eq!(normal("https://e.com/Path"), "https://e.com/Path");
        assert_eq!(normal("https://e.com/a/"), "https://e.com/a/");
        assert_eq!(normal("https://e.com/a%2Fb"), "https://e.com/a%2Fb");
        assert_eq!(
            normal("https://e.com/article.pl?sid=26/11/21"),
            "https://e.com/article.pl?sid=26/11/21"
        );
        assert_eq!(normal("https://e.com/q?a=%26b"), "https://e.com/q?a=%26b");
    }

    #[test]
    fn decoding_never_makes_a_dot_segment_that_survives() {
        assert_eq!(normal("https://e.com/a/%2e%2e/b"), "https://e.com/b");
    }

    #[test]
    fn sites_are_host_and_port() {
        let same = |a: &str, b: &str| same_site(&Url::parse(a).unwrap(), &Url::parse(b).unwrap());
        assert!(same("http://e.com/a", "https://e.com/b"));
        assert!(same("http://e.com:80/a", "http://e.com/b"));
        assert!(!same("http://e.com/", "http://www.e.com/"));
        assert!(!same("http://e.com/", "http://e.com:8080/"));
        assert!(!same("http://e.com/", "ftp://e.com/"));
    }

    #[test]
    fn files_are_not_pages() {
        let page = |text: &str| is_probably_page(&Url::parse(text).unwrap());
        assert!(
            page("https://e.com/a.html")
                && page("https://e.com/a")
                && page("https://e.com/v1.2/")
                && page("https://e.com/x.php?f=a.png")
        );
        assert!(!page("https://e.com/a.PNG") && !page("https://e.com/a.tar.gz") && !page("mailto:a@e.com"));
    }

    #[test]
    fn traps_are_named() {
        let trapped = |path: &str| trap(&Url::parse("https://e.com").unwrap().join(path).unwrap());
        assert_eq!(trapped("/a/b/c"), None);
        assert_eq!(trapped("/a/b/a/b/a/b/a/b"), Some(Trap::RepeatedSegment));
        assert_eq!(
            trapped("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"),
            Some(Trap::ManySegments)
        );
        assert_eq!(trapped(&format!("/{}", "x".repeat(2001))), Some(Trap::LongPath));
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(path in "[ -~é]{0,40}", query in "[ -~]{0,40}") {
            if let Ok(url) = Url::parse(&format!("https://e.com/{path}?{query}")) {
                let once = normalize(&url);
                prop_assert_eq!(normalize(&once), once.clone());
                prop_assert!(once.fragment().is_none());
                prop_assert!(same_site(&url, &once));
            }
        }
    }
}
