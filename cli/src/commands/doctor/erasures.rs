//! Whether what was forgotten stays so after a restore: the log of erasures outside of the database.
use domain::{
    Result,
    config::Config,
    privacy::{Privacy, receipts},
    tenancy::Db,
};

use super::Finding;

const WHAT: &str = "log of erasures";

pub async fn check(db: &Db, config: &Config) -> Finding {
    let privacy = Privacy::new(db.clone(), config);
    match missing(&privacy, db).await {
        Ok(None) => Finding::note(
            WHAT,
            "ERASURE_LOG is not set: after a restore, whoever was forgotten since the backup is back (docs/PRIVACY.md)",
        ),
        Ok(Some(0)) => Finding::good(WHAT),
        Ok(Some(n)) => Finding::note(
            WHAT,
            format!("{n} erasures of other processes are not in it yet; a worker with ERASURE_LOG adds them at night"),
        ),
        Err(error) => Finding::mend(WHAT, error.story()),
    }
}

/// How many erasures the log does not know; none if there is no log.
async fn missing(privacy: &Privacy, db: &Db) -> Result<Option<usize>> {
    let Some(log) = privacy.log() else { return Ok(None) };
    let known = log.known(privacy.seals()).await?;
    let all = receipts(db).await?;
    let unknown = all
        .iter()
        .filter_map(|receipt| privacy.verify(receipt))
        .filter(|stone| !known.contains(&stone.id));
    Ok(Some(unknown.count()))
}
