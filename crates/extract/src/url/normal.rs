//! The one spelling of a URL under which the frontier knows the page.

use std::borrow::Cow;

use ::url::Url;

/// Query parameters that name a campaign, a click or a form's target, never a page.
const TRACKING: &[&str] = &[
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "fbclid",
    "msclkid",
    "yclid",
    "ysclid",
    "twclid",
    "ttclid",
    "igshid",
    "igsh",
    "li_fat_id",
    "epik",
    "rdt_cid",
    "sccid",
    "mc_cid",
    "mc_eid",
    "_ga",
    "_gl",
    "_gac",
    "_hsenc",
    "_hsmi",
    "__hstc",
    "__hssc",
    "__hsfp",
    "mkt_tok",
    "srsltid",
    "vero_id",
    "oly_enc_id",
    "oly_anon_id",
    "_openstat",
    "s_cid",
    "wickedid",
    "replytocom",
];
/// Beginnings of such names, one for each kind of software.
const TRACKING_PREFIXES: &[&str] = &["utm_", "hsa_", "mtm_", "pk_", "piwik_", "fb_action_", "aspsessionid"];
/// Query parameters that carry a visitor's session, whatever their value.
const SESSION: &[&str] = &[
    "phpsessid",
    "jsessionid",
    "asp.net_sessionid",
    "cfid",
    "cftoken",
    "sessid",
    "oscsid",
    "zenid",
    "xtcsid",
    "modsid",
];
/// Query parameters that carry a session only when their value is long and opaque: `sid` is a story's number and `s` a
/// search elsewhere.
const MAYBE_SESSION: &[&str] = &["sid", "s", "sess", "session", "phpsid"];
/// Query parameters that carry one when their value is long: a conference has `session_id=12`.
const LONG_SESSION: &[&str] = &["sessionid", "session_id"];
/// Matrix parameters (`;name=value` in a path segment) that carry a session.
const PATH_SESSION: &[&str] = &["jsessionid", "phpsessid", "sessionid", "sid"];

/// The one spelling of a URL under which the frontier knows the page. Idempotent; the result is a valid URL.
///
/// Scheme, host (lower case, IDN to punycode), default port, dot segments and backslashes are settled by the parser.
/// What is added, and what each rule may cost:
///
/// | rule | risk |
/// |---|---|
/// | the fragment goes | routes after `#!` or `#/` become one page; they exist only in a browser anyway |
/// | user and password go | none: they are never sent |
/// | the final dot of the host goes | none on the web: certificates and virtual hosts ignore it as well |
/// | empty path segments go (`//a///b` is `/a/b`), but not after a colon (`/web/http://e.com/`) | servers that tell them apart; the usual ones merge them |
/// | upper-case escapes, unreserved bytes decoded (RFC 3986 §6.2.2) | none by the RFC |
/// | `;jsessionid=…` and the like, and ASP.NET's `(S(…))` segment, go | none known |
/// | tracking and session parameters go | a site that gives one of these names a meaning of its own |
/// | `amp;` before a parameter's name goes: an address escaped twice | none known |
/// | parameters are sorted by name, those of one name keep their order, if all have an `=` | servers that read the query as one text; signed addresses |
/// | an empty query goes with its question mark | none known |
///
/// Kept apart, since they may be two pages: upper and lower case of the path, a trailing slash, `index.html`, `www.`, the
/// scheme, `+` and `%20`, and parameters with empty values.
#[must_use]
pub fn normalize(url: &Url) -> Url {
    if is_plain(url) { url.clone() } else { rewritten(url) }
}

/// Whether none of the rules has anything to change, as with nearly all links.
fn is_plain(url: &Url) -> bool {
    let path = url.path();
    url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && path.starts_with('/')
        && !path.contains(['%', ';', '('])
        && !path.contains("//")
        && url.host_str().is_some_and(|host| !host.ends_with('.'))
}

fn rewritten(url: &Url) -> Url {
    let mut out = url.clone();
    out.set_fragment(None);
    // These fail for URLs that cannot have such parts, which then have none.
    let _ = out.set_username("");
    let _ = out.set_password(None);
    if let Some(host) = out.host_str().filter(|host| host.ends_with('.')) {
        let host = host.trim_end_matches('.').to_owned();
        let _ = out.set_host(Some(&host));
    }
    let path = normal_path(&percent(url.path()));
    if path != url.path() {
        out.set_path(&path);
    }
    let query = url.query().map(normal_query);
    out.set_query(query.as_deref().filter(|query| !query.is_empty()));
    out
}

fn normal_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let segment = without_session(segment);
        let last = segments.peek().is_none();
        if segment.is_empty() && !last && !out.ends_with(':') {
            continue;
        }
        if is_cookieless_session(&segment) {
            if last {
                out.push('/');
            }
            continue;
        }
        out.push('/');
        out.push_str(&segment);
    }
    out
}

/// A segment without the matrix parameters that carry a session (`;jsessionid=…`).
fn without_session(segment: &str) -> Cow<'_, str> {
    if !segment.contains(';') {
        return Cow::Borrowed(segment);
    }
    let mut parts = segment.split(';');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let known = PATH_SESSION.iter().any(|it| name.eq_ignore_ascii_case(it));
        if !known || (name.eq_ignore_ascii_case("sid") && !is_opaque(value)) {
            out.push(';');
            out.push_str(part);
        }
    }
    Cow::Owned(out)
}

/// `(S(lit3py55t21z5v55vlm25s55))`, as ASP.NET writes a session into the path.
fn is_cookieless_session(segment: &str) -> bool {
    let inner = segment.strip_prefix("(S(").and_then(|rest| rest.strip_suffix("))"));
    inner.is_some_and(|id| id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn normal_query(query: &str) -> String {
    let query = percent(query);
    let pairs = query.split('&').map(|pair| pair.trim_start_matches("amp;"));
    let mut kept: Vec<&str> = pairs.filter(|pair| !pair.is_empty() && !is_noise(pair)).collect();
    if kept.iter().all(|pair| pair.contains('=')) {
        kept.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    }
    kept.join("&")
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn is_noise(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = name.to_ascii_lowercase();
    let is = |list: &[&str]| list.contains(&name.as_str());
    TRACKING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || is(TRACKING)
        || is(SESSION)
        || (is(MAYBE_SESSION) && is_opaque(value))
        || (is(LONG_SESSION) && value.len() >= 16)
}

/// Sixteen or more letters and digits, both kinds among them.
fn is_opaque(value: &str) -> bool {
    value.len() >= 16
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Decodes percent-encoded unreserved bytes and writes every other escape in upper case (RFC 3986 §6.2.2).
pub(crate) fn percent(text: &str) -> String {
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
    use crate::url::same_site;

    fn normal(text: &str) -> String {
        normalize(&Url::parse(text).unwrap()).to_string()
    }

    #[test]
    fn one_page_has_one_spelling() {
        for (spelling, page) in [
            ("HTTP://Example.com:80/a/../b/./c#top", "http://example.com/b/c"),
            ("https://user:secret@e.com./x", "https://e.com/x"),
            ("https://e.com../", "https://e.com/"),
            ("https://BÜCHER.example/a b", "https://xn--bcher-kva.example/a%20b"),
            ("https://e.com/?utm_source=x&gclid=1", "https://e.com/"),
            (
                "https://e.com/p?b=2&utm_medium=m&a=1&b=1",
                "https://e.com/p?a=1&b=2&b=1",
            ),
            ("https://e.com/p?a=1&amp;b=2", "https://e.com/p?a=1&b=2"),
            ("https://e.com/%7euser/%c3%a9", "https://e.com/~user/%C3%A9"),
            (
                "https://e.com/cart;jsessionid=AB12/x?PHPSESSID=1",
                "https://e.com/cart/x",
            ),
            ("https://e.com/x;v=1;JSessionId=AB", "https://e.com/x;v=1"),
            (
                "https://e.com/(S(lit3py55t21z5v55vlm25s55))/a.aspx",
                "https://e.com/a.aspx",
            ),
            (
                "https://e.com/?s=0123456789abcdef0123456789abcdef&p=1",
                "https://e.com/?p=1",
            ),
            (
                "https://e.com/talk?session_id=12&SessionId=0f8fad5b-d9cb-469f-a165-70867728950e",
                "https://e.com/talk?session_id=12",
            ),
            ("https://e.com//a///b/", "https://e.com/a/b/"),
            ("https://e.com/a//", "https://e.com/a/"),
            ("https://e.com/p?", "https://e.com/p"),
            ("https://e.com/p?&&", "https://e.com/p"),
            ("https://e.com/post?replytocom=17", "https://e.com/post"),
            ("https://e.com/#!/products/1", "https://e.com/"),
        ] {
            assert_eq!(normal(spelling), page, "{spelling}");
        }
    }

    #[test]
    fn what_may_differ_stays_apart() {
        for kept in [
            "https://e.com/Path",
            "https://e.com/a/",
            "https://e.com/a%2Fb",
            "https://e.com/article.pl?sid=26/11/21",
            "https://e.com/?s=averylongsearchwithoutdigits",
            "https://e.com/q?a=%26b",
            "https://e.com/index.html",
            "https://e.com/x?",
            "https://e.com/index.php?b/a&a",
            "https://e.com/web/2020/http://o.com/",
            "https://e.com/x;sid=12",
            "https://e.com/?sort=&a",
        ] {
            assert_eq!(normal(kept), kept.trim_end_matches('?'), "{kept}");
        }
    }

    #[test]
    fn decoding_never_makes_a_dot_segment_that_survives() {
        assert_eq!(normal("https://e.com/a/%2e%2e/b"), "https://e.com/b");
        assert_eq!(normal("https://e.com/a/.;jsessionid=1/b"), "https://e.com/a/b");
        assert_eq!(normal("https://e.com/a/..;jsessionid=1/b"), "https://e.com/b");
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

        #[test]
        fn what_is_plain_is_what_the_rules_would_make_of_it(rest in "(/|//|\\.|a|Z|é|%41|;|\\(|\\?a=b|#x|@|:){0,10}", host in "(e|u@|u:p@)?e\\.com\\.?") {
            if let Ok(url) = Url::parse(&format!("https://{host}/{rest}")) {
                prop_assert_eq!(normalize(&url), rewritten(&url));
            }
        }

        #[test]
        fn sessions_and_slashes_are_settled_at_once(path in "(/|;sid=|;jsessionid=|a|\\(S\\(|0123456789abcdefgh|\\)\\)|%2e|\\.|:){0,14}") {
            if let Ok(url) = Url::parse(&format!("https://e.com/{path}")) {
                let once = normalize(&url);
                prop_assert_eq!(normalize(&once), once);
            }
        }
    }
}
