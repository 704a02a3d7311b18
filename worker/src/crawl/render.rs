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
        screenshots::{self, Screenshot},
    },
    secrets,
};
use entity::scrape_job;
use extract::url::normalize;
use http::{HeaderValue, header};
use regex::bytes::Regex;
use std::{
    collections::{HashMap, HashSet},
    mem::take,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};
use time::OffsetDateTime;
use url::Url;

use super::{
    answer::{Answer, Meaning},
    need,
    scope::start_of,
};
use crate::job::{Fenced, Job};

/// The browser's word in decision rows.
pub(super) const VIA: &str = "browser";

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

/// What the browser had to do with an answer.
#[derive(Debug)]
pub(crate) struct Rendering {
    /// What is remembered of it.
    memory: Memory,
    /// What the page showed, if it can't be read.
    picture: Option<Picture>,
    /// For the decision row.
    pub note: Option<String>,
    /// Whether the answer is the browser's.
    pub rendered: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Memory {
    Keep,
    Note(Vec<u8>),
    Forget,
}

impl Rendering {
    fn new(memory: Memory, note: Option<String>) -> Self {
        Self {
            memory,
            picture: None,
            note,
            rendered: false,
        }
    }

    /// Writes what is remembered: whether the page needs a browser, and its picture.
    pub async fn record(&self, tx: &Fenced, job: uuid::Uuid, url: &str, meaning: &Meaning) -> Result<()> {
        match (&self.memory, outcome(meaning)) {
            (Memory::Note(hash), Some((word, target))) => {
                renders::note(tx, url, hash, word, target.map(Url::as_str)).await?;
            }
            (Memory::Forget, _) => renders::forget(tx, url).await?,
            _ => {}
        }
        if let Some(picture) = &self.picture {
            let media_type = "image/jpeg".to_owned();
            let image = picture.0.clone();
            screenshots::keep(tx, job, url, &Screenshot { media_type, image }).await?;
        }
        Ok(())
    }
}

/// The words of [`Render::outcome`], for meanings that stay true while the static page does.
fn outcome(meaning: &Meaning) -> Option<(&'static str, Option<&Url>)> {
    match meaning {
        Meaning::Page(_) => Some(("page", None)),
        Meaning::Skipped("empty") => Some(("empty", None)),
        Meaning::NoIndex => Some(("noindex", None)),
        Meaning::Moved { to } => Some(("moved", Some(to))),
        Meaning::Duplicate(to) => Some(("duplicate", Some(to))),
        _ => None,
    }
}

/// That a page takes a browser, and what tells whether its static body is still the same.
pub(crate) struct Need {
    reason: &'static str,
    pub fingerprint: Vec<u8>,
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
    /// rendered, one that would need it is a makeshift.
    pub fn need(&self, answer: &mut Answer, response: &egress::Response) -> Option<Need> {
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
        if self.mode == FetchMode::Static {
            answer.make_do();
            return None;
        }
        Some(Need {
            reason,
            fingerprint: fingerprint(&response.body),
        })
    }

    /// What is remembered, if the static body is the one that it was made from. `is_known`: the page is stored.
    pub fn remembered(&self, url: &Url, fingerprint: &[u8], is_known: bool) -> Option<Meaning> {
        let render = self.renders.get(url.as_str()).filter(|_| !self.anew)?;
        if !render.is_fresh(self.now) || render.static_hash != fingerprint {
            return None;
        }
        let target = || render.target.as_deref().and_then(|to| Url::parse(to).ok());
        match render.outcome.as_str() {
            "page" if is_known => Some(Meaning::NotModified),
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
            return Ok(self.failed(url, fixed, need.reason, &Failure::Timeout, told, None));
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
                Ok(self.failed(url, fixed, need.reason, &failed.why, told, failed.screenshot))
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
            let is_worse = self.mode == FetchMode::Auto && words_of(&read.meaning) < words_of(&answer.meaning);
            answer.links = followed(links, read.links, &read.passed_by);
            answer.passed_by = [passed_by, read.passed_by].concat();
            if !is_worse {
                answer.meaning = read.meaning;
            }
        }
        answer.ms += ms;
        let is_page = matches!(answer.meaning, Meaning::Page(_));
        answer.rendering = Some(Box::new(Rendering {
            memory: Memory::Note(need.fingerprint),
            picture: picture.filter(|_| !is_page),
            note: is_page.then(|| need.reason.to_owned()),
            rendered: true,
        }));
        Ok(answer)
    }

    /// Without a rendering, what can be read of the static page stands, and is asked for again; a page without any text has failed, and so
    /// has one that a browser has made before: its frame is less than what is known of it.
    fn failed(
        &self,
        url: &Url,
        mut answer: Answer,
        reason: &str,
        why: &Failure,
        told: String,
        picture: Option<Picture>,
    ) -> Answer {
        let is_absent = matches!(why, Failure::Missing | Failure::Unusable(_));
        let was_rendered = self.renders.get(url.as_str()).is_some_and(Render::is_page);
        let is_text = matches!(answer.meaning, Meaning::Page(_));
        let stands = self.mode == FetchMode::Auto && !was_rendered && (is_absent || is_text);
        let note = if stands {
            answer.make_do();
            format!("a browser would be needed ({reason}): {told}")
        } else {
            answer.meaning = failure(why.code(), told, why.is_retryable());
            answer.links.clear();
            answer.passed_by.clear();
            reason.to_owned()
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

/// SHA-256 of a static body without what servers make up anew for every answer.
fn fingerprint(body: &[u8]) -> Vec<u8> {
    static FLEETING: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // Bounded everywhere, so that a body of endless beginnings costs no square.
        Regex::new(r#"(?i-u)\bnonce\s{0,8}=\s{0,8}(?:"[^"]{0,200}"|'[^']{0,200}'|[^\s>"']{1,200})|<(?:meta|input)\b[^<>]{0,300}(?:csrf|xsrf|authenticity_token|requestverificationtoken)[^<>]{0,300}>"#).ok()
    });
    match FLEETING.as_ref() {
        Some(fleeting) => secrets::sha256(&fleeting.replace_all(body, &b""[..])),
        None => secrets::sha256(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_sees_through_what_is_made_up_for_every_answer() {
        let page = |nonce: &str, token: &str, script: &str| {
            let html = format!(
                "<meta name=\"csrf-token\" content=\"{token}\"><input type=hidden name=authenticity_token value={token}>
                 <script nonce='{nonce}' src=\"{script}\"></script><div id=root></div>"
            );
            fingerprint(html.as_bytes())
        };
        assert_eq!(page("a1", "x", "/app.1.js"), page("b2", "y", "/app.1.js"));
        assert_ne!(page("a1", "x", "/app.1.js"), page("a1", "x", "/app.2.js"));
    }

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

    /// Were the time quadratic, this would end the test run's patience.
    #[test]
    fn endless_beginnings_are_read_once() {
        for beginning in ["<input csrf", "<meta ", "nonce=\"", "nonce="] {
            assert_eq!(fingerprint(beginning.repeat(500_000).as_bytes()).len(), 32);
        }
    }
}
