//! What an answer to a GET means for the crawl. Pure, and slow for pages (parsing): call it off the async threads.
//! Here are the statuses; [`page`] reads what came with a successful one.
mod page;

use domain::pages::record::Prepared;
use extract::url::normalize;
use http::{HeaderMap, StatusCode, header};
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::Url;

use super::rendering::Rendering;

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

    /// Notes that a page is not what a browser would have shown: it is asked for again, whatever its server says.
    pub fn make_do(&mut self) {
        if let Meaning::Page(page) = &mut self.meaning {
            page.make_do();
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

/// A failure that a second try would repeat.
fn failed(code: &'static str, message: String) -> Meaning {
    Meaning::Failed {
        code,
        message,
        again: false,
        wait: None,
    }
}

#[cfg(test)]
mod tests;
