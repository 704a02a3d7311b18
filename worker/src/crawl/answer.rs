//! What an answer to a GET means for the crawl. Pure, and slow for pages (parsing): call it off the async threads.
use domain::pages::{
    record::{Byline, Prepared},
    store::FetchedPage,
};
use extract::{link_header, page, url::normalize};
use http::{HeaderMap, StatusCode, header};
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::Url;

use super::{dates, render::Rendering, wall};

/// A page that sends its readers on within so many seconds is a redirect in all but name.
const AT_ONCE: u32 = 1;

/// What was learned of one URL.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// A page with content, to be stored.
    Page(Box<Prepared>),
    /// What is stored is still true.
    NotModified,
    /// It is somewhere else.
    Moved {
        /// Where.
        to: Url,
    },
    /// Its author says that another URL is the page.
    Duplicate(Url),
    /// Its author does not want it in an index.
    NoIndex,
    /// It does not exist (any more).
    Gone,
    /// There is nothing in it, or it is no page at all.
    Skipped(&'static str),
    /// It could not be had.
    Failed {
        /// A stable word.
        code: &'static str,
        /// The details, for people.
        message: String,
        /// Whether a second try may help.
        again: bool,
        /// How long the site asks to be left alone.
        wait: Option<Duration>,
    },
}

impl Meaning {
    /// Whether the site has said what the page is; failures, walls and absence say nothing of what was rendered before.
    pub fn is_about_the_page(&self) -> bool {
        matches!(
            self,
            Self::Page(_) | Self::NoIndex | Self::Moved { .. } | Self::Duplicate(_)
        )
    }
}

/// A meaning, and what the page leads to.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it means.
    pub meaning: Meaning,
    /// Links to follow, normalised.
    pub links: Vec<Url>,
    /// Links that the page's author asks not to follow.
    pub passed_by: Vec<Url>,
    /// The feeds that the page names.
    pub feeds: Vec<Url>,
    /// HTTP status, if there was an answer.
    pub status: Option<i32>,
    /// Time of the fetch.
    pub ms: i32,
    /// How long it waited for the host's turn before.
    pub wait_ms: i32,
    /// Bytes of the decompressed body.
    pub bytes: i64,
    /// What the browser had to do with it, if anything.
    pub rendering: Option<Box<Rendering>>,
}

impl Answer {
    /// No answer at all.
    pub fn none(error: &egress::Error, ms: i32) -> Self {
        let meaning = Meaning::Failed {
            code: error.code(),
            message: error.to_string(),
            again: error.is_retryable(),
            wait: None,
        };
        Self {
            meaning,
            links: Vec::new(),
            passed_by: Vec::new(),
            feeds: Vec::new(),
            status: None,
            ms,
            wait_ms: 0,
            bytes: 0,
            rendering: None,
        }
    }

    /// Reads a response to a GET of `url` without redirects. `agent` is the crawler's product token; a page is the duplicate
    /// of its canonical one only if the crawl may visit that.
    pub fn read(url: &Url, response: &egress::Response, agent: &str, may_visit: &dyn Fn(&Url) -> bool) -> Self {
        let mut answer = Self {
            meaning: Meaning::NotModified,
            links: Vec::new(),
            passed_by: Vec::new(),
            feeds: Vec::new(),
            status: Some(response.status.as_u16().into()),
            ms: response.elapsed.as_millis() as i32,
            wait_ms: 0,
            bytes: response.body.len() as i64,
            rendering: None,
        };
        match response.status {
            StatusCode::NOT_MODIFIED => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => answer.meaning = Meaning::Gone,
            status if status.is_redirection() => answer.meaning = moved(url, response),
            status if status.is_success() => {
                answer.meaning = answer.page(url, response, agent, may_visit);
            }
            status => {
                answer.meaning = Meaning::Failed {
                    code: "http_status",
                    message: format!("the server answered {}", status.as_u16()),
                    again: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
                    wait: retry_after(&response.headers),
                };
            }
        }
        answer
    }
}

/// Whether a `Link` header's relation names another page, such as a translation or the next one.
fn leads_on(relations: &str) -> bool {
    relations
        .split_ascii_whitespace()
        .any(|rel| matches!(rel, "alternate" | "next" | "prev"))
}

/// How long the server asks to be left alone (RFC 9110, 10.2.3): in seconds, or until a date, which is taken by the server's own
/// clock. At most an hour.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    const MOST: Duration = Duration::from_hours(1);
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok();
    let asked = text(header::RETRY_AFTER)?;
    let wait = match asked.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (date(asked)? - date(text(header::DATE)?)?).try_into().ok()?,
    };
    Some(wait.min(MOST))
}

fn moved(url: &Url, response: &egress::Response) -> Meaning {
    let location = response.headers.get(header::LOCATION);
    let to = location.and_then(|value| url.join(&String::from_utf8_lossy(value.as_bytes())).ok());
    match to {
        Some(to) => Meaning::Moved { to: normalize(&to) },
        None => failed("bad_redirect", "the server redirects to no URL".to_owned()),
    }
}

impl Answer {
    /// What a successful answer means. Notes where it leads.
    fn page(
        &mut self,
        url: &Url,
        response: &egress::Response,
        agent: &str,
        may_visit: &dyn Fn(&Url) -> bool,
    ) -> Meaning {
        let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok());
        let input = page::Input {
            url,
            body: &response.body,
            content_type: header("content-type"),
        };
        let mut page = match page::extract_guarded(&input) {
            Ok(page) => page,
            Err(page::Error::NotHtml(_)) => return Meaning::Skipped("not_html"),
            Err(error) => return failed("extraction", error.to_string()),
        };
        if let Some(sign) = wall::sign(&response.headers, &page.title, page.text_words, &response.body) {
            let message = format!("the site answered with a challenge to bots ({sign})");
            return failed("bot_wall", message);
        }
        if page.canonical.is_none() {
            page.canonical = header("link").and_then(|value| link_header::canonical(value, url));
        }
        let asked = directives(&response.headers, agent).and(page.directives(agent));
        self.note_links(url, response, &mut page, !asked.nofollow);
        if asked.noindex {
            Meaning::NoIndex
        } else {
            meaning(url, response, page, may_visit)
        }
    }

    fn note_links(&mut self, url: &Url, response: &egress::Response, page: &mut page::Page, follow: bool) {
        let (followed, passed_by): (Vec<_>, Vec<_>) = std::mem::take(&mut page.links)
            .into_iter()
            .partition(|link| follow && !link.nofollow);
        self.links = followed.into_iter().map(|link| link.url).collect();
        self.passed_by = passed_by.into_iter().map(|link| link.url).collect();
        let beside = response.headers.get_all("link").iter();
        let beside = beside.filter_map(|value| Some(link_header::parse(value.to_str().ok()?, url)));
        let beside = beside.flatten().filter(|link| leads_on(&link.rel)).map(|link| link.url);
        let refresh = page.refresh.as_ref().map(|refresh| refresh.url.clone());
        let links = if follow { &mut self.links } else { &mut self.passed_by };
        links.extend(beside.chain(refresh));
        self.feeds = std::mem::take(&mut page.feeds);
    }
}

/// What a page means that may be in an index.
fn meaning(url: &Url, response: &egress::Response, page: page::Page, may_visit: &dyn Fn(&Url) -> bool) -> Meaning {
    let refresh = page.refresh.as_ref();
    if let Some(refresh) = refresh.filter(|refresh| refresh.seconds <= AT_ONCE && refresh.url != *url) {
        return Meaning::Moved {
            to: refresh.url.clone(),
        };
    }
    let canonical = page.canonical.as_ref();
    if let Some(canonical) = canonical.filter(|canonical| *canonical != url && may_visit(canonical)) {
        return Meaning::Duplicate(canonical.clone());
    }
    if page.markdown.trim().is_empty() {
        return Meaning::Skipped("empty");
    }
    let byline = byline(&page);
    Meaning::Page(Box::new(Prepared::from(stored(url, response, page)).by(byline)))
}

/// A failure that a second try would repeat.
fn failed(code: &'static str, message: String) -> Meaning {
    Meaning::Failed {
        code,
        message,
        again: false,
        wait: None,
    }
}

fn byline(page: &page::Page) -> Byline {
    Byline {
        published: page.published.as_deref().and_then(dates::moment),
        modified: page.modified.as_deref().and_then(dates::moment),
        author: page.author.clone(),
    }
}

fn stored(url: &Url, response: &egress::Response, page: page::Page) -> FetchedPage {
    let header = |name| {
        let value = response.headers.get(name).and_then(|value| value.to_str().ok());
        value.filter(|value| value.len() <= 1000).map(str::to_owned)
    };
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let structured = page.structured.into_iter().map(|found| {
        let kind = serde_json::to_value(found.kind).map(word).unwrap_or_default();
        let source = serde_json::to_value(found.source).map(word).unwrap_or_default();
        (kind, source, found.data)
    });
    // Postgres has no NUL in texts.
    let text = |text: String| {
        if text.contains('\0') {
            text.replace('\0', "")
        } else {
            text
        }
    };
    let title = Some(page.title).filter(|title| !title.is_empty());
    FetchedPage {
        url: url.to_string(),
        canonical: page.canonical.map(String::from),
        title: text(title.unwrap_or_else(|| url.path().to_owned())),
        language: page.language,
        markdown: text(page.markdown),
        status: response.status.as_u16().into(),
        etag: header(header::ETAG),
        last_modified: header(header::LAST_MODIFIED),
        navigational: page.kind == page::PageKind::Navigation,
        structured: structured.collect(),
    }
}

/// Every `X-Robots-Tag` header together, as far as they speak to everybody or to `agent`.
fn directives(headers: &HeaderMap, agent: &str) -> page::Directives {
    let values = headers.get_all("x-robots-tag").iter();
    let told = values.map(|value| page::Directives::of_header(&String::from_utf8_lossy(value.as_bytes()), agent));
    told.fold(page::Directives::default(), page::Directives::and)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::time::Duration;

    fn response(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> egress::Response {
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        egress::Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            url: Url::parse("http://shop.test/a").unwrap(),
            redirects: vec![],
            body: Bytes::from_static(body.as_bytes()),
            wire_bytes: 0,
            elapsed: Duration::from_millis(7),
        }
    }

    fn read(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> Answer {
        let url = Url::parse("http://shop.test/a").unwrap();
        Answer::read(&url, &response(status, headers, body), "OmniopsBot", &|url| {
            url.path() != "/closed"
        })
    }

    #[test]
    fn statuses_have_their_meanings() {
        assert!(matches!(read(304, &[], "").meaning, Meaning::NotModified));
        assert!(matches!(read(410, &[], "").meaning, Meaning::Gone));
        assert!(matches!(
            read(403, &[], "").meaning,
            Meaning::Failed { again: false, .. }
        ));
        assert!(matches!(
            read(503, &[], "").meaning,
            Meaning::Failed { again: true, .. }
        ));
        let moved = read(301, &[("location", "/b?utm_source=x#y")], "").meaning;
        assert!(matches!(moved, Meaning::Moved { to } if to.as_str() == "http://shop.test/b"));
        assert!(matches!(
            read(302, &[], "").meaning,
            Meaning::Failed {
                code: "bad_redirect",
                ..
            }
        ));
    }

    #[test]
    fn a_wait_that_the_server_asks_for_is_read_in_seconds_or_from_its_own_clock() {
        let wait = |headers: &[(&'static str, &'static str)]| match read(429, headers, "").meaning {
            Meaning::Failed { wait, again: true, .. } => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", " 120")]), Some(Duration::from_mins(2)));
        assert_eq!(wait(&[("retry-after", "864000")]), Some(Duration::from_hours(1)));
        assert_eq!(wait(&[("retry-after", "-3")]), None);
        let until = ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(
            wait(&[until, ("date", "Sun, 06 Nov 1994 08:49:37 GMT")]),
            Some(Duration::from_mins(1))
        );
        assert_eq!(wait(&[until]), None, "without the server's clock a date says nothing");
    }

    #[test]
    fn a_page_is_what_html_with_content_is() {
        let html = "<title>A page</title><main><p>Some words of content. <a href=/b>b</a> <a href=/c rel=nofollow>c</a></p></main>";
        let answer = read(200, &[("content-type", "text/html"), ("etag", "\"1\"")], html);
        let links: Vec<_> = answer.links.iter().map(Url::as_str).collect();
        assert_eq!(links, ["http://shop.test/b"]);
        let passed_by: Vec<_> = answer.passed_by.iter().map(Url::path).collect();
        assert_eq!(passed_by, ["/c"]);
        assert!(
            matches!(answer.meaning, Meaning::Page(page) if page.title == "A page" && page.etag.as_deref() == Some("\"1\""))
        );
        assert!(matches!(
            read(200, &[("content-type", "application/pdf")], "%PDF").meaning,
            Meaning::Skipped("not_html")
        ));
        assert!(matches!(
            read(200, &[("content-type", "text/html")], "<body></body>").meaning,
            Meaning::Skipped("empty")
        ));
    }

    #[test]
    fn a_page_has_a_byline() {
        let html = "<meta name=author content='Ada Lovelace'><meta property=article:published_time content=2026-01-02>\
            <meta property=article:modified_time content='2026-02-03T04:05:06+01:00'><p>Some words of content.</p>";
        let Meaning::Page(page) = read(200, &[("content-type", "text/html")], html).meaning else {
            panic!("no page")
        };
        let byline = page.byline();
        let moment = |moment: Option<OffsetDateTime>| moment.unwrap().unix_timestamp();
        assert_eq!(byline.author.as_deref(), Some("Ada Lovelace"));
        assert_eq!(
            (moment(byline.published), moment(byline.modified)),
            (1_767_312_000, 1_770_087_906)
        );
    }

    #[test]
    fn a_refresh_and_a_header_lead_on() {
        let html = ("content-type", "text/html");
        let at_once = "<meta http-equiv=refresh content='0; url=/new'><p>Some words of content.</p>";
        assert!(matches!(read(200, &[html], at_once).meaning, Meaning::Moved { to } if to.path() == "/new"));
        let later = "<meta http-equiv=refresh content='60; url=/next'><p>Some words of content.</p>";
        let answer = read(200, &[html], later);
        assert!(matches!(answer.meaning, Meaning::Page(_)) && answer.links[0].path() == "/next");
        let header = ("link", "</de>; rel=alternate; hreflang=de, </style.css>; rel=preload");
        let answer = read(200, &[html, header], "<p>Some words of content.</p>");
        let links: Vec<_> = answer.links.iter().map(Url::path).collect();
        assert_eq!(links, ["/de"]);
    }

    #[test]
    fn the_author_decides_about_index_and_links() {
        let html = "<p>Some words of content. <a href=/b>b</a></p>";
        let of = |tag: &'static str| read(200, &[("content-type", "text/html"), ("x-robots-tag", tag)], html);
        assert!(matches!(of("noindex").meaning, Meaning::NoIndex) && of("noindex").links.len() == 1);
        assert!(matches!(of("nofollow").meaning, Meaning::Page(_)) && of("nofollow").links.is_empty());
        assert_eq!(of("nofollow").passed_by.len(), 1);
        assert!(matches!(of("omniopsbot: none").meaning, Meaning::NoIndex));
        assert!(matches!(of("otherbot: none").meaning, Meaning::Page(_)));
        assert!(matches!(of("max-snippet: 5, noindex").meaning, Meaning::NoIndex));
        assert!(matches!(of("*: noindex").meaning, Meaning::NoIndex));
        let named = of("otherbot: noindex, OmniopsBot: nofollow");
        assert!(matches!(named.meaning, Meaning::Page(_)) && named.links.is_empty());
        let lines = [
            ("content-type", "text/html"),
            ("x-robots-tag", "nofollow"),
            ("x-robots-tag", "noindex"),
        ];
        let both = read(200, &lines, html);
        assert!(matches!(both.meaning, Meaning::NoIndex) && both.links.is_empty());
        let twin = read(
            200,
            &[("content-type", "text/html")],
            "<link rel=canonical href=/main><p>Some words.</p>",
        );
        assert!(matches!(twin.meaning, Meaning::Duplicate(to) if to.path() == "/main"));
        let closed = read(
            200,
            &[("content-type", "text/html")],
            "<link rel=canonical href=/closed><p>Some words.</p>",
        );
        assert!(matches!(closed.meaning, Meaning::Page(_)));
    }
}
