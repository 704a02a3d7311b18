//! Whether a static page has no content without JavaScript. Pure: the HTML and what was extracted from it in, a reason out.
//!
//! A browser is dear, so a page with content stays static whatever its scripts promise; a page without any goes to the browser
//! only if something in it would make content.
use regex::Regex;
use std::sync::LazyLock;

/// A page with this many words has content, whatever its scripts may add.
const ENOUGH: usize = 120;
/// A page whose mark-up says that scripts make it may have so many words of frame around the hole.
const FRAME: usize = 60;
/// A page without such marks has content as soon as it says anything.
const ANYTHING: usize = 12;
/// Marks of script-made pages are looked for in so many bytes.
const LOOKED_AT: usize = 512 * 1024;

/// An element that frameworks fill, with nothing in it but comments, spinners and the word "loading".
static MOUNT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?is)<(?P<tag>div|main|section|body)\b[^>]*?\b(?:id|class)\s*=\s*["']?(?:root|app|__next|__nuxt|___gatsby|svelte|main-app|app-root|react-root|reactroot|q-app|ember-app|application|mount|single-spa-application[^"'>\s]*)\b["']?[^>]*>\s*(?:<!--.*?-->\s*|<(?:div|span|p|svg|i|img)\b[^>]*>\s*|</(?:div|span|p|svg|i)>\s*|loading[.… ]*\s*|please wait[.… ]*\s*)*</(?:div|main|section|body)>"#,
    )
    .ok()
});
/// A custom element in the place of the page.
static ELEMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?is)<(?P<tag>app-root|my-app|app-shell|ng-app|polymer-app|flutter-view|[a-z]+-app)\b[^>]*>\s*(?:loading[.… ]*)?\s*</").ok()
});
/// The page asks for JavaScript in so many words.
static DEMAND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?is)<noscript\b[^>]*>(?:[^<]|<[^/]|</[^n])*?(?:(?:enable|activate|turn on|requires?|need|without|aktivier|activ|habilit|abilit)[^<]{0,60}javascript|javascript[^<]{0,60}(?:enable|activ|required|disabled|needed|off|aktivier|habilit|abilit|désactiv))").ok()
});
/// What bundlers and frameworks leave in a page.
static BUNDLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?is)<script\b[^>]*(?:\btype\s*=\s*["']?module\b|\bsrc\s*=\s*["']?[^"'\s>]*(?:/_next/|/_nuxt/|/_app/|/static/js/|webpack|bundle|chunk|(?:main|app|index|runtime|vendor|polyfills)[.\-][0-9a-z_\-]{5,}\.m?js|/(?:main|app|index)\.m?js))"#).ok()
});
/// Any script with work to do. Data and what only counts visitors have none.
static SCRIPT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?is)<script\b(?P<head>[^>]*)>(?P<body>.*?)</script").ok());
static NO_WORK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)application/(?:ld\+)?json|text/template|speculationrules|importmap|googletagmanager|google-analytics|gtag\(|plausible|matomo|_paq|hotjar|clarity\.ms|cloudflareinsights|fbq\(|statcounter|umami|goatcounter").ok()
});

/// Why the page needs a browser; `None` if what was extracted is its content.
pub(crate) fn reason(html: &str, markdown: &str) -> Option<&'static str> {
    let words = words(markdown);
    if words >= ENOUGH {
        return None;
    }
    let html = &html[..html.floor_char_boundary(LOOKED_AT)];
    if words < FRAME && has_work(html) {
        if found(&MOUNT, html) || found(&ELEMENT, html) {
            return Some("an empty framework shell");
        }
        if found(&DEMAND, html) {
            return Some("it asks for JavaScript");
        }
    }
    if words < ANYTHING && found(&BUNDLE, html) {
        return Some("scripts, and hardly any text");
    }
    if words == 0 && has_work(html) {
        return Some("scripts, and no text");
    }
    None
}

/// Whether a text is content by its length alone. Looks no further than it must.
pub(crate) fn is_content(text: &str) -> bool {
    apart(text).nth(ENOUGH - 1).is_some() || words(text) >= ENOUGH
}

/// Words of a text; where words are not set apart, two characters count as one.
pub(crate) fn words(text: &str) -> usize {
    let dense = text.chars().filter(|c| ('\u{2e80}'..='\u{d7ff}').contains(c)).count();
    apart(text).count() + dense / 2
}

fn apart(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
}

fn found(pattern: &LazyLock<Option<Regex>>, html: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(html))
}

fn has_work(html: &str) -> bool {
    let (Some(script), Some(no_work)) = (SCRIPT.as_ref(), NO_WORK.as_ref()) else {
        return false;
    };
    script.captures_iter(html).any(|found| {
        let (head, body) = (&found["head"], &found["body"]);
        let has_source = head.to_ascii_lowercase().contains("src");
        (has_source || !body.trim().is_empty()) && !no_work.is_match(head) && !no_work.is_match(body)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the extractor makes of it, roughly: the text without mark-up.
    fn verdict(html: &str) -> Option<&'static str> {
        let url = url::Url::parse("http://shop.test/").unwrap();
        let input = extract::page::Input {
            url: &url,
            body: html.as_bytes(),
            content_type: Some("text/html; charset=utf-8"),
        };
        let page = extract::page::extract_guarded(&input).unwrap();
        reason(html, &page.markdown)
    }

    #[test]
    fn pages_that_scripts_make_need_a_browser() {
        let shells = [
            // create-react-app
            r#"<!doctype html><html><head><title>React App</title><script defer src="/static/js/main.8f3a1c2b.js"></script></head><body><noscript>You need to enable JavaScript to run this app.</noscript><div id="root"></div></body></html>"#,
            // Vite
            r#"<!doctype html><html><head><title>Vite</title><script type="module" crossorigin src="/assets/index-B1x2c3.js"></script></head><body><div id="app"></div></body></html>"#,
            // Vue CLI
            r"<body><noscript><strong>We're sorry but shop doesn't work properly without JavaScript enabled. Please enable it to continue.</strong></noscript><div id=app></div><script src=/js/chunk-vendors.1a2b3c4d.js></script></body>",
            // Angular
            r#"<body><app-root></app-root><script src="runtime.7a8b9c0d.js" type="module"></script><script src="main.1f2e3d4c.js" type="module"></script></body>"#,
            r#"<body><app-root>Loading...</app-root><script src="main.js"></script></body>"#,
            // Next.js without server rendering
            r#"<body><div id="__next"></div><script id="__NEXT_DATA__" type="application/json">{"props":{}}</script><script src="/_next/static/chunks/main-0a1b2c.js" async></script></body>"#,
            // Nuxt with its loader
            r#"<body><div id="__nuxt"><!-- spa --><div class="spinner"></div></div><script type="module" src="/_nuxt/entry.a1b2c3.js"></script></body>"#,
            // SvelteKit
            r#"<body><div style="display: contents" id="svelte"></div><script type="module">import("/_app/start.js")</script></body>"#,
            // Gatsby
            r#"<body><div id="___gatsby"></div><script src="/app-5d6e7f8091a2.js" async></script></body>"#,
            // Ember
            r#"<body class="x"><div id="ember-app"></div><script src="/assets/vendor-1234567.js"></script></body>"#,
            // Header and footer around the hole
            r#"<body><header><a href="/">Shop</a> <a href="/about">About us</a></header><div id="app"></div><footer>Copyright 2026 Shop Ltd. All rights reserved.</footer><script src="/app.js"></script></body>"#,
            // "Loading" in the mount
            r#"<body><div id="root"><div class="loader"><span>Loading...</span></div></div><script src="/bundle.js"></script></body>"#,
            // No mount that anybody knows
            r#"<body><div id="content"></div><script>fetch("/api").then(r=>r.text()).then(t=>content.textContent=t)</script></body>"#,
            // It says so
            r#"<body><p>Welcome.</p><noscript>Please activate JavaScript in your browser to see our products.</noscript><script src="/shop.js"></script></body>"#,
            r#"<body><noscript>Bitte aktivieren Sie JavaScript.</noscript><div class="x"></div><script src="/s.js"></script></body>"#,
            // A title is no content
            r#"<head><title>Shop</title></head><body><script type="module" src="/x.js"></script></body>"#,
            // Custom element
            r#"<body><shop-app></shop-app><script src="/shop-app.js"></script></body>"#,
        ];
        for shell in shells {
            assert!(verdict(shell).is_some(), "{shell}");
        }
    }

    #[test]
    fn pages_with_content_and_pages_without_scripts_stay_static() {
        let long = "A sentence with eight words about our delivery. ".repeat(20);
        let pages = [
            // Rendered by a server, framework or not
            format!(r#"<body><div id="__next"><main><h1>Delivery</h1><p>{long}</p></main></div><script src="/_next/static/chunks/main-0a1b2c.js"></script></body>"#),
            format!(r#"<body><div id="root"></div><main><p>{long}</p></main><script src="/bundle.js"></script></body>"#),
            format!(r#"<body><noscript>Please enable JavaScript for the chat.</noscript><main><p>{long}</p></main><script src="/chat.js"></script></body>"#),
            // Short and complete
            r"<body><h1>Opening hours</h1><p>Monday to Friday, nine to five. Closed on Sundays and public holidays.</p></body>".to_owned(),
            r#"<body><h1>Opening hours</h1><p>Monday to Friday, nine to five. Closed on Sundays and public holidays.</p><script src="/jquery.min.js"></script></body>"#.to_owned(),
            r#"<body><h1>Imprint</h1><p>Shop Ltd, 1 Main Street, Springfield. Phone 555 0100, fax 555 0101, mail info at shop.test.</p><script src="/static/js/menu.js"></script></body>"#.to_owned(),
            // Counted visitors are no content
            r#"<body><p>Closed.</p><script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script><script>window.dataLayer=[];function gtag(){}gtag('js',1)</script></body>"#.to_owned(),
            r#"<body><script defer data-domain="shop.test" src="https://plausible.io/js/script.js"></script></body>"#.to_owned(),
            // Data is no program
            r#"<body><script type="application/ld+json">{"@type":"Organization"}</script></body>"#.to_owned(),
            // Nothing at all, and nothing that could make something
            "<body></body>".to_owned(),
            r#"<body><div id="root"></div></body>"#.to_owned(),
            "<body><noscript>Please enable JavaScript.</noscript></body>".to_owned(),
            // A language without spaces
            "<body><main><p>当店では平日の午前九時から午後五時まで営業しております。お気軽にお問い合わせください。</p></main><script src='/a.js'></script></body>".to_owned(),
            // An article that happens to name a mount point
            format!(r#"<body><article><h1>Using React</h1><p>{long}</p><pre>&lt;div id="root"&gt;&lt;/div&gt;</pre></article></body>"#),
        ];
        for page in &pages {
            assert_eq!(verdict(page), None, "{page}");
        }
    }

    #[test]
    fn words_are_counted_with_and_without_spaces() {
        assert_eq!(words("- one, two | three"), 3);
        assert_eq!(
            words("営業時間"),
            3,
            "one run without spaces, and two for its four characters"
        );
        assert_eq!(words(""), 0);
    }

    #[test]
    fn hostile_mark_up_costs_linear_time() {
        let deep = "<div id=root>".repeat(20_000) + &"<noscript>enable ".repeat(20_000) + &"<script>".repeat(20_000);
        assert_eq!(reason(&deep, "word"), None);
    }
}
