//! Whether what was forgotten stays so after a restore: the log of erasures outside of the database.
use domain::{
    config::Config,
    privacy::{Privacy, Standing},
    tenancy::Db,
};

use super::Finding;

const WHAT: &str = "log of erasures";

pub async fn check(db: &Db, config: &Config) -> Finding {
    match Privacy::new(db.clone(), config).standing().await {
        Ok(standing) => judge(&standing),
        Err(error) => Finding::mend(WHAT, error.story()),
    }
}

/// What is worst first.
fn judge(standing: &Standing) -> Finding {
    let unknown = standing.unknown.len() + standing.back.len();
    if unknown > 0 {
        return Finding::mend(
            WHAT,
            format!(
                "{unknown} erasures of the log are unknown to this database, which was restored: run `omniops erasures replay`"
            ),
        );
    }
    if let Some(customer) = standing.unfinished.first() {
        return Finding::mend(
            WHAT,
            format!(
                "the deletion of the customer {customer} was begun, and nothing tells that it was committed: delete it once more, or run \
                 `omniops erasures withdraw {customer}`"
            ),
        );
    }
    if standing.unreadable > 0 {
        return Finding::mend(
            WHAT,
            format!(
                "{} receipts open under no key: after a restore nobody of these is forgotten again. Add the key that made them to ENCRYPTION_KEYS_OLD",
                standing.unreadable
            ),
        );
    }
    match standing.missing {
        None => Finding::note(
            WHAT,
            "ERASURE_LOG is not set: after a restore, whoever was forgotten since the backup is back (docs/PRIVACY.md)",
        ),
        Some(0) => Finding::good(WHAT),
        Some(n) => Finding::note(
            WHAT,
            format!("{n} erasures of other processes are not in it yet; a worker with ERASURE_LOG adds them at night"),
        ),
    }
}
