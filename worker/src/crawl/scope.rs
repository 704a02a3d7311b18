//! Which URLs belong to a crawl. Pure: settings and robots rules in, a judgement out.
use domain::{Error, Result};
use entity::scrape_job;
use extract::{
    robots::Robots,
    url::{File, file, normalize, same_site, trap},
};
use url::{Position, Url};

/// The bounds of one crawl.
pub(crate) struct Scope {
    start: Url,
    include: Vec<String>,
    exclude: Vec<String>,
    robots: Robots,
}

/// What the bounds say to a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It may be visited.
    Admit,
    /// Another site, or what pages are made of: nothing to note.
    Elsewhere,
    /// A rule forbids it: worth a decision row.
    Refused {
        /// The decision's word.
        decision: &'static str,
        /// The rule.
        reason: String,
    },
}

impl Scope {
    /// From the settings of a scrape job and the site's rules.
    pub fn new(settings: &scrape_job::Model, robots: Robots) -> Result<Self> {
        Ok(Self {
            start: start_of(settings)?,
            include: settings.include.clone(),
            exclude: settings.exclude.clone(),
            robots,
        })
    }

    /// The normalised start page.
    pub fn start(&self) -> &Url {
        &self.start
    }

    /// The site's rules.
    pub fn robots(&self) -> &Robots {
        &self.robots
    }

    /// Whether the URL is on the site.
    pub fn is_ours(&self, url: &Url) -> bool {
        same_site(url, &self.start)
    }

    /// Judges a normalised URL.
    pub fn judge(&self, url: &Url) -> Judgement {
        let refused = |decision, reason: String| Judgement::Refused { decision, reason };
        let file = file(url);
        if !self.is_ours(url) || file == Some(File::Part) {
            return Judgement::Elsewhere;
        }
        if let Some(File::Other(extension)) = file {
            return refused("skipped", format!("file: {extension}"));
        }
        if !self.robots.allows(url) {
            return refused("blocked", "robots".to_owned());
        }
        if let Some(trap) = trap(url) {
            return refused("skipped", format!("trap: {trap}"));
        }
        let path = &url[Position::BeforePath..Position::AfterQuery];
        if let Some(pattern) = self.exclude.iter().find(|pattern| matches(pattern, path)) {
            return refused("skipped", format!("excluded by {pattern}"));
        }
        if !self.include.is_empty() && !self.include.iter().any(|pattern| matches(pattern, path)) {
            return refused("skipped", "not included".to_owned());
        }
        Judgement::Admit
    }
}

#[cfg(test)]
impl Scope {
    /// The settings of a crawl for unit tests.
    pub fn settings() -> scrape_job::Model {
        scrape_job::Model {
            job_id: uuid::Uuid::nil(),
            customer_id: uuid::Uuid::nil(),
            start_url: "http://shop.test/".into(),
            mode: "auto".into(),
            max_pages: 10,
            max_depth: 3,
            include: vec![],
            exclude: vec![],
            refetch: false,
            max_bytes: None,
            max_minutes: None,
            spent_ms: 0,
            off_peak: None,
            staged: None,
            sitemaps: None,
            moved_to: None,
        }
    }
}

/// The start page as the frontier spells it; where it led, if that is another host of the customer.
pub(crate) fn start_of(settings: &scrape_job::Model) -> Result<Url> {
    let url = settings.moved_to.as_ref().unwrap_or(&settings.start_url);
    let url = Url::parse(url).map_err(|e| Error::invalid("url", e.to_string()))?;
    Ok(normalize(&url))
}

/// Whether path and query begin as `pattern` says, with `*` for anything: `/docs` has everything below it, as in robots.txt
/// (RFC 9309 §2.2.2).
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else {
        return false;
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(include: &[&str], exclude: &[&str], robots: &str) -> Scope {
        let owned = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect();
        let settings = scrape_job::Model {
            start_url: "http://shop.test:8080/start?utm_source=mail#top".into(),
            include: owned(include),
            exclude: owned(exclude),
            ..Scope::settings()
        };
        let robots = Robots::from_response(Some(200), robots.as_bytes(), "OmniopsBot");
        Scope::new(&settings, robots).unwrap()
    }

    fn judged(scope: &Scope, url: &str) -> String {
        match scope.judge(&Url::parse(url).unwrap()) {
            Judgement::Admit => "admit".into(),
            Judgement::Elsewhere => "elsewhere".into(),
            Judgement::Refused { decision, reason } => format!("{decision}: {reason}"),
        }
    }

    #[test]
    fn a_pattern_is_a_beginning_with_wildcards() {
        for (pattern, path) in [
            ("/docs", "/docs/a"),
            ("/docs/*", "/docs/"),
            ("*.html", "/a/b.html"),
            ("/*/faq", "/en/faq?x=1"),
            ("*?page=", "/list?page=2"),
            ("/", "/anything"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/docs/*", "/docs"),
            ("/Docs", "/docs"),
            ("/*/faq", "/faq"),
            ("b", "/b"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn the_site_is_host_and_port() {
        let scope = scope(&[], &[], "");
        assert_eq!(scope.start().as_str(), "http://shop.test:8080/start");
        assert_eq!(judged(&scope, "http://shop.test:8080/a"), "admit");
        assert_eq!(judged(&scope, "http://shop.test/a"), "elsewhere");
        assert_eq!(judged(&scope, "http://other.test:8080/a"), "elsewhere");
        assert_eq!(judged(&scope, "http://shop.test:8080/a.png"), "elsewhere");
        assert_eq!(judged(&scope, "http://shop.test/a.pdf"), "elsewhere");
        assert_eq!(judged(&scope, "http://shop.test:8080/a.PDF"), "skipped: file: pdf");
        assert_eq!(judged(&scope, "http://shop.test:8080/docs/node.js"), "admit");
    }

    #[test]
    fn a_refusal_names_its_rule() {
        let scope = scope(
            &["/docs", "/faq"],
            &["/docs/old"],
            "User-agent: *\nDisallow: /docs/secret",
        );
        assert_eq!(judged(&scope, "http://shop.test:8080/faq/1"), "admit");
        assert_eq!(judged(&scope, "http://shop.test:8080/docs/secret/x"), "blocked: robots");
        assert_eq!(
            judged(&scope, "http://shop.test:8080/docs/old/x"),
            "skipped: excluded by /docs/old"
        );
        assert_eq!(judged(&scope, "http://shop.test:8080/blog"), "skipped: not included");
        let loops = judged(&scope, "http://shop.test:8080/docs/a/a/a/a");
        assert_eq!(loops, "skipped: trap: a path segment repeats");
    }
}
