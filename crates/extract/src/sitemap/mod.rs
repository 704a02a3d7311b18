//! Where a site lists its pages: sitemaps and sitemap indexes (<https://www.sitemaps.org/protocol.html>) as XML or one URL a
//! line, and RSS and Atom feeds, plain or gzip.
//!
//! A small tolerant scanner instead of an XML parser: real sitemaps are often not well-formed, and a scanner that
//! knows no DTD cannot expand entities. Which of the URLs are in scope, and how deep indexes may name indexes, is the
//! caller's decision.

mod read;
mod xml;

use std::{borrow::Cow, io::Read};

use ::url::Url;

use crate::{page::decode, url::normalize};

/// Most entries read of one file, the protocol's own limit.
pub const MAX_ENTRIES: usize = 50_000;
/// Most translations read of one file.
pub const MAX_TRANSLATIONS: usize = 100_000;
/// Most bytes of one file after decompression, the protocol's own limit.
pub const MAX_BYTES: usize = 50 * 1024 * 1024;
/// How far the root element of a feed is looked for.
const MAX_PROLOGUE: usize = 4096;

/// Why a sitemap could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The gzip stream is damaged.
    #[error("the sitemap's gzip stream is damaged: {0}")]
    Gzip(#[from] std::io::Error),
    /// The file is larger than [`MAX_BYTES`].
    #[error("the sitemap is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// The file is neither a sitemap nor a list of URLs, most often an HTML error page.
    #[error("not a sitemap")]
    NotASitemap,
}

/// A page of a sitemap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The address as written, entities decoded, not validated.
    pub loc: String,
    /// When the page last changed, as written: a W3C date-time (<https://www.w3.org/TR/NOTE-datetime>), or that of RFC 5322 in
    /// feeds, where it may be the time of publication.
    pub lastmod: Option<String>,
    /// The same page in other languages (`xhtml:link rel=alternate hreflang`).
    pub translations: Vec<Translation>,
}

/// A page in another language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// `hreflang` in lower case.
    pub language: String,
    /// The address as written.
    pub loc: String,
}

impl Entry {
    /// The address, resolved against the file's own (the protocol wants full addresses, not all sites give them) and
    /// normalised; none if it is not a web address.
    #[must_use]
    pub fn url(&self, file: &Url) -> Option<Url> {
        resolve(&self.loc, file)
    }
}

impl Translation {
    /// The address as [`Entry::url`] gives it.
    #[must_use]
    pub fn url(&self, file: &Url) -> Option<Url> {
        resolve(&self.loc, file)
    }
}

fn resolve(loc: &str, file: &Url) -> Option<Url> {
    let url = file.join(loc.trim()).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| normalize(&url))
}

/// What one sitemap file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sitemap {
    /// Pages, in file order, at most [`MAX_ENTRIES`].
    pub urls: Vec<Entry>,
    /// Child sitemaps of a sitemap index, at most [`MAX_ENTRIES`].
    pub sitemaps: Vec<Entry>,
    /// Translations of all entries, at most [`MAX_TRANSLATIONS`].
    pub translations: usize,
    /// Whether entries beyond the limit were left out.
    pub truncated: bool,
}

/// Reads one sitemap or feed of any accepted form.
pub fn parse(bytes: &[u8]) -> Result<Sitemap, Error> {
    let bytes = decompressed(bytes)?;
    let text = decode(&bytes, None, None);
    if ["<urlset", "<sitemapindex", ":urlset", ":sitemapindex"]
        .iter()
        .any(|root| text.contains(root))
    {
        return Ok(read::read(&text, false));
    }
    if is_feed(&text) {
        return Ok(read::read(&text, true));
    }
    list(&text)
}

fn is_feed(text: &str) -> bool {
    let mut end = text.len().min(MAX_PROLOGUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = &text[..end];
    let is_page = head
        .get(..200.min(end))
        .unwrap_or(head)
        .to_ascii_lowercase()
        .contains("<!doctype html");
    !is_page
        && ["<rss", "<feed", "<rdf:RDF", ":feed"]
            .iter()
            .any(|root| head.contains(root))
}

/// One URL a line. The first line says whether it is such a list at all.
fn list(text: &str) -> Result<Sitemap, Error> {
    let mut sitemap = Sitemap::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !(line.starts_with("http://") || line.starts_with("https://")) {
            if sitemap.urls.is_empty() {
                return Err(Error::NotASitemap);
            }
            continue;
        }
        if sitemap.urls.len() == MAX_ENTRIES {
            sitemap.truncated = true;
            break;
        }
        sitemap.urls.push(Entry {
            loc: line.to_owned(),
            ..Entry::default()
        });
    }
    if sitemap.urls.is_empty() {
        Err(Error::NotASitemap)
    } else {
        Ok(sitemap)
    }
}

/// The file without gzip. Of a damaged stream what came before the damage is kept.
fn decompressed(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut out = Vec::new();
        let mut stream = flate2::read::MultiGzDecoder::new(bytes).take(MAX_BYTES as u64 + 1);
        match stream.read_to_end(&mut out) {
            Err(error) if out.is_empty() => return Err(error.into()),
            _ => Cow::Owned(out),
        }
    } else {
        Cow::Borrowed(bytes)
    };
    if bytes.len() > MAX_BYTES {
        Err(Error::TooLarge)
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const SAMPLE: &str = r#"<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
        <url><loc> https://e.com/a?x=1&amp;y=2 </loc><lastmod>2026-01-02</lastmod>
          <image:image><image:loc>https://e.com/i.png</image:loc></image:image></url>
        <!-- <url><loc>https://e.com/no</loc></url> -->
        <url><loc><![CDATA[https://e.com/b]]></loc></url></urlset>"#;

    fn locs(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.loc.as_str()).collect()
    }

    #[test]
    fn reads_urls_and_dates() {
        let sitemap = parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(locs(&sitemap.urls), ["https://e.com/a?x=1&y=2", "https://e.com/b"]);
        assert_eq!(sitemap.urls[0].lastmod.as_deref(), Some("2026-01-02"));
        assert_eq!(sitemap.urls[1].lastmod, None);
    }

    #[test]
    fn reads_indexes_gzip_and_prefixes() {
        let index =
            "<sm:sitemapindex><sm:sitemap><sm:loc>https://e.com/1.xml.gz</sm:loc></sm:sitemap></sm:sitemapindex>";
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(index.as_bytes()).unwrap();
        let sitemap = parse(&gzip.finish().unwrap()).unwrap();
        assert_eq!(locs(&sitemap.sitemaps), ["https://e.com/1.xml.gz"]);
        assert!(sitemap.urls.is_empty());
    }

    #[test]
    fn reads_lists_and_refuses_pages() {
        assert_eq!(
            locs(&parse(b"https://e.com/a\r\nhttps://e.com/b\n").unwrap().urls).len(),
            2
        );
        assert!(matches!(
            parse(b"<!doctype html><html>not found"),
            Err(Error::NotASitemap)
        ));
        assert!(matches!(parse(b""), Err(Error::NotASitemap)));
    }

    #[test]
    fn entities_never_expand() {
        let mut bomb = String::from("<!DOCTYPE u [<!ENTITY a \"aaaaaaaaaa\">");
        for level in 1..20 {
            bomb.extend(["<!ENTITY a", &level.to_string(), " \"", &"&a;".repeat(100), "\">"]);
        }
        bomb += "]><urlset><url><loc>https://e.com/&a19;</loc></url></urlset>";
        assert_eq!(locs(&parse(bomb.as_bytes()).unwrap().urls), ["https://e.com/&a19;"]);
    }

    #[test]
    fn compression_bombs_and_long_lists_stop() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let block = vec![b' '; 1024 * 1024];
        for _ in 0..51 {
            gzip.write_all(&block).unwrap();
        }
        assert!(matches!(parse(&gzip.finish().unwrap()), Err(Error::TooLarge)));
        let long = format!(
            "<urlset>{}</urlset>",
            "<url><loc>https://e.com/</loc></url>".repeat(MAX_ENTRIES + 5)
        );
        let sitemap = parse(long.as_bytes()).unwrap();
        assert!(sitemap.truncated && sitemap.urls.len() == MAX_ENTRIES);
    }

    #[test]
    fn cut_files_keep_what_was_whole() {
        for end in 0..SAMPLE.len() {
            if SAMPLE.is_char_boundary(end) {
                let _ = parse(&SAMPLE.as_bytes()[..end]);
            }
        }
        let cut = &SAMPLE[..SAMPLE.find("<!--").unwrap()];
        assert_eq!(parse(cut.as_bytes()).unwrap().urls.len(), 1);
    }

    #[test]
    fn translations_belong_to_their_page() {
        let text = r#"<urlset xmlns:xhtml="http://www.w3.org/1999/xhtml"><url><loc>https://e.com/a</loc>
            <xhtml:link rel="alternate" hreflang="DE-AT" href="https://e.com/de?x=1&amp;y=2"/>
            <xhtml:link rel='alternate' hreflang='x-default' href='/a'/><xhtml:link rel="stylesheet" href="/s.css"/></url>
            <url><loc>/b</loc></url></urlset>"#;
        let sitemap = parse(text.as_bytes()).unwrap();
        let file = Url::parse("https://e.com/maps/1.xml").unwrap();
        let translations = &sitemap.urls[0].translations;
        assert_eq!(translations.len(), 2);
        assert_eq!(
            (translations[0].language.as_str(), translations[0].loc.as_str()),
            ("de-at", "https://e.com/de?x=1&y=2")
        );
        assert_eq!(translations[1].url(&file).unwrap().as_str(), "https://e.com/a");
        assert_eq!(sitemap.urls[1].url(&file).unwrap().as_str(), "https://e.com/b");
        assert!(sitemap.urls[1].translations.is_empty());
    }

    #[test]
    fn feeds_name_their_articles() {
        let rss = r#"<?xml version="1.0"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>t</title>
            <link>https://e.com/</link><atom:link href="https://e.com/feed" rel="self"/>
            <item><title>One</title><link>https://e.com/1?a=1&amp;b=2</link><pubDate>Fri, 02 Jan 2026 03:04:05 GMT</pubDate>
            <description>&lt;a href="https://e.com/no"&gt;</description><media:content><link>https://e.com/no</link></media:content></item>
            <item><guid isPermaLink="true">https://e.com/2</guid></item><item><guid>tag:e.com,3</guid></item></channel></rss>"#;
        let feed = parse(rss.as_bytes()).unwrap();
        assert_eq!(locs(&feed.urls), ["https://e.com/1?a=1&b=2", "https://e.com/2"]);
        assert_eq!(feed.urls[0].lastmod.as_deref(), Some("Fri, 02 Jan 2026 03:04:05 GMT"));
        let atom = r#"<feed xmlns="http://www.w3.org/2005/Atom"><link href="https://e.com/"/>
            <entry><link rel="edit" href="/edit"/><link href="/1"/><published>2026-01-01</published><updated>2026-01-02T03:04:05Z</updated></entry>
            <entry><link rel="alternate" href="https://e.com/2"/><published>2026-01-01</published></entry></feed>"#;
        let feed = parse(atom.as_bytes()).unwrap();
        assert_eq!(locs(&feed.urls), ["/1", "https://e.com/2"]);
        assert_eq!(feed.urls[0].lastmod.as_deref(), Some("2026-01-02T03:04:05Z"));
        let rdf = r#"<rdf:RDF xmlns="http://purl.org/rss/1.0/"><item rdf:about="x"><link>https://e.com/1</link><dc:date>2026-01-02</dc:date></item></rdf:RDF>"#;
        let feed = parse(rdf.as_bytes()).unwrap();
        assert_eq!(
            (locs(&feed.urls), feed.urls[0].lastmod.as_deref()),
            (vec!["https://e.com/1"], Some("2026-01-02"))
        );
        assert!(parse(b"<!DOCTYPE html><html><body>about <rss> and <item><link>https://e.com/</link>").is_err());
    }

    #[test]
    fn unclosed_entries_and_fields_are_kept() {
        let text = "<urlset><url><loc>https://e.com/a<lastmod>2026-01-02</lastmod><url><loc>https://e.com/b</loc><loc/></urlset>";
        let sitemap = parse(text.as_bytes()).unwrap();
        assert_eq!(locs(&sitemap.urls), ["https://e.com/a", "https://e.com/b"]);
        assert_eq!(sitemap.urls[0].lastmod.as_deref(), Some("2026-01-02"));
    }

    #[test]
    fn lists_may_have_bad_lines_and_damaged_streams_a_good_beginning() {
        let list = parse("\u{feff}https://e.com/a\n# more\nhttps://e.com/b\n".as_bytes()).unwrap();
        assert_eq!(locs(&list.urls), ["https://e.com/a", "https://e.com/b"]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        gzip.write_all(SAMPLE.as_bytes()).unwrap();
        let whole = gzip.finish().unwrap();
        assert_eq!(parse(&whole[..whole.len() - 20]).unwrap().urls.len(), 2);
        assert!(matches!(parse(&whole[..5]), Err(Error::Gzip(_))));
    }

    #[test]
    fn ten_million_entries_cost_what_the_cap_costs() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"<sitemapindex>").unwrap();
        let block = "<sitemap><loc>https://e.com/s</loc></sitemap>".repeat(10_000);
        for _ in 0..100 {
            gzip.write_all(block.as_bytes()).unwrap();
        }
        let index = parse(&gzip.finish().unwrap()).unwrap();
        assert!(index.truncated && index.sitemaps.len() == MAX_ENTRIES && index.urls.is_empty());
    }
}
