//! The keys that secrets are kept under, and the audit log's chain.
use domain::{
    audit,
    clock::Clock,
    secrets::{Envelopes, status},
    tenancy::Db,
};

use std::time::Duration;

use super::Finding;

const WHAT: &str = "encryption keys";
const AUDIT: &str = "audit log";
/// Links of the chain that are made again without `--audit`: a second's work.
const NEWEST: u32 = 10_000;
/// After so long a key is due for another.
const YEAR: Duration = Duration::from_hours(24 * 365);

/// Whether keys are known and young enough.
pub async fn check(db: &Db, envelopes: &Envelopes) -> Vec<Finding> {
    let status = match status(db, envelopes).await {
        Ok(status) => status,
        Err(error) => return vec![Finding::mend(WHAT, error.story())],
    };
    let mut findings = Vec::new();
    for master in status.masters.iter().filter(|master| master.data_keys > 0) {
        let (id, keys) = (&master.id, master.data_keys);
        if !master.known {
            let told = format!(
                "{keys} data keys are wrapped by the master key {id}, which is not configured; add it to ENCRYPTION_KEYS_OLD"
            );
            findings.push(Finding::mend(WHAT, told));
        } else if !master.present {
            let told = format!("{keys} data keys still need the older master key {id}; run `omniops keys rotate`");
            findings.push(Finding::note(WHAT, told));
        } else if master.since.is_some_and(|since| Clock::system().now() - since > YEAR) {
            let told = format!("the master key {id} has been in use for over a year; rotate it (docs/OPERATIONS.md)");
            findings.push(Finding::note(WHAT, told));
        }
    }
    for column in status.columns.iter().filter(|column| column.other + column.retired > 0) {
        let told = format!(
            "{} of {} are under retired keys, {} under others; run `omniops keys rotate`",
            column.retired, column.name, column.other
        );
        findings.push(Finding::note(WHAT, told));
    }
    if status.unfinished_since.is_some() {
        findings.push(Finding::note(
            WHAT,
            "a rotation of data keys has not ended; run `omniops keys rotate`",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::good(WHAT));
    }
    findings
}

/// Whether the audit log is what was written: all of it, or its newest lines.
pub async fn check_audit(db: &Db, envelopes: &Envelopes, all: bool) -> Vec<Finding> {
    let verdict = if all {
        audit::verify(db, envelopes, None).await
    } else {
        audit::verify_newest(db, envelopes, NEWEST).await
    };
    match verdict {
        Err(error) => vec![Finding::mend(AUDIT, error.story())],
        Ok(verdict) if verdict.faults.is_empty() => vec![Finding::good(AUDIT)],
        Ok(verdict) => {
            let faults = verdict.faults.into_iter();
            faults.map(|fault| Finding::mend(AUDIT, fault)).collect()
        }
    }
}
