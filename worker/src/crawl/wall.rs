//! Walls against bots that answer 200: a challenge or a captcha in place of the page. Such an answer says nothing about the page, so it
//! must neither be stored in its place nor, since most of them ask for no index, take it out of answers. Pure.
//!
//! Signs are taken from what the vendors' pages have in common and are believed only where the page says hardly anything else: sites
//! behind Cloudflare carry its scripts on every page, and a contact form may well have a captcha.
use http::HeaderMap;

/// A page with more words has content.
const FEW_WORDS: usize = 120;
/// Bytes of a body that are searched.
const BODY: usize = 256 * 1024;

/// Headers that only a challenge has: Cloudflare's and AWS WAF's.
const HEADERS: [(&str, &[&str]); 2] = [
    ("cf-mitigated", &["challenge"]),
    ("x-amzn-waf-action", &["challenge", "captcha"]),
];

/// How titles of challenges begin, in lower case.
const TITLES: [&str; 19] = [
    "just a moment",
    "attention required! | cloudflare",
    "checking your browser",
    "ddos-guard",
    "are you a robot",
    "are you human",
    "robot or human",
    "robot check",
    "pardon our interruption",
    "human verification",
    "bot verification",
    "security verification",
    "verify you are human",
    "verifying you are human",
    "one moment, please",
    "making sure you're not a bot",
    "vercel security checkpoint",
    "client challenge",
    "nur einen moment",
];

/// Whole titles of challenges in other languages, which honest titles may begin with; dots and spaces around them are left out.
const WHOLE_TITLES: [&str; 7] = [
    "einen moment",
    "einen moment bitte",
    "un instant",
    "un momento",
    "um momento",
    "een moment geduld",
    "chwileczkę",
];

/// Parts of challenges: Cloudflare, `DataDome`, `PerimeterX`, Imperva, Sucuri, AWS WAF, DDoS-Guard, Akamai, Kasada,
/// Anubis, Vercel.
const PARTS: [&str; 13] = [
    "_cf_chl_opt",
    "cf-chl-",
    "geo.captcha-delivery.com",
    "px-captcha",
    "_Incapsula_Resource?SWUDNSAI",
    "sucuri_cloudproxy_js",
    "window.gokuProps",
    "/.well-known/ddos-guard/js-challenge",
    "challenge-error-text",
    "errors.edgesuite.net",
    "KPSDK",
    "anubis_challenge",
    "/.well-known/vercel/security",
];

/// What gives an answer away as a wall. `words` are those of the main content.
pub(super) fn sign(headers: &HeaderMap, title: &str, words: usize, body: &[u8]) -> Option<&'static str> {
    for (name, values) in HEADERS {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        if value.is_some_and(|value| values.contains(&value.trim().to_ascii_lowercase().as_str())) {
            return Some(name);
        }
    }
    if words > FEW_WORDS {
        return None;
    }
    let title = title.trim().to_lowercase();
    let whole = title.trim_matches(|c: char| !c.is_alphanumeric()).replace(',', "");
    let titled = TITLES
        .into_iter()
        .find(|start| title.starts_with(start))
        .or_else(|| WHOLE_TITLES.into_iter().find(|known| *known == whole));
    titled.or_else(|| {
        let body = String::from_utf8_lossy(&body[..body.len().min(BODY)]);
        PARTS.into_iter().find(|part| body.contains(part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn challenges_are_known_by_header_title_or_script() {
        let none = HeaderMap::new();
        assert_eq!(
            sign(&headers(&[("cf-mitigated", "challenge")]), "Shop", 500, b""),
            Some("cf-mitigated")
        );
        assert!(sign(&none, "Just a moment...", 12, b"").is_some());
        assert!(sign(&none, "shop.test", 3, b"<script>window._cf_chl_opt={}</script>").is_some());
        for title in [
            "Making sure you're not a bot!",
            "Vercel Security Checkpoint",
            "Un momento…",
            "Einen Moment, bitte …",
        ] {
            assert!(sign(&none, title, 20, b"").is_some(), "{title}");
        }
        assert!(
            sign(
                &none,
                "Access Denied",
                30,
                b"<p>Reference #18.x</p>https://errors.edgesuite.net/18.x"
            )
            .is_some()
        );
        assert!(sign(&none, "", 0, b"<script>window.KPSDK={}</script>").is_some());
        assert!(sign(&none, "", 0, b"<script src=https://geo.captcha-delivery.com/c.js>").is_some());
    }

    #[test]
    fn pages_with_content_are_pages_whatever_they_carry() {
        let none = HeaderMap::new();
        assert_eq!(sign(&none, "Just a moment of peace", 400, b"_cf_chl_opt"), None);
        assert_eq!(
            sign(
                &none,
                "Contact",
                20,
                b"<div class=g-recaptcha></div><script src=/cdn-cgi/challenge-platform/scripts/jsd/main.js>"
            ),
            None
        );
        assert_eq!(sign(&none, "404", 2, b""), None);
        assert_eq!(sign(&none, "Un momento de paz", 20, b""), None);
        assert_eq!(sign(&none, "Access denied: what to do", 20, b""), None);
    }
}
