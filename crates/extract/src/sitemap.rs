//! Sitemaps and sitemap indexes (<https://www.sitemaps.org/protocol.html>), as XML or one URL a line, plain or gzip.
//!
//! A small tolerant scanner instead of an XML parser: real sitemaps are often not well-formed, and a scanner that
//! knows no DTD cannot expand entities. Which of the URLs are in scope is the caller's decision.

use std::{borrow::Cow, io::Read};

use crate::page::decode;

/// Most entries read of one file, the protocol's own limit.
pub const MAX_ENTRIES: usize = 50_000;
/// Most bytes of one file after decompression, the protocol's own limit.
pub const MAX_BYTES: usize = 50 * 1024 * 1024;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The address as written, entities decoded, not validated.
    pub loc: String,
    /// `lastmod` as written (W3C date or date-time).
    pub lastmod: Option<String>,
}

/// What one sitemap file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sitemap {
    /// Pages, in file order, at most [`MAX_ENTRIES`].
    pub urls: Vec<Entry>,
    /// Child sitemaps of a sitemap index, at most [`MAX_ENTRIES`].
    pub sitemaps: Vec<Entry>,
    /// Whether entries beyond the limit were left out.
    pub truncated: bool,
}

/// Reads one sitemap file of any accepted form.
pub fn parse(bytes: &[u8]) -> Result<Sitemap, Error> {
    let bytes = decompressed(bytes)?;
    let text = decode(&bytes, None);
    if text.contains("<urlset")
        || text.contains("<sitemapindex")
        || text.contains(":urlset")
        || text.contains(":sitemapindex")
    {
        return Ok(scan(&text));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut sitemap = Sitemap::default();
    for line in lines {
        if !(line.starts_with("http://") || line.starts_with("https://")) {
            return Err(Error::NotASitemap);
        }
        if sitemap.urls.len() == MAX_ENTRIES {
            sitemap.truncated = true;
            break;
        }
        sitemap.urls.push(Entry {
            loc: line.to_owned(),
            lastmod: None,
        });
    }
    if sitemap.urls.is_empty() {
        Err(Error::NotASitemap)
    } else {
        Ok(sitemap)
    }
}

fn decompressed(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut out = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes)
            .take(MAX_BYTES as u64 + 1)
            .read_to_end(&mut out)?;
        Cow::Owned(out)
    } else {
        Cow::Borrowed(bytes)
    };
    if bytes.len() > MAX_BYTES {
        Err(Error::TooLarge)
    } else {
        Ok(bytes)
    }
}

/// What the scanner is inside of.
#[derive(Default)]
struct State<'a> {
    /// The open `url` or `sitemap` element: its prefix, and whether it is a child sitemap.
    container: Option<(&'a str, bool)>,
    /// The open element directly inside the container.
    field: Option<&'a str>,
    text: String,
    loc: String,
    lastmod: String,
}

fn scan(text: &str) -> Sitemap {
    let mut out = Sitemap::default();
    let mut state = State::default();
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        if state.field.is_some() {
            state.text.push_str(&decode_entities(&rest[..open]));
        }
        rest = &rest[open..];
        if let Some(after) = rest.strip_prefix("<![CDATA[") {
            let end = after.find("]]>").unwrap_or(after.len());
            if state.field.is_some() {
                state.text.push_str(&after[..end]);
            }
            rest = after.get(end + 3..).unwrap_or_default();
            continue;
        }
        let (terminator, skip) = if rest.starts_with("<!--") { ("-->", 3) } else { (">", 1) };
        let end = rest.find(terminator).unwrap_or(rest.len());
        let tag = rest.get(1..end).unwrap_or_default();
        rest = rest.get(end + skip..).unwrap_or_default();
        if !tag.starts_with(['!', '?']) && !state.tag(tag, &mut out) {
            out.truncated = true;
            break;
        }
    }
    out
}

impl<'a> State<'a> {
    /// Takes one tag (the text between `<` and `>`); false when the list is full.
    fn tag(&mut self, tag: &'a str, out: &mut Sitemap) -> bool {
        let (closing, tag) = tag.strip_prefix('/').map_or((false, tag), |rest| (true, rest));
        let name = tag
            .split(|c: char| c.is_whitespace() || c == '/')
            .next()
            .unwrap_or_default();
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        match (self.container, closing, local) {
            (_, false, "url" | "sitemap") => {
                *self = Self {
                    container: Some((prefix, local == "sitemap")),
                    ..Self::default()
                };
            }
            (Some((_, child)), true, "url" | "sitemap") => {
                let list = if child { &mut out.sitemaps } else { &mut out.urls };
                if list.len() == MAX_ENTRIES {
                    return false;
                }
                let (loc, lastmod) = (self.loc.trim(), self.lastmod.trim());
                if !loc.is_empty() {
                    let lastmod = Some(lastmod).filter(|text| !text.is_empty()).map(str::to_owned);
                    list.push(Entry {
                        loc: loc.to_owned(),
                        lastmod,
                    });
                }
                *self = Self::default();
            }
            // The prefix must be the container's: `image:loc` names a picture, not the page.
            (Some((own, _)), false, "loc" | "lastmod") if own == prefix => {
                self.field = Some(local);
                self.text.clear();
            }
            (Some((own, _)), true, "loc" | "lastmod") if own == prefix => {
                let text = std::mem::take(&mut self.text);
                if local == "loc" {
                    self.loc = text;
                } else {
                    self.lastmod = text;
                }
                self.field = None;
            }
            _ => {}
        }
        true
    }
}

/// The five XML entities and character references; anything else stays as it stands, so that nothing can expand.
fn decode_entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.as_bytes().iter().take(12).position(|byte| *byte == b';');
        if let Some((end, decoded)) = end.and_then(|end| Some((end, entity(&rest[1..end])?))) {
            out.push(decoded);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
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
}
