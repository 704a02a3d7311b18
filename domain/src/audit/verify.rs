//! Whether the log is what was written: every link made again.
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::{HashMap, hash_map};
use uuid::Uuid;

use super::chain::{ChainKey, Head, Line, read_head};
use crate::{
    Result,
    secrets::Envelopes,
    tenancy::{Db, SystemTx, sql},
};

/// Links that are read together.
const BATCH: i64 = 1000;
/// No deed's transaction takes so long: a line that is so much older than one before it in the chain was put in later. Microseconds.
const LATE: i64 = 3_600_000_000;
/// Faults that are told at most.
const TOLD: usize = 100;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Lines whose links were made again.
    pub lines: u64,
    /// The last link.
    pub head: Option<Head>,
    /// Lines of the last ten minutes that have no link yet.
    pub open: i64,
    /// What is wrong, with the ids of the lines; the first hundred.
    pub faults: Vec<String>,
}

impl Verdict {
    fn fault(&mut self, told: String) {
        if self.faults.len() < TOLD {
            self.faults.push(told);
        }
    }
}

/// Makes every link again and compares. `seen` is a head from a log of this installation: the chain must still have it.
pub async fn verify(db: &Db, envelopes: &Envelopes, seen: Option<&Head>) -> Result<Verdict> {
    walk(db, envelopes, seen, None).await
}

/// The same of the newest links, this many at most; those before are believed.
pub async fn verify_newest(db: &Db, envelopes: &Envelopes, most: u32) -> Result<Verdict> {
    walk(db, envelopes, None, Some(most)).await
}

/// Whoever takes old lines away meanwhile moves the beginning: then it is walked once more.
async fn walk(db: &Db, envelopes: &Envelopes, seen: Option<&Head>, newest: Option<u32>) -> Result<Verdict> {
    loop {
        let begun = checkpoint_at(db).await?;
        let verdict = walk_once(db, envelopes, seen, newest).await?;
        if verdict.faults.is_empty() || checkpoint_at(db).await? == begun {
            return Ok(verdict);
        }
    }
}

async fn checkpoint_at(db: &Db) -> Result<Option<i64>> {
    let tx = db.system().await?;
    let row = tx
        .query_one_raw(sql("SELECT max(seq) AS seq FROM audit_checkpoints", []))
        .await?;
    Ok(row.map(|row| row.try_get("", "seq")).transpose()?.flatten())
}

async fn walk_once(db: &Db, envelopes: &Envelopes, seen: Option<&Head>, newest: Option<u32>) -> Result<Verdict> {
    let tx = db.system().await?;
    let mut walk = Walk {
        verdict: Verdict::default(),
        keys: HashMap::new(),
        before: None,
        latest: i64::MIN,
        after_line: 0,
        seen,
    };
    walk.checkpoint(&tx, envelopes).await?;
    let mut after = match newest {
        Some(most) => walk.skip(&tx, most).await?,
        None => 0,
    };
    tx.commit().await?;
    loop {
        // A transaction for every batch: a long log must not hold one open.
        let tx = db.system().await?;
        let Some(last) = walk.batch(&tx, envelopes, after).await? else {
            walk.unlinked(&tx).await?;
            break;
        };
        tx.commit().await?;
        after = last;
    }
    walk.end();
    Ok(walk.verdict)
}

struct Walk<'a> {
    verdict: Verdict,
    keys: HashMap<Uuid, Option<ChainKey>>,
    /// The link before; none where it is not known.
    before: Option<Head>,
    /// The latest time of a line so far.
    latest: i64,
    /// Lines up to this one are believed to have their links.
    after_line: i64,
    seen: Option<&'a Head>,
}

impl Walk<'_> {
    /// Begins where the newest checkpoint stands, or at the first line.
    async fn checkpoint(&mut self, tx: &SystemTx, envelopes: &Envelopes) -> Result<()> {
        const NEWEST: &str = "SELECT seq, mac, key_id, signature FROM audit_checkpoints ORDER BY seq DESC LIMIT 1";
        self.before = Some(Head { seq: 0, mac: vec![] });
        let Some(row) = tx.query_one_raw(sql(NEWEST, [])).await? else {
            return Ok(());
        };
        let head = read_head(&row)?;
        let signature: Vec<u8> = row.try_get("", "signature")?;
        let key = row.try_get("", "key_id")?;
        self.load(tx, envelopes, key).await?;
        match self.keys.get(&key).and_then(Option::as_ref) {
            None => self.verdict.fault(format!(
                "the checkpoint at {}: there is no data key {key} to check it with",
                head.seq
            )),
            Some(key) if key.checkpoint(&head) != signature => {
                self.verdict
                    .fault(format!("the checkpoint at {}: its signature is not ours", head.seq));
            }
            Some(_) => {}
        }
        self.before = Some(head);
        Ok(())
    }

    /// Begins before the last `most` links, if there are more than that; returns the link that is believed.
    async fn skip(&mut self, tx: &SystemTx, most: u32) -> Result<i64> {
        const BEFORE: &str = "SELECT seq, mac, log_id FROM audit_chain WHERE seq <= (SELECT max(seq) FROM audit_chain) - $1 ORDER BY seq DESC LIMIT 1";
        let Some(row) = tx.query_one_raw(sql(BEFORE, [i64::from(most).into()])).await? else {
            return Ok(0);
        };
        let link = read_head(&row)?;
        let after = link.seq;
        self.after_line = row.try_get("", "log_id")?;
        self.before = Some(link);
        Ok(after)
    }

    /// The links after `after`; returns the last one's number.
    async fn batch(&mut self, tx: &SystemTx, envelopes: &Envelopes, after: i64) -> Result<Option<i64>> {
        let links = format!(
            "SELECT c.seq, c.log_id, c.key_id, c.mac, l.id IS NOT NULL AS there, {} FROM audit_chain c LEFT JOIN audit_logs l ON l.id = c.log_id
             WHERE c.seq > $1 ORDER BY c.seq LIMIT $2",
            Line::COLUMNS
        );
        let rows = tx.query_all_raw(sql(&links, [after.into(), BATCH.into()])).await?;
        let mut last = None;
        for row in &rows {
            let (link, id, key) = (read_head(row)?, row.try_get("", "log_id")?, row.try_get("", "key_id")?);
            let entry = row
                .try_get::<bool>("", "there")?
                .then(|| Line::from_query_result(row, ""))
                .transpose()?;
            self.load(tx, envelopes, key).await?;
            last = Some(link.seq);
            self.link(link, id, key, entry.as_ref());
        }
        Ok(last)
    }

    async fn load(&mut self, tx: &SystemTx, envelopes: &Envelopes, key: Uuid) -> Result<()> {
        if let hash_map::Entry::Vacant(place) = self.keys.entry(key) {
            place.insert(ChainKey::find(tx, envelopes, key).await?);
        }
        Ok(())
    }

    /// Links are compared with the stored one before, so that one fault is told once, where it is.
    fn link(&mut self, link: Head, id: i64, key: Uuid, entry: Option<&Line>) {
        let expected = self.before.as_ref().map_or(link.seq, |before| before.seq + 1);
        if link.seq > expected {
            let gone = format!(
                "links {expected} to {} are gone with their lines, before line {id}",
                link.seq - 1
            );
            self.verdict.fault(gone);
            self.before = None;
        } else if link.seq < expected {
            self.verdict.fault(format!(
                "line {id}: its link {} stands where a checkpoint says that nothing is left",
                link.seq
            ));
            return;
        }
        match (entry, self.keys.get(&key).and_then(Option::as_ref), &self.before) {
            (None, ..) => self.verdict.fault(format!("line {id} is gone")),
            (_, None, _) => self
                .verdict
                .fault(format!("line {id}: there is no data key {key} to check it with")),
            (Some(entry), Some(key), Some(before)) if key.link(&before.mac, link.seq, entry) != link.mac => {
                self.verdict
                    .fault(format!("line {id}: it, its place or its link {} was changed", link.seq));
            }
            _ => self.verdict.lines += 1,
        }
        if let Some(entry) = entry {
            if entry.at < self.latest.saturating_sub(LATE) {
                let told = format!("line {id} is dated before lines that were linked earlier: somebody has put it in");
                self.verdict.fault(told);
            }
            self.latest = self.latest.max(entry.at);
        }
        if self
            .seen
            .is_some_and(|seen| seen.seq == link.seq && seen.mac != link.mac)
        {
            self.verdict.fault(format!(
                "link {} is another than the one that was seen: the chain was made anew",
                link.seq
            ));
        }
        self.before = Some(link);
    }

    /// Lines without a link: those of just now, and those that somebody has put in.
    async fn unlinked(&mut self, tx: &SystemTx) -> Result<()> {
        const UNLINKED: &str = "SELECT id, at < now() - interval '10 minutes' AS old FROM audit_logs l
            WHERE id > $1 AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.log_id = l.id) ORDER BY id LIMIT 1000";
        for row in tx.query_all_raw(sql(UNLINKED, [self.after_line.into()])).await? {
            if row.try_get("", "old")? {
                let id: i64 = row.try_get("", "id")?;
                self.verdict.fault(format!(
                    "line {id} has no link: somebody has put it in, or no worker has run for long"
                ));
            } else {
                self.verdict.open += 1;
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        let head = self.before.take().filter(|head| head.seq > 0);
        if let Some(seen) = self.seen
            && head.as_ref().is_none_or(|head| head.seq < seen.seq)
        {
            let ends = head.as_ref().map_or(0, |head| head.seq);
            self.verdict.fault(format!(
                "the chain ends at link {ends}, but {} was seen: its end was cut off",
                seen.seq
            ));
        }
        self.verdict.head = head;
    }
}
