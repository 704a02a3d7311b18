//! How the log of erasures, the database's tombstones and the installation's keys stand to each other: whether a restore has brought
//! anybody back, and which keys the receipts still need.
//!
//! A restored database does not know what was erased after its backup was made; the log does. Persons are forgotten again by whoever
//! notices; customers that were deleted are left to `omniops erasures replay`, since nothing brings back what it deletes.
use sea_orm::ConnectionTrait;
use std::collections::{BTreeMap, HashSet};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    Privacy,
    ending::{CUSTOMER, unfinished},
    receipt::Tombstone,
    replay::{Replayed, receipts, replay_erasures},
    retention::ERASURES,
};
use crate::{
    Result,
    clock::Clock,
    tenancy::{Db, sql},
};

/// What there is to know.
#[derive(Debug, Default)]
pub struct Standing {
    /// Erasures that the database knows and the log does not; none where there is no log.
    pub missing: Option<usize>,
    /// Receipts of persons that the log has and the database does not know: it was restored.
    pub unknown: Vec<String>,
    /// Customers who were deleted by the log, and are there.
    pub back: Vec<Uuid>,
    /// Customers who are there and whose deletion was begun; nothing tells whether it was committed.
    pub unfinished: Vec<Uuid>,
    /// Receipts that need another master key than the present one to be read.
    pub older: usize,
    /// When the newest of these was made.
    pub older_until: Option<OffsetDateTime>,
    /// Receipts of the database, and lines of the log, that no key of the installation opens.
    pub unreadable: usize,
}

impl Privacy {
    /// Compares the log, the database and the keys.
    pub async fn standing(&self) -> Result<Standing> {
        let own = receipts(&self.db).await?;
        let lines = match &self.log {
            Some(log) => log.lines().await?,
            None => Vec::new(),
        };
        let kept = self.read(&own);
        let logged = self.read(&lines);
        let sealed = |line: &&String| self.seals.open(line).is_none() && self.seals.open_note(line).is_none();
        // A line that a crash has torn is none.
        let whole = own.iter().chain(lines.iter().filter(|line| is_whole(line)));
        let unreadable: HashSet<&str> = whole.filter(sealed).map(|line| line.trim()).collect();
        let mut standing = Standing {
            unreadable: unreadable.len(),
            ..Standing::default()
        };
        if self.log.is_some() {
            let missing = kept.keys().filter(|id| !logged.contains_key(id));
            standing.missing = Some(missing.count());
        }
        let mut all = kept.clone();
        all.extend(logged.clone());
        for (stone, _) in all.values().filter(|(_, line)| !self.seals.is_present(line)) {
            standing.older += 1;
            standing.older_until = standing.older_until.max(Some(stone.at()));
        }
        standing.unfinished = self.unfinished(&own, &lines).await?;
        let there = customers(&self.db).await?;
        // Older ones may be out of the database by their age.
        let since = Clock::system().now() - Duration::days(i64::from(ERASURES) - 1);
        let news = logged.into_iter().filter(|(id, _)| !kept.contains_key(id));
        for (_, (stone, line)) in news.filter(|(_, (stone, _))| there.contains(&stone.customer)) {
            if stone.kind == CUSTOMER {
                standing.back.push(stone.customer);
            } else if stone.at() > since {
                standing.unknown.push(line);
            }
        }
        Ok(standing)
    }

    /// Forgets again whom the log names and the database does not know; returns what was done, or none if nothing had to be.
    pub async fn forget_unknown(&self) -> Result<Option<Replayed>> {
        let unknown = self.standing().await?.unknown;
        if unknown.is_empty() {
            return Ok(None);
        }
        Ok(Some(replay_erasures(self, &unknown, "system").await?))
    }

    /// Customers who are there and whose deletion was begun by these lines, and neither withdrawn nor, by the lines or by the
    /// database's own receipts, committed.
    pub(super) async fn unfinished(&self, own: &[String], lines: &[String]) -> Result<Vec<Uuid>> {
        let open = unfinished(&self.seals, &[own, lines].concat());
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let there = customers(&self.db).await?;
        let those: HashSet<Uuid> = open.into_values().filter(|id| there.contains(id)).collect();
        Ok(those.into_iter().collect())
    }

    fn read(&self, lines: &[String]) -> BTreeMap<Uuid, (Tombstone, String)> {
        let stones = lines.iter().filter_map(|line| Some((self.seals.open(line)?, line)));
        stones.map(|(stone, line)| (stone.id, (stone, line.clone()))).collect()
    }
}

/// Whether the line has its end: a signature of 32 bytes.
fn is_whole(line: &str) -> bool {
    line.trim().split_once('.').is_some_and(|(_, end)| end.len() == 43)
}

async fn customers(db: &Db) -> Result<HashSet<Uuid>> {
    let tx = db.system().await?;
    let rows = tx.query_all_raw(sql("SELECT id FROM customer_configs", [])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}
