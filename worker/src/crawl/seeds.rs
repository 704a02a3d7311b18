//! How a crawl begins: the site's rules, the start page, its sitemaps, and the pages of earlier crawls.
//!
//! A start page that cannot be had ends the job with a code that says why, and leaves nothing behind. Where nobody waits to hear of it, a site
//! that does not answer is asked again later.
use domain::{
    Error, Result,
    error::Kind,
    jobs::BULK,
    pages::{
        earlier::{Earlier, Wanted, earlier},
        frontier::{self, Lead, Open, Taken},
        lastmod,
        request::FetchMode,
        store,
    },
    tenancy::{HostName, own_hosts},
};
use egress::{HostPort, Request};
use entity::scrape_job;
use extract::robots::{self, Robots};
use std::{sync::Arc, time::Duration};
use url::Url;

use super::{
    Fetcher,
    answer::{Meaning, retry_after},
    fetcher::Finding,
    pass,
    politeness::{Visitor, delay},
    record,
    render::origins,
    scope::{Judgement, start_of},
    sitemaps,
};
use crate::job::Job;

/// Redirects that the start page may take.
const MAX_HOPS: usize = 5;
/// Of the room that a crawl has, the part that what earlier crawls knew may take before anything is found: the rest is for what is new.
const KNOWN_PART: (i64, i64) = (3, 4);
/// Where too few known pages may be visited, so many times more are asked for.
const MORE: i64 = 4;
/// Known pages that are judged before others have their turn.
const AT_ONCE: usize = 200;
/// Leads admitted in one transaction.
const LEADS: usize = 5_000;
/// Pauses before a start page is asked for again whose server failed.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// The start page's word in decision rows of what it leads to.
const START: &str = "start";

/// A site whose rules have been read.
pub(crate) struct Site {
    /// Its rules.
    pub robots: Robots,
    /// The crawl at its host.
    pub host: Arc<Visitor>,
    /// The pause between two requests.
    pub delay: Duration,
}

impl Site {
    /// Reads the site's robots.txt. Unreachable or failing rules forbid everything (RFC 9309 §2.3.1.4); a crawl that has `begun` waits
    /// for them instead of ending half done, and so does one that goes by the clock.
    pub async fn open(job: &Job, settings: &scrape_job::Model, begun: bool) -> Result<Self> {
        let patient = begun || by_the_clock(job);
        let start = start_of(settings)?;
        let config = &job.ctx.config.crawl;
        let name = HostPort::of(&start).ok_or_else(|| Error::invalid("url", "has no host"))?;
        let host = job.ctx.politeness.visitor(&name, job.id());
        let rules = start
            .join("/robots.txt")
            .map_err(|e| Error::invalid("url", e.to_string()))?;
        let turn = host.turn(delay(config, &name, None)).await;
        // Its first part is enough of a file without end (RFC 9309 section 2.5); one of wide characters has half as many.
        let asked = Request::get(rules).first_bytes(2 * robots::MAX_BYTES);
        let response = job.ctx.http.fetch(asked).await;
        turn.hear(&response);
        drop(turn);
        let response = match response {
            Ok(response) => response,
            // More than five redirects count as no file (RFC 9309 section 2.3.1.2).
            Err(error) if error.code() == "too_many_redirects" => {
                return Ok(Self {
                    robots: Robots::from_response(Some(302), b"", &config.user_agent),
                    host,
                    delay: delay(config, &name, None),
                });
            }
            Err(error) if patient && error.is_retryable() => {
                return Err(Error::unavailable(
                    "site_unavailable",
                    "robots.txt can't be had at the moment",
                    error,
                ));
            }
            Err(error) => return Err(unreachable(&error)),
        };
        let status = response.status.as_u16();
        if status == 429 || patient && status >= 500 {
            return Err(busy(
                &format!("robots.txt answers {status}"),
                retry_after(&response.headers),
            ));
        }
        if status >= 500 {
            let message = format!("robots.txt answers {status}, which forbids to crawl the site until it is mended");
            return Err(Error::conflict("robots_unavailable", message));
        }
        let robots = Robots::from_response(Some(status), &response.body, &config.user_agent);
        Ok(Self {
            delay: delay(config, &name, robots.crawl_delay()),
            robots,
            host,
        })
    }
}

/// Where a crawl begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// On the site that it was opened for.
    Here,
    /// On another host of the customer, to which the start page leads: the settings say so now.
    Elsewhere,
}

/// Fills the frontier of a new crawl. Repeating it after a crash does no harm.
pub(crate) async fn seed(fetcher: &Fetcher, with_sitemaps: bool) -> Result<Begun> {
    pass::catch_up(fetcher).await?;
    let tx = fetcher.job.read().await?;
    let begun = frontier::counts(&*tx, fetcher.job.id()).await?.total > 0;
    tx.commit().await?;
    let feeds = if begun {
        Some(Vec::new())
    } else {
        start_page(fetcher).await?
    };
    let Some(feeds) = feeds else {
        return Ok(Begun::Elsewhere);
    };
    if with_sitemaps {
        sitemaps::read(fetcher, feeds).await?;
    }
    unchanged_by_date(fetcher).await?;
    Ok(Begun::Here)
}

/// Fetches the start page, along its redirects, and writes all of it at once, or nothing. Returns the feeds that it names; none if it
/// leads to another host.
async fn start_page(fetcher: &Fetcher) -> Result<Option<Vec<Url>>> {
    let mut url = fetcher.scope.start().clone();
    let mut findings: Vec<Finding> = Vec::new();
    loop {
        if !fetcher.scope.robots().allows(&url) {
            return Err(refused(
                "robots_refused",
                format!("the site's robots.txt forbids to fetch {url}"),
            ));
        }
        let finding = look(fetcher, &url).await?;
        let next = if is_kept(fetcher, &finding) {
            None
        } else {
            next_hop(&url, &finding, by_the_clock(&fetcher.job))?
        };
        findings.push(finding);
        match next {
            Some(to) if findings.iter().any(|f| f.open.url == to.as_str()) || findings.len() > MAX_HOPS => {
                return Err(refused("start_redirects", format!("{url} redirects for ever")));
            }
            Some(to) if !fetcher.scope.is_ours(&to) => {
                go_to(fetcher, &url, &to, &findings).await?;
                return Ok(None);
            }
            Some(to) => url = to,
            None => break,
        }
    }
    let known = known_pages(fetcher, Wanted::Pages, part_of(fetcher)).await?;
    let tx = fetcher.job.write().await?;
    let leads: Vec<Lead> = findings.iter().map(|f| Lead::new(&f.open.url, 0)).collect();
    // Kept at once, so that the start page counts when its links ask for room; without the commit this fetcher goes.
    record::begin(fetcher, &tx, &leads).await?.keep(fetcher);
    // Before the start page's links, which may be more than there is room for, the same each time.
    for leads in known.chunks(LEADS) {
        record::admit_leads(fetcher, &tx, leads, START).await?.keep(fetcher);
    }
    let recorded = record::record(fetcher, &tx, &findings).await?;
    tx.commit().await?;
    recorded.keep(fetcher);
    Ok(Some(findings.pop().map(|last| last.answer.feeds).unwrap_or_default()))
}

/// Whether a browser made the start page before and none could be had now, or may be: what it said stays, and the site has other pages.
fn is_kept(fetcher: &Fetcher, finding: &Finding) -> bool {
    let is_without = matches!(&finding.answer.meaning, Meaning::Failed { code, .. } if code.starts_with("browser_"));
    is_without && finding.known.is_some() && fetcher.settings.mode != FetchMode::Browser.as_str()
}

/// Has the crawl begin at another host, where other rules and another pace hold, if that is verified for the customer as well.
async fn go_to(fetcher: &Fetcher, from: &Url, to: &Url, findings: &[Finding]) -> Result<()> {
    let tx = fetcher.job.read().await?;
    let hosts = own_hosts(&tx).await?;
    tx.commit().await?;
    let host = HostName::of(to).filter(|host| hosts.iter().any(|own| own == host.as_str()));
    if host.is_none() {
        let message =
            format!("{from} redirects to another site: verify its host and start at {to}, if it is the customer's");
        return Err(refused("start_redirects", message));
    }
    let tx = fetcher.job.write().await?;
    record::tell(&tx, fetcher.job.id(), findings).await?;
    store::move_start(&tx, fetcher.job.id(), to.as_str()).await?;
    tx.commit().await
}

/// Looks at a start page, and again where its server only failed for a moment: somebody waits for the crawl.
async fn look(fetcher: &Fetcher, url: &Url) -> Result<Finding> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let finding = fetcher.look(first(fetcher, url).await?, START).await?;
        // What is too busy says so, and is asked later.
        let failed = matches!(finding.answer.status, Some(500..=599)) && finding.answer.status != Some(503);
        match pauses.next().filter(|_| failed) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Ok(finding),
        }
    }
}

/// The start page, before it is in the frontier.
async fn first(fetcher: &Fetcher, url: &Url) -> Result<Taken> {
    let tx = fetcher.job.read().await?;
    let known = store::known(&tx, url.as_str()).await?;
    tx.commit().await?;
    let open = Open {
        url: url.to_string(),
        attempts: i32::MAX,
        ..Open::default()
    };
    Ok(Taken { open, known, place: 0 })
}

/// Whether nobody has asked for the crawl who waits to hear what is wrong with its address.
fn by_the_clock(job: &Job) -> bool {
    job.row.priority <= BULK
}

/// Where the start page leads, or why there is no crawl; `patient` ones wait for a site that does not answer.
fn next_hop(url: &Url, finding: &Finding, patient: bool) -> Result<Option<Url>> {
    match &finding.answer.meaning {
        Meaning::Moved { to } => Ok(Some(to.clone())),
        Meaning::Gone => Err(refused("start_not_found", format!("{url} does not exist"))),
        Meaning::Skipped("not_html") => Err(refused("not_html", format!("{url} is not an HTML page"))),
        Meaning::Failed {
            message,
            again: true,
            wait,
            ..
        } if matches!(finding.answer.status, Some(429 | 503)) || patient => Err(busy(message, *wait)),
        Meaning::Failed { code, message, .. } => {
            let code = match *code {
                "dns" | "connect" | "tls" | "timeout" | "protocol" => "unreachable",
                other => other,
            };
            Err(refused(code, message.clone()))
        }
        _ => Ok(None),
    }
}

/// The site says itself that it can't now: the crawl begins again later, when the site says so if it does.
fn busy(message: &str, wait: Option<Duration>) -> Error {
    match wait {
        Some(retry_after) => Error::new(Kind::TooMany { retry_after }, "site_busy", message),
        None => Error::unavailable("site_unavailable", message, "no Retry-After"),
    }
}

fn refused(code: &'static str, message: String) -> Error {
    Error::conflict(code, message)
}

fn unreachable(error: &egress::Error) -> Error {
    let code = if error.is_retryable() || error.code() == "tls" {
        "unreachable"
    } else {
        error.code()
    };
    Error::new(Kind::Conflict, code, error.to_string())
}

fn part_of(fetcher: &Fetcher) -> i64 {
    let (part, of) = KNOWN_PART;
    (fetcher.leads().room(&fetcher.settings) * part / of).max(1)
}

/// What earlier crawls knew (see [`domain::pages::earlier`]): the first of it that has `limit` pages which this crawl may visit. Those
/// among them that it may not visit any more take no place from others, and are told.
async fn known_pages(fetcher: &Fetcher, wanted: Wanted, limit: i64) -> Result<Vec<Lead>> {
    let origins = origins(fetcher.scope.start());
    let (job, start) = (fetcher.job.id(), &fetcher.settings.start_url);
    let mut asked = limit;
    loop {
        let tx = fetcher.job.read().await?;
        let mut known = earlier(&tx, job, start, &origins, wanted, asked).await?;
        tx.commit().await?;
        let is_all = (known.len() as i64) < asked;
        let enough = enough(fetcher, &known, limit).await;
        if is_all || enough.is_some() {
            known.truncate(enough.unwrap_or(known.len()));
            return Ok(known.iter().map(|page| Lead::new(&page.url, page.depth)).collect());
        }
        asked = asked.saturating_mul(MORE);
    }
}

/// How many of the first pages it takes to have `limit` that may be visited. Others have their turn meanwhile.
async fn enough(fetcher: &Fetcher, known: &[Earlier], limit: i64) -> Option<usize> {
    let mut left = limit;
    for (at, page) in known.iter().enumerate() {
        if at % AT_ONCE == AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let is_near = page.depth <= fetcher.settings.max_depth;
        let admits = |url| fetcher.scope.judge(&url) == Judgement::Admit;
        left -= i64::from(is_near && Url::parse(&page.url).is_ok_and(admits));
        if left <= 0 {
            return Some(at + 1);
        }
    }
    None
}

/// Admits what earlier crawls knew and this one has not come to, as far as there is room. Called when nothing else is left to visit.
pub(super) async fn rest(fetcher: &Fetcher) -> Result<()> {
    if fetcher.leads().room(&fetcher.settings) == 0 {
        return Ok(());
    }
    // As many as the crawl may ever have: most of them it has.
    let limit = i64::from(fetcher.settings.max_pages);
    let leads = known_pages(fetcher, Wanted::All, limit).await?;
    admit(fetcher, &leads, START).await
}

/// Admits leads that no visit brought, in several transactions.
pub(super) async fn admit(fetcher: &Fetcher, leads: &[Lead], via: &'static str) -> Result<()> {
    for leads in leads.chunks(LEADS) {
        let tx = fetcher.job.write().await?;
        let recorded = record::admit_leads(fetcher, &tx, leads, via).await?;
        frontier::date(&**tx, fetcher.job.id(), leads).await?;
        tx.commit().await?;
        recorded.keep(fetcher);
    }
    Ok(())
}

/// Leaves alone what the sitemap says is unchanged, if the site's dates have proved right: see [`lastmod`].
async fn unchanged_by_date(fetcher: &Fetcher) -> Result<()> {
    if fetcher.settings.refetch {
        return Ok(());
    }
    let tx = fetcher.job.write().await?;
    let left = lastmod::skip_unchanged(&tx, fetcher.job.id(), &fetcher.site).await?;
    tx.commit().await?;
    metrics::counter!("omniops_crawl_pages_total", "decision" => "not_modified").increment(left);
    Ok(())
}
