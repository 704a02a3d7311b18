//! What must hold for any input, as functions of bytes: the fuzz targets in `fuzz/` and the replay of their corpus in the
//! test suite call the same code. Not part of the interface.

use ::url::Url;

use crate::{
    chunk::{self, Limit},
    link_header, page,
    robots::Robots,
    sitemap,
    url::{TrapWatch, normalize, trap},
};

/// Chunks of a page or of bare Markdown; small, so that short inputs are split as well.
const LIMIT: Limit = Limit {
    max_tokens: 64,
    target_tokens: 40,
    merge_tokens: 16,
};

/// A page of any bytes, in any encoding, and its chunks.
#[expect(clippy::panic, reason = "a probe reports by panicking")]
pub fn page(data: &[u8]) {
    let Ok(url) = Url::parse("https://e.com/dir/page") else {
        return;
    };
    let input = page::Input {
        url: &url,
        body: data,
        content_type: None,
    };
    let Ok(found) = page::extract(&input) else { return };
    for link in &found.links {
        assert_eq!(normalize(&link.url), link.url, "links are normalised");
    }
    match serde_json::to_vec(&found.structured) {
        Ok(json) => assert!(json.len() <= page::MAX_STRUCTURED_BYTES, "structured data is bounded"),
        Err(error) => panic!("structured data cannot be written: {error}"),
    }
    chunks(&found.markdown, &found.title);
}

/// Structured data: the input is a JSON-LD block and an element with any attributes.
pub fn structured(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    page(format!("<script type=application/ld+json>{text}</script><main><div {text}</main>").as_bytes());
}

/// Markdown as no page would give it.
pub fn chunk(data: &[u8]) {
    chunks(&String::from_utf8_lossy(data), "Title");
}

fn chunks(markdown: &str, title: &str) {
    let tokens = |text: &str| text.split_whitespace().count();
    for chunk in chunk::chunks(markdown, title, LIMIT, &tokens) {
        let says = !chunk.text.trim().is_empty() || !chunk.heading_path.trim().is_empty();
        assert!(says, "no chunk is empty");
    }
}

/// A robots.txt, asked for its own lines as paths.
pub fn robots(data: &[u8]) {
    let robots = Robots::from_response(Some(200), data, "ExampleBot");
    let Ok(base) = Url::parse("https://e.com/") else { return };
    for line in String::from_utf8_lossy(data).lines().take(50) {
        let path = line.split_once(':').map_or(line, |(_, value)| value.trim());
        if let Ok(url) = base.join(path) {
            let _ = robots.allows(&url);
        }
    }
    if let Ok(own) = base.join("/robots.txt") {
        assert!(robots.allows(&own), "the file itself is always allowed");
    }
    let _ = (robots.crawl_delay(), robots.sitemaps());
}

/// A sitemap, feed or list of URLs.
pub fn sitemap(data: &[u8]) {
    if let Ok(found) = sitemap::parse(data) {
        assert!(found.urls.len() <= sitemap::MAX_ENTRIES && found.sitemaps.len() <= sitemap::MAX_ENTRIES);
    }
}

/// Addresses: lines of the input, resolved one after the other, and as a `Link` header.
pub fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(mut at) = Url::parse("https://e.com/a/b?c=d") else {
        return;
    };
    let mut watch = TrapWatch::new(2026);
    for line in text.lines().take(50) {
        for link in link_header::parse(line, &at) {
            assert_eq!(normalize(&link.url), link.url);
        }
        let Ok(next) = at.join(line) else { continue };
        let once = normalize(&next);
        assert_eq!(normalize(&once), once, "normalising twice changes nothing");
        assert_eq!(Url::parse(once.as_str()).as_ref(), Ok(&once), "the spelling is a URL");
        let verdict = watch.judge(&once);
        assert!(verdict.is_none() || watch.judge(&once) == verdict);
        assert!(trap(&once).is_none() || verdict.is_some());
        watch.saw(&once, data.len() as u64);
        let _ = watch.settle(&once);
        at = next;
    }
}
