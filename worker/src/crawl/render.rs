//! When a page goes to the browser, and what its answer means then. Neighbours: `ask` brings the static answer, `need` judges
//! it, the `browser` crate renders, `record` keeps what is remembered.
//!
//! Static comes first, with the validators of the stored copy: a page whose server says nothing new starts no browser, in no
//! mode. A page that is known to need a browser, and whose static body is the one that it was rendered from, is what it was.
use browser::{Browsers, Failure, Picture, Rendered};
use domain::{
    Result,
    pages::{
        renders::{self, Render},
        request::FetchMode,
        store::Known,
    },
};
use entity::scrape_job;
use extract::url::normalize;
use http::{HeaderValue, header};
use std::{
    collections::{HashMap, HashSet},
    mem::take,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use time::OffsetDateTime;
use url::Url;

use super::{
    answer::{Answer, Meaning},
    fingerprint::fingerprint,
    need,
    rendering::{Memory, Rendering},
    scope::start_of,
};
use crate::job::Job;

/// The browser's word in decision rows.
pub(super) const VIA: &str = "browser";
/// Why a page is skipped whose scripts make nothing any more.
const BARE: &str = "rendered_empty";

/// What a crawl has for pages that need a browser.
pub(crate) struct Renderer {
    /// The worker's browsers.
    pub browsers: Browsers,
    /// Whose pages they are.
    pub tenant: String,
    /// How pages are fetched.
    pub mode: FetchMode,
    /// What earlier crawls rendered, by URL.
    pub renders: HashMap<String, Render>,
    /// Whether everything is fetched anew: then what was rendered is known, and not believed.
    pub anew: bool,
    /// When this crawl began.
    pub now: OffsetDateTime,
    patience: Patience,
}

/// Pages in a row that no browser came to the end of. After a few of them the site is not rendered any more in this run: each takes half
/// a minute of a browser that others wait for.
#[derive(Debug, Default)]
struct Patience(AtomicU32);

impl Patience {
    const ENDS: u32 = 5;

    fn is_over(&self) -> bool {
        self.0.load(Relaxed) >= Self::ENDS
    }

    fn note(&self, timed_out: bool) {
        if timed_out {
            self.0.fetch_add(1, Relaxed);
        } else {
            self.0.store(0, Relaxed);
        }
    }
}

/// That a page takes a browser, and what tells whether its static body is still the same.
pub(crate) struct Need {
    reason: &'static str,
    fingerprint: Vec<u8>,
    /// What is stored of it.
    stored: Stored,
    /// Whether that was made by a browser.
    was_made: bool,
}

/// Whether a page is stored as it was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    No,
    /// As another release read it.
    Older,
    Yes,
}

impl Stored {
    pub fn of(known: Option<&Known>) -> Self {
        match known {
            None => Self::No,
            Some(known) if known.current => Self::Yes,
            Some(_) => Self::Older,
        }
    }
}

impl Renderer {
    /// For a crawl with these settings.
    pub async fn open(job: &Job, settings: &scrape_job::Model) -> Result<Self> {
        let start = start_of(settings)?;
        let tx = job.read().await?;
        let renders = renders::of_site(&tx, &origins(&start)).await?;
        let tenant = tx.customer().to_string();
        tx.commit().await?;
        Ok(Self {
            browsers: job.ctx.browsers.clone(),
            tenant,
            mode: settings.mode.parse()?,
            renders,
            anew: settings.refetch,
            now: job.ctx.clock.now(),
            patience: Patience::default(),
        })
    }

    /// Whether the stored copy may be asked about: not when what a browser made of the page is too old to be believed.
    pub fn may_validate(&self, url: &Url) -> bool {
        self.renders
            .get(url.as_str())
            .is_none_or(|render| render.is_fresh(self.now))
    }

    /// Why a page with this static answer is to be rendered; `None` if it is not. Slow for pages with little text. Where no page is
    /// rendered, one that would need it is a makeshift, unless a browser made it before: see [`Renderer::unused`].
    pub fn need(&self, url: &Url, answer: &mut Answer, response: &egress::Response, stored: Stored) -> Option<Need> {
        let markdown = match &answer.meaning {
            Meaning::Page(page) => page.markdown.as_str(),
            Meaning::Skipped("empty") => "",
            _ => return None,
        };
        let reason = match self.mode {
            FetchMode::Browser => Some("as asked"),
            _ if need::is_content(markdown) => None,
            _ => need::reason(&String::from_utf8_lossy(&response.body), markdown),
        };
        let reason = reason?;
        let was_made = stored != Stored::No && self.renders.get(url.as_str()).is_some_and(Render::is_page);
        if self.mode == FetchMode::Static && !was_made {
            answer.make_do();
            return None;
        }
        Some(Need {
            reason,
            fingerprint: fingerprint(&response.body),
            stored,
            was_made,
        })
    }

    /// What is remembered, if the static body is the one that it was made from. What leads away from a stored page is not: each run
    /// that speaks against it has to have looked.
    pub fn remembered(&self, url: &Url, need: &Need) -> Option<Meaning> {
        let render = self.renders.get(url.as_str()).filter(|_| !self.anew)?;
        if !render.is_fresh(self.now) || render.static_hash != need.fingerprint {
            return None;
        }
        let target = || render.target.as_deref().and_then(|to| Url::parse(to).ok());
        match render.outcome.as_str() {
            "page" if need.stored == Stored::Yes => Some(Meaning::NotModified),
            _ if need.stored != Stored::No => None,
            "empty" => Some(Meaning::Skipped("empty")),
            "noindex" => Some(Meaning::NoIndex),
            "moved" => target().map(|to| Meaning::Moved { to }),
            "duplicate" => target().map(Meaning::Duplicate),
            _ => None,
        }
    }

    /// What stays of a static answer that needs no browser (any more).
    pub fn static_is_enough(&self, url: &Url) -> Option<Box<Rendering>> {
        let was = self.renders.contains_key(url.as_str());
        was.then(|| Box::new(Rendering::new(Memory::Forget, None)))
    }

    /// What stays of an answer that is what it was.
    pub fn unchanged() -> Rendering {
        let note = "its static page is the one that was rendered before".to_owned();
        Rendering::new(Memory::Keep, Some(note))
    }

    /// What a page means that a browser made before, in a crawl that uses none, by its customer's wish or without a proof of its domain: its
    /// frame is less than what is known of it.
    pub fn unused(answer: Answer, need: &Need) -> Answer {
        let told = "this crawl uses no browser, which made the page before".to_owned();
        let note = Some(need.reason.to_owned());
        Answer {
            meaning: failure("browser_unused", told, false),
            rendering: Some(Box::new(Rendering::new(Memory::Keep, note))),
            ..answer
        }
    }

    /// Renders the page. `read` reads a response as `ask` does.
    pub async fn render<F>(
        &self,
        url: &Url,
        fixed: Answer,
        response: &egress::Response,
        need: Need,
        read: impl FnOnce(egress::Response) -> F,
    ) -> Result<Answer>
    where
        F: Future<Output = Result<Answer>>,
    {
        if self.patience.is_over() {
            let told = format!(
                "{} pages in a row took too long, so that no more are rendered in this run",
                Patience::ENDS
            );
            return Ok(self.failed(fixed, &need, &Failure::Timeout, told, None));
        }
        let outcome = self.browsers.render(&self.tenant, url).await;
        self.patience
            .note(matches!(&outcome, Err(failed) if failed.why == Failure::Timeout));
        let word = outcome.as_ref().map_or_else(|failed| failed.why.code(), |_| "rendered");
        metrics::counter!("omniops_browser_renders_total", "outcome" => word).increment(1);
        match outcome {
            Ok(rendered) => self.rendered(url, fixed, response, need, rendered, read).await,
            Err(failed) => {
                let told = match &failed.why {
                    Failure::Missing => "this worker has no chromedriver (CHROMEDRIVER)".to_owned(),
                    other => other.to_string(),
                };
                Ok(self.failed(fixed, &need, &failed.why, told, failed.screenshot))
            }
        }
    }

    async fn rendered<F>(
        &self,
        url: &Url,
        mut fixed: Answer,
        response: &egress::Response,
        need: Need,
        mut rendered: Rendered,
        read: impl FnOnce(egress::Response) -> F,
    ) -> Result<Answer>
    where
        F: Future<Output = Result<Answer>>,
    {
        let (status, ms, picture) = (rendered.status, rendered.ms, rendered.screenshot.take());
        let (links, passed_by) = (take(&mut fixed.links), take(&mut fixed.passed_by));
        let mut answer = Answer {
            status: Some(status.into()),
            bytes: rendered.html.len() as i64,
            ..fixed
        };
        let to = normalize(&rendered.url);
        if to != *url {
            answer.meaning = Meaning::Moved { to };
        } else if !(200..300).contains(&status) {
            // Never "gone": the plain request was answered, and what a browser is told may be meant for robots.
            answer.meaning = failure(
                "http_status",
                format!("the browser was answered {status}"),
                status >= 500,
            );
        } else if !matches!(rendered.content_type.as_str(), "text/html" | "application/xhtml+xml") {
            answer.meaning = Meaning::Skipped("not_html");
        } else {
            let read = read(as_response(response, rendered)).await?;
            answer.links = followed(links, read.links, &read.passed_by);
            answer.passed_by = [passed_by, read.passed_by].concat();
            answer.meaning = self.better(answer.meaning, read.meaning, need.was_made);
        }
        answer.ms += ms;
        let is_page = matches!(answer.meaning, Meaning::Page(_));
        let memory = if is_page || need.stored == Stored::No {
            Memory::Note(need.fingerprint)
        } else {
            Memory::Doubt
        };
        answer.rendering = Some(Box::new(Rendering {
            memory,
            picture: picture.filter(|_| !is_page),
            note: match &answer.meaning {
                Meaning::Page(_) => Some(need.reason.to_owned()),
                Meaning::Skipped(BARE) => Some("what a browser made of it before stays".to_owned()),
                _ => None,
            },
            rendered: true,
        }));
        Ok(answer)
    }

    /// What a page means by its static answer and its rendering. If that is no more than its frame, the frame stands; but not for a page
    /// that a browser made before: its scripts have failed this time.
    fn better(&self, fixed: Meaning, rendered: Meaning, was_made: bool) -> Meaning {
        let is_auto = self.mode == FetchMode::Auto;
        let (before, after) = (words_of(&fixed), words_of(&rendered));
        let is_bare = match &rendered {
            Meaning::Page(_) | Meaning::Failed { .. } => is_auto && after <= before,
            Meaning::Skipped(_) => true,
            _ => false,
        };
        if is_bare && was_made {
            Meaning::Skipped(BARE)
        } else if is_auto && after < before {
            fixed
        } else {
            rendered
        }
    }

    /// Without a rendering, what can be read of the static page stands, and is asked for again; a page without any text has failed, and so
    /// has one that a browser has made before: its frame is less than what is known of it.
    fn failed(&self, mut answer: Answer, need: &Need, why: &Failure, told: String, picture: Option<Picture>) -> Answer {
        let is_absent = matches!(why, Failure::Missing | Failure::Unusable(_));
        let is_text = matches!(answer.meaning, Meaning::Page(_));
        let stands = self.mode == FetchMode::Auto && !need.was_made && (is_absent || is_text);
        let note = if stands {
            answer.make_do();
            format!("a browser would be needed ({}): {told}", need.reason)
        } else {
            answer.meaning = failure(why.code(), told, why.is_retryable());
            answer.links.clear();
            answer.passed_by.clear();
            need.reason.to_owned()
        };
        let mut rendering = Rendering::new(Memory::Keep, Some(note));
        rendering.picture = picture;
        rendering.rendered = !is_absent && !stands;
        answer.rendering = Some(Box::new(rendering));
        answer
    }
}

/// Of a site by either scheme: what begins at one is led to the other.
pub(super) fn origins(start: &Url) -> [String; 2] {
    let site = start.authority();
    [format!("http://{site}/"), format!("https://{site}/")]
}

fn failure(code: &'static str, message: String, again: bool) -> Meaning {
    Meaning::Failed {
        code,
        message,
        again,
        wait: None,
    }
}

/// What a page leads to, by its static mark-up and as rendered: scripts make links, and take some away. What the page asks in the end to
/// pass by is passed by.
fn followed(fixed: Vec<Url>, rendered: Vec<Url>, passed_by: &[Url]) -> Vec<Url> {
    let known: HashSet<&Url> = rendered.iter().chain(passed_by).collect();
    let only_fixed: Vec<Url> = fixed.into_iter().filter(|link| !known.contains(link)).collect();
    rendered.into_iter().chain(only_fixed).collect()
}

fn words_of(meaning: &Meaning) -> usize {
    match meaning {
        Meaning::Page(page) => need::words(&page.markdown),
        // What its author says of the page counts, however much of it there is to read.
        Meaning::NoIndex | Meaning::Duplicate(_) => usize::MAX,
        _ => 0,
    }
}

/// The rendered page as if the server had sent it, with what the server said of the static one.
fn as_response(response: &egress::Response, rendered: Rendered) -> egress::Response {
    let mut headers = response.headers.clone();
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    egress::Response {
        headers,
        body: rendered.html.into(),
        ..response.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_one_by_either_scheme() {
        let start = Url::parse("http://shop.test:8080/de?x=1").unwrap();
        assert_eq!(origins(&start), ["http://shop.test:8080/", "https://shop.test:8080/"]);
        assert_eq!(
            origins(&Url::parse("https://shop.test/").unwrap())[0],
            "http://shop.test/"
        );
    }

    #[test]
    fn patience_ends_with_pages_in_a_row_that_take_too_long() {
        let patience = Patience::default();
        for _ in 0..4 {
            patience.note(true);
        }
        patience.note(false);
        for _ in 0..4 {
            patience.note(true);
        }
        assert!(!patience.is_over());
        patience.note(true);
        assert!(patience.is_over());
    }

    #[test]
    fn a_rendered_page_leads_where_its_static_one_does_too() {
        let urls = |paths: &[&str]| -> Vec<Url> {
            let url = |path: &&str| Url::parse(&format!("http://shop.test{path}")).unwrap();
            paths.iter().map(url).collect()
        };
        let links = followed(urls(&["/a", "/b", "/c"]), urls(&["/b", "/d"]), &urls(&["/c"]));
        assert_eq!(links, urls(&["/b", "/d", "/a"]));
    }
}
