//! How a URL is asked for: the host's turn, the request with what validates the stored copy, and the reading of the answer off
//! the async threads, and a browser for what can't be read without (`render`). Knows nothing of rows; `fetcher` says what is known, `record` what becomes of the answer.
use domain::{
    Error, Result,
    pages::{request::FetchMode, store::Known},
};
use egress::{Redirects, Request};
use http::{HeaderValue, header};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use url::Url;

use super::{
    answer::{Answer, Meaning},
    politeness::{UnderWay, Visitor},
    readers::Readers,
    render::{Need, Renderer, Stored},
    scope::{Judgement, Scope},
};

/// Asks one site.
pub(super) struct Ask {
    /// The guarded client.
    pub http: egress::Client,
    /// The crawler's product token, for robots rules in answers.
    pub agent: String,
    /// What may be visited: canonical URLs and redirects elsewhere mean less.
    pub scope: Arc<Scope>,
    /// The crawl at its host.
    pub host: Arc<Visitor>,
    /// The pause between two requests.
    pub delay: Duration,
    /// For pages that need a browser.
    pub renderer: Arc<Renderer>,
    /// Turns at reading a page.
    pub readers: Readers,
}

impl Ask {
    /// Asks for a page and reads the answer. With `known`, a site that has nothing new says just that (RFC 9110 section 13), unless all
    /// is fetched anew. An `own` page is one, whatever it names as its canonical one. What was begun is kept in `under_way` until the caller has recorded it.
    pub async fn page(
        &self,
        url: Url,
        known: Option<&Known>,
        own: bool,
        under_way: &mut Option<UnderWay>,
    ) -> Result<Answer> {
        // What another release read of it does not stand for what this one would.
        let stored = Stored::of(known);
        let known = known.filter(|_| !self.renderer.anew && self.renderer.may_validate(&url));
        let mut request = Request::get(url.clone()).redirects(Redirects::Manual).header(
            header::ACCEPT,
            HeaderValue::from_static("text/html, application/xhtml+xml"),
        );
        let etag = known.and_then(|known| known.etag.as_deref());
        let modified = known.and_then(|known| known.last_modified.as_deref());
        for (name, validator) in [(header::IF_NONE_MATCH, etag), (header::IF_MODIFIED_SINCE, modified)] {
            if let Some(value) = validator.and_then(|text| HeaderValue::from_str(text).ok()) {
                request = request.header(name, value);
            }
        }
        let turn = self.host.turn(self.delay).await;
        let started = Instant::now();
        let response = self.http.fetch(request).await;
        turn.hear(&response);
        let wait_ms = turn.waited.as_millis() as i32;
        *under_way = Some(turn.end());
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                let ms = started.elapsed().as_millis() as i32;
                return Ok(Answer {
                    wait_ms,
                    ..Answer::none(&error, ms)
                });
            }
        };
        let (mut answer, response, need) = self.read(url.clone(), response, own, stored).await?;
        answer.wait_ms = wait_ms;
        let Some(need) = need else {
            if answer.meaning.is_about_the_page() {
                answer.rendering = self.renderer.static_is_enough(&url);
            }
            return Ok(answer);
        };
        // What an own page names as its canonical one is no page: what was remembered of that is over.
        let remembered = self.renderer.remembered(&url, &need);
        if let Some(meaning) = remembered.filter(|meaning| !(own && matches!(meaning, Meaning::Duplicate(_)))) {
            return Ok(Answer {
                meaning,
                links: Vec::new(),
                passed_by: Vec::new(),
                rendering: Some(Box::new(Renderer::unchanged())),
                ..answer
            });
        }
        if self.renderer.mode == FetchMode::Static {
            return Ok(Renderer::unused(answer, &need));
        }
        // A page in the browser is a visitor like any other. A crawl that gives way now does not wait for it.
        *under_way = None;
        let turn = self.host.turn(self.delay).await;
        let wait_ms = wait_ms + turn.waited.as_millis() as i32;
        let read = async |page| Ok(self.read(url.clone(), page, own, stored).await?.0);
        let answer = self.renderer.render(&url, answer, &response, need, read).await?;
        *under_way = Some(turn.end());
        Ok(Answer { wait_ms, ..answer })
    }

    /// Reads a response off the async threads, and whether it takes a browser to read it.
    async fn read(
        &self,
        url: Url,
        response: egress::Response,
        own: bool,
        stored: Stored,
    ) -> Result<(Answer, egress::Response, Option<Need>)> {
        let (agent, scope, renderer) = (self.agent.clone(), self.scope.clone(), self.renderer.clone());
        let reader = self.readers.turn().await;
        let reading = tokio::task::spawn_blocking(move || {
            let _reader = reader;
            let may_visit = |url: &Url| !own && scope.judge(url) == Judgement::Admit;
            let mut answer = Answer::read(&url, &response, &agent, &may_visit);
            let need = renderer.need(&url, &mut answer, &response, stored);
            (answer, response, need)
        });
        reading.await.map_err(|e| Error::internal("reading a page", e))
    }

    /// Fetches a file beside the pages, such as a sitemap, in its turn.
    pub async fn file(&self, url: Url, max_bytes: usize) -> std::result::Result<egress::Response, egress::Error> {
        let turn = self.host.turn(self.delay).await;
        let response = self.http.fetch(Request::get(url).max_body_bytes(max_bytes)).await;
        turn.hear(&response);
        response
    }
}
