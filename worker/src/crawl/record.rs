//! What a visit changes, in the caller's transaction: the page, its decision, its links, the frontier.
use domain::{
    Result,
    pages::{
        frontier, index,
        store::{self, Change, Decision},
    },
};
use std::sync::PoisonError;
use url::Url;

use super::{Fetcher, answer::Meaning, fetcher::Finding, scope::Judgement};
use crate::job::Fenced;

/// Decision rows of refused URLs that one run writes: a trap has endlessly many.
const MAX_REFUSED: usize = 10_000;

/// Records a finding and returns the URLs that it made known.
pub(super) async fn record(fetcher: &Fetcher, tx: &Fenced, finding: &Finding) -> Result<Vec<String>> {
    let (job, url) = (fetcher.job.id(), &finding.open.url);
    let again = matches!(finding.answer.meaning, Meaning::Failed { again: true, .. });
    if again && frontier::postpone(&***tx, job, url).await? {
        return Ok(Vec::new());
    }
    let (decision, reason) = apply(tx, finding).await?;
    let row = Decision {
        url: url.clone(),
        decision,
        reason,
        status: finding.answer.status,
        ms: Some(finding.answer.ms),
        bytes: Some(finding.answer.bytes),
        depth: finding.open.depth,
        via: finding.via,
        wait_ms: Some(finding.answer.wait_ms),
        found_from: None,
    };
    store::decide(tx, job, &row).await?;
    metrics::counter!("omniops_crawl_pages_total", "decision" => decision).increment(1);
    let (links, depth) = (&finding.answer.links, finding.open.depth);
    let mut admitted = admit(fetcher, tx, links, depth + 1, Some(url), finding.via).await?;
    if let Meaning::Moved { to, .. } | Meaning::Duplicate(to) = &finding.answer.meaning {
        let to = std::slice::from_ref(to);
        admitted.extend(admit(fetcher, tx, to, depth, Some(url), finding.via).await?);
    }
    frontier::finish(&***tx, job, url).await?;
    Ok(admitted)
}

/// Changes the page store; returns the decision and its reason.
async fn apply(tx: &Fenced, finding: &Finding) -> Result<(&'static str, Option<String>)> {
    let known = finding.known.as_ref();
    Ok(match &finding.answer.meaning {
        Meaning::Page(page) => match store::save(tx, page).await?.change {
            Change::New => ("new", None),
            Change::Changed => ("changed", None),
            Change::Same => ("same_hash", None),
        },
        Meaning::NotModified => match known {
            Some(known) => {
                store::touch(tx, known.id).await?;
                ("not_modified", None)
            }
            None => ("failed", Some("not modified, and not known".to_owned())),
        },
        Meaning::Moved { to, permanent } => {
            if *permanent {
                retire(tx, finding).await?;
            }
            ("redirected", Some(to.to_string()))
        }
        Meaning::Duplicate(to) => {
            retire(tx, finding).await?;
            ("duplicate", Some(to.to_string()))
        }
        Meaning::NoIndex => {
            retire(tx, finding).await?;
            ("blocked", Some("noindex".to_owned()))
        }
        Meaning::Gone => {
            let status = finding.answer.status.unwrap_or_default();
            if store::note_gone(tx, &finding.open.url, status).await? {
                index::bump_version(tx).await?;
            }
            ("gone", None)
        }
        Meaning::Skipped(reason) => ("skipped", Some((*reason).to_owned())),
        Meaning::Failed { code, message, .. } => ("failed", Some(format!("{code}: {message}"))),
    })
}

/// Takes a stored page out of answers: its author says that it is no page of its own any more.
async fn retire(tx: &Fenced, finding: &Finding) -> Result<()> {
    if let Some(known) = &finding.known {
        store::set_tombstone(tx, known.id, true).await?;
    }
    Ok(())
}

/// Admits those of `urls` that are in bounds; what a rule refuses gets its decision row. Returns what is new.
pub(super) async fn admit(
    fetcher: &Fetcher,
    tx: &Fenced,
    urls: &[Url],
    depth: i32,
    from: Option<&str>,
    via: &'static str,
) -> Result<Vec<String>> {
    let mut wanted = Vec::new();
    for url in urls {
        match fetcher.scope.judge(url) {
            Judgement::Admit => wanted.push(url.to_string()),
            Judgement::Elsewhere => {}
            Judgement::Refused { decision, reason } => {
                let row = Decision {
                    url: url.to_string(),
                    decision,
                    reason: Some(reason),
                    status: None,
                    ms: None,
                    bytes: None,
                    depth,
                    via,
                    wait_ms: None,
                    found_from: from.map(str::to_owned),
                };
                refuse(fetcher, tx, &row).await?;
            }
        }
    }
    if depth > fetcher.settings.max_depth {
        return Ok(Vec::new());
    }
    let (job, customer) = (fetcher.job.id(), tx.customer());
    frontier::admit(&***tx, customer, job, &wanted, depth, from, fetcher.settings.max_pages).await
}

/// Notes a URL that a rule refuses, once in this run.
async fn refuse(fetcher: &Fetcher, tx: &Fenced, row: &Decision) -> Result<()> {
    let fresh = {
        let mut refused = fetcher.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.len() < MAX_REFUSED && refused.insert(row.url.clone())
    };
    if fresh {
        store::decide(tx, fetcher.job.id(), row).await?;
    }
    Ok(())
}
