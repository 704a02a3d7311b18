//! URL rules of the crawl: which spellings are one page, what belongs to the site, and what is not worth a request.
//!
//! Used by the frontier (keys), the link extractor and the sitemap reader. [`normalize`] documents each rule and its
//! risk; [`trap`] judges one URL by itself, [`TrapWatch`] what a whole crawl has seen of a site.

mod normal;
mod shape;
mod trap;
mod watch;

use ::url::Url;

pub(crate) use normal::percent as normalize_percent;
pub use {
    normal::normalize,
    trap::{Trap, trap},
    watch::TrapWatch,
};

/// File name extensions of things that are not pages.
const NOT_PAGES: &[&str] = &[
    "jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "ico", "bmp", "tif", "tiff", "heic", "psd", "eps", "mp3",
    "mp4", "m4a", "m4v", "avi", "mov", "mkv", "webm", "ogg", "ogv", "oga", "wav", "flac", "wmv", "flv", "m3u8", "zip",
    "gz", "tgz", "bz2", "xz", "7z", "rar", "tar", "zst", "iso", "dmg", "exe", "msi", "apk", "deb", "rpm", "pkg", "jar",
    "war", "bin", "woff", "woff2", "ttf", "otf", "eot", "css", "js", "mjs", "map", "json", "xml", "rss", "atom", "txt",
    "csv", "tsv", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "epub", "mobi", "rtf",
    "ics", "vcf", "wasm", "swf", "torrent",
];

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
