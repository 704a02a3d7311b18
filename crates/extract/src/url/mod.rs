//! URL rules of the crawl: which spellings are one page, what belongs to the site, and what is not worth a request.
//!
//! Used by the frontier (keys), the link extractor and the sitemap reader. [`normalize`] documents each rule and its
//! risk; [`trap`] judges one URL by itself, [`TrapWatch`] what a whole crawl has seen of a site.

mod file;
mod normal;
mod shape;
mod trap;
mod watch;

use ::url::Url;

pub(crate) use normal::percent as normalize_percent;
pub use {
    file::{File, file},
    normal::normalize,
    trap::{Trap, trap},
    watch::TrapWatch,
};

/// Whether two URLs belong to one site: both HTTP or HTTPS, same host, same port (80 and 443 count as the scheme's own).
#[must_use]
pub fn same_site(a: &Url, b: &Url) -> bool {
    let web = |url: &Url| matches!(url.scheme(), "http" | "https");
    web(a) && web(b) && a.host() == b.host() && a.port() == b.port()
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
}
