//! What visits change, in the caller's transaction and in sets: pages, decisions, links, the frontier. Neighbours: the clerk and the
//! seeds bring the findings and commit; `leads` says which links count.
use domain::{
    Result,
    pages::{
        frontier::{self, Lead, Next},
        lastmod::{self, Lesson},
        record::{self, NewPage},
        store::{Change, Decision},
    },
};
use std::collections::{HashMap, HashSet};
use url::Url;

use super::{Fetcher, answer::Meaning, fetcher::Finding, leads::Batch, render};
use crate::job::Fenced;

/// A fetch that failed for a passing reason is tried this often in all.
const TRIES: i32 = 2;

/// Links that are judged before others have their turn.
const AT_ONCE: usize = 200;

/// What was recorded. Takes effect with [`Recorded::keep`], after the commit.
pub(super) struct Recorded {
    /// The URLs that each finding made known.
    pub admitted: Vec<Vec<String>>,
    batch: Batch,
    new: usize,
    /// URLs of pages, and hashes of their contents.
    contents: Vec<(String, u64)>,
    /// Bytes that were fetched.
    pub bytes: i64,
}

impl Recorded {
    /// Tells the crawl's memory; called when the transaction has been committed.
    pub fn keep(&self, fetcher: &Fetcher) {
        let mut leads = fetcher.leads();
        leads.keep(&self.batch, self.new);
        for (url, content) in &self.contents {
            leads.saw(url, *content);
        }
        fetcher.budget.spend(self.bytes);
    }
}

/// Records findings, each of another URL.
pub(super) async fn record(fetcher: &Fetcher, tx: &Fenced, findings: &[Finding]) -> Result<Recorded> {
    let job = fetcher.job.id();
    let nexts: Vec<Next> = findings.iter().map(next).collect();
    let decided = || findings.iter().zip(&nexts).filter(|(_, next)| **next != Next::Later);
    let staged = fetcher.settings.staged == Some(true);
    let changes = store_pages(tx, findings, staged).await?;
    let mut decisions: Vec<Decision> = decided()
        .map(|(finding, _)| decision(finding, changes.get(finding.open.url.as_str()).copied()))
        .collect();
    for decision in &decisions {
        metrics::counter!("omniops_crawl_pages_total", "decision" => decision.decision).increment(1);
    }
    let mut batch = Batch::default();
    for (of, finding) in findings.iter().enumerate().filter(|(of, _)| nexts[*of] != Next::Later) {
        sift(fetcher, &mut batch, of, finding).await;
    }
    let (admitted, new) = admit(fetcher, tx, &mut batch, findings.len(), via(findings)).await?;
    decisions.extend(batch.refused.iter().cloned());
    record::decide_all(tx, job, &decisions).await?;
    for (finding, _) in decided() {
        if let Some(rendering) = &finding.answer.rendering {
            let url = &finding.open.url;
            rendering.record(tx, job, url, &finding.answer.meaning).await?;
        }
    }
    let visited: Vec<(&str, &Next)> = findings.iter().map(|f| f.open.url.as_str()).zip(&nexts).collect();
    frontier::finish(&***tx, job, &visited).await?;
    lastmod::learn(tx, &fetcher.site, lesson(findings, &changes)).await?;
    Ok(Recorded {
        admitted,
        batch,
        new,
        contents: findings.iter().filter_map(content).collect(),
        bytes: decided().map(|(finding, _)| finding.answer.bytes).sum(),
    })
}

/// Writes what became of findings, and nothing else of them.
pub(super) async fn tell(tx: &Fenced, job: uuid::Uuid, findings: &[Finding]) -> Result<()> {
    let decisions: Vec<Decision> = findings.iter().map(|finding| decision(finding, None)).collect();
    record::decide_all(tx, job, &decisions).await
}

/// Gives the start page and where it redirects their places, whatever rules and budgets say; effective like [`record`].
pub(super) async fn begin(fetcher: &Fetcher, tx: &Fenced, leads: &[Lead]) -> Result<Recorded> {
    let new = frontier::admit(&***tx, tx.customer(), fetcher.job.id(), leads, leads.len() as i64).await?;
    let batch = Batch::of(leads);
    Ok(Recorded {
        admitted: Vec::new(),
        batch,
        new: new.len(),
        contents: Vec::new(),
        bytes: 0,
    })
}

/// Admits leads that no visit brought, such as a sitemap's; effective like [`record`].
pub(super) async fn admit_leads(fetcher: &Fetcher, tx: &Fenced, leads: &[Lead], via: &'static str) -> Result<Recorded> {
    let mut batch = Batch::default();
    {
        let mut memory = fetcher.leads();
        for lead in leads {
            memory.sift(
                &fetcher.scope,
                fetcher.settings.max_depth,
                &mut batch,
                0,
                lead.clone(),
                via,
            );
        }
    }
    let (admitted, new) = admit(fetcher, tx, &mut batch, 1, via).await?;
    record::decide_all(tx, fetcher.job.id(), &batch.refused).await?;
    Ok(Recorded {
        admitted,
        batch,
        new,
        contents: Vec::new(),
        bytes: 0,
    })
}

fn via(findings: &[Finding]) -> &'static str {
    findings.first().map_or("loop", |finding| finding.via)
}

fn next(finding: &Finding) -> Next {
    match &finding.answer.meaning {
        Meaning::Failed { again: true, .. } if finding.open.attempts < TRIES => Next::Later,
        Meaning::Duplicate(to) if !finding.open.own => Next::Waits(to.to_string()),
        _ => Next::Done,
    }
}

/// Changes the page store; returns what became of each fetched page.
async fn store_pages<'a>(tx: &Fenced, findings: &'a [Finding], staged: bool) -> Result<HashMap<&'a str, Change>> {
    let (mut pages, mut same, mut urls) = (Vec::new(), Vec::new(), Vec::new());
    for finding in findings {
        let lastmod = finding.open.lastmod;
        match (&finding.answer.meaning, &finding.known) {
            (Meaning::Page(page), _) => {
                let lastmod = lastmod.filter(|_| !page.is_makeshift());
                urls.push(page.url.as_str());
                pages.push(NewPage { page, lastmod });
            }
            (Meaning::NotModified, Some(known)) => {
                urls.push(finding.open.url.as_str());
                same.push((known.id, lastmod));
            }
            _ => {}
        }
    }
    if !urls.is_empty() {
        record::lock(tx, &urls).await?;
    }
    record::confirm_all(tx, &same).await?;
    let stored = record::save_all_of(tx, &pages, staged).await?;
    Ok(pages
        .iter()
        .zip(stored)
        .map(|(new, stored)| (new.page.url.as_str(), stored.change))
        .collect())
}

fn decision(finding: &Finding, change: Option<Change>) -> Decision {
    let (word, reason) = match &finding.answer.meaning {
        Meaning::Page(_) => match change {
            Some(Change::New) => ("new", None),
            Some(Change::Changed) => ("changed", None),
            Some(Change::Same) => ("same_hash", None),
            Some(Change::KeptOut) | None => ("skipped", Some("deleted by the customer".to_owned())),
        },
        Meaning::NotModified if finding.known.is_some() => ("not_modified", None),
        Meaning::NotModified => ("failed", Some("not modified, and not known".to_owned())),
        // Pages are retired at the end of the run, by its decisions: see `domain::pages::losses`.
        Meaning::Moved { to } => ("redirected", Some(to.to_string())),
        Meaning::Duplicate(to) => ("duplicate", Some(to.to_string())),
        Meaning::NoIndex => ("blocked", Some("noindex".to_owned())),
        Meaning::Gone => ("gone", None),
        Meaning::Skipped(reason) => ("skipped", Some((*reason).to_owned())),
        Meaning::Failed { code, message, .. } => ("failed", Some(format!("{code}: {message}"))),
    };
    let rendering = finding.answer.rendering.as_deref();
    let reason = match (reason, rendering.and_then(|rendering| rendering.note.clone())) {
        (None, note) => note,
        // Elsewhere the reason is a URL.
        (Some(reason), Some(note)) if matches!(word, "skipped" | "failed") => Some(format!("{reason}; {note}")),
        (reason, _) => reason,
    };
    Decision {
        url: finding.open.url.clone(),
        decision: word,
        reason,
        status: finding.answer.status,
        ms: Some(finding.answer.ms),
        bytes: Some(finding.answer.bytes),
        depth: finding.open.depth,
        via: if rendering.is_some_and(|rendering| rendering.rendered) {
            render::VIA
        } else {
            finding.via
        },
        wait_ms: Some(finding.answer.wait_ms),
        found_from: finding.open.found_from.clone(),
    }
}

/// Judges what a visit leads to: its links, and where it points instead of being a page. Others have their turn meanwhile: a page may
/// have very many links, and its site rules that take long.
async fn sift(fetcher: &Fetcher, batch: &mut Batch, of: usize, finding: &Finding) {
    let open = &finding.open;
    let lead = |url: &Url, depth, hops| Lead {
        url: url.to_string(),
        depth,
        hops,
        from: Some(open.url.clone()),
        lastmod: None,
    };
    let max_depth = fetcher.settings.max_depth;
    let (links, passed_by) = (&finding.answer.links, &finding.answer.passed_by);
    let links = links.iter().map(|link| (link, true));
    let all: Vec<_> = links.chain(passed_by.iter().map(|link| (link, false))).collect();
    for (part, links) in all.chunks(AT_ONCE).enumerate() {
        if part > 0 {
            tokio::task::yield_now().await;
        }
        let mut memory = fetcher.leads();
        for (link, follow) in links {
            // Most links of a page are those of the pages before.
            if memory.knows(batch, link.as_str()) {
                continue;
            }
            let lead = lead(link, open.depth + 1, 0);
            if *follow {
                memory.sift(&fetcher.scope, max_depth, batch, of, lead, finding.via);
            } else {
                memory.pass_by(&fetcher.scope, batch, lead, finding.via);
            }
        }
    }
    let other = match &finding.answer.meaning {
        Meaning::Moved { to } => lead(to, open.depth, open.hops + 1),
        Meaning::Duplicate(to) => lead(to, open.depth, open.hops),
        _ => return,
    };
    let mut memory = fetcher.leads();
    memory.sift(&fetcher.scope, max_depth, batch, of, other, finding.via);
}

/// Admits what the batch wants, as far as the budget has room; says by visit what was new, and how much that is.
async fn admit(
    fetcher: &Fetcher,
    tx: &Fenced,
    batch: &mut Batch,
    visits: usize,
    via: &'static str,
) -> Result<(Vec<Vec<String>>, usize)> {
    let room = fetcher.leads().room(&fetcher.settings);
    let leads: Vec<Lead> = batch.wanted.iter().map(|(_, lead)| lead.clone()).collect();
    let admitted = frontier::admit(&***tx, tx.customer(), fetcher.job.id(), &leads, room).await?;
    let new: HashSet<&str> = admitted.iter().map(String::as_str).collect();
    let mut by_visit = vec![Vec::new(); visits];
    for (of, lead) in batch.wanted.iter().filter(|(_, lead)| new.contains(lead.url.as_str())) {
        by_visit[*of].push(lead.url.clone());
    }
    if admitted.len() as i64 >= room {
        fetcher.leads().cut(batch, &new, via);
    }
    Ok((by_visit, admitted.len()))
}

/// What a page held, unless it may be a copy of another.
fn content(finding: &Finding) -> Option<(String, u64)> {
    let Meaning::Page(page) = &finding.answer.meaning else {
        return None;
    };
    let own = page.canonical.as_ref().is_none_or(|canonical| *canonical == page.url);
    let head = page.content_hash().first_chunk().copied().filter(|_| own)?;
    Some((page.url.clone(), u64::from_be_bytes(head)))
}

/// What the findings teach about the dates of the site's sitemap.
fn lesson(findings: &[Finding], changes: &HashMap<&str, Change>) -> Lesson {
    let mut lesson = Lesson::default();
    for finding in findings {
        let Some(known) = &finding.known else { continue };
        let unmoved = finding
            .open
            .lastmod
            .is_some_and(|lastmod| known.sitemap_lastmod == Some(lastmod) && known.fetched_at > lastmod);
        if !unmoved {
            continue;
        }
        match (&finding.answer.meaning, changes.get(finding.open.url.as_str())) {
            (Meaning::NotModified, _) | (_, Some(Change::Same)) => lesson.right += 1,
            (_, Some(Change::Changed)) => lesson.wrong += 1,
            _ => {}
        }
    }
    lesson
}
