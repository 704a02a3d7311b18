//! What a page means that the site sent, and what stays of it.
use domain::pages::{
    record::{Byline, Prepared},
    store::FetchedPage,
};
use extract::{link_header, page};
use http::{HeaderMap, header};
use url::Url;

use super::{Answer, Meaning, failed};
use crate::crawl::{dates, wall};

/// A page that sends its readers on within so many seconds is a redirect in all but name.
const AT_ONCE: u32 = 1;

impl Answer {
    /// What a successful answer means. Notes where it leads.
    pub(super) fn page(
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

/// Whether a `Link` header's relation names another page, such as a translation or the next one.
fn leads_on(relations: &str) -> bool {
    relations
        .split_ascii_whitespace()
        .any(|rel| matches!(rel, "alternate" | "next" | "prev"))
}
