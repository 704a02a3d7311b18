//! Addresses that an operator has blocked, until they are unblocked or for a time. A small table, kept in the memory of each API
//! process and read again every few seconds.
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Result, audit,
    clock::Clock,
    config::Network,
    jobs::Operator,
    tenancy::{Db, SystemTx, sql},
};

/// Blocks of other processes are known after this time.
const REFRESH: Duration = Duration::from_secs(5);
/// So many at most, since every request is held against each.
const MOST: i64 = 10_000;

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The address or network.
    pub network: Network,
    /// Why, for operators.
    pub reason: String,
    /// Who did it.
    pub actor: String,
    /// Since when.
    pub created_at: OffsetDateTime,
    /// Until when; never, if none.
    pub expires_at: Option<OffsetDateTime>,
}

/// The operators' blocks. Cloning shares.
#[derive(Clone)]
pub struct BlockList {
    db: Db,
    clock: Clock,
    known: Arc<RwLock<Vec<Block>>>,
}

impl BlockList {
    /// Empty until the first [`BlockList::refresh`].
    pub fn new(db: Db, clock: Clock) -> Self {
        Self {
            db,
            clock,
            known: Arc::default(),
        }
    }

    /// Whether `address` is blocked.
    pub fn contains(&self, address: IpAddr) -> bool {
        let now = self.clock.now();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let stands = |block: &Block| block.expires_at.is_none_or(|end| end > now);
        known
            .iter()
            .any(|block| block.network.contains(address) && stands(block))
    }

    /// All that stand.
    pub fn list(&self) -> Vec<Block> {
        let now = self.clock.now();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let stands = |block: &&Block| block.expires_at.is_none_or(|end| end > now);
        known.iter().filter(stands).cloned().collect()
    }

    /// Blocks a network, or changes its block.
    pub async fn add(
        &self,
        network: Network,
        reason: &str,
        by: Operator<'_>,
        expires_at: Option<OffsetDateTime>,
    ) -> Result<Block> {
        const ADD: &str = "
            INSERT INTO address_blocks (network, reason, actor, expires_at)
            SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM address_blocks WHERE network <> $1) < $5
            ON CONFLICT (network) DO UPDATE SET reason = excluded.reason, actor = excluded.actor, created_at = now(),
              expires_at = excluded.expires_at";
        if expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(Error::invalid("expires_at", "must be in the future"));
        }
        let values = [
            network.to_string().into(),
            reason.into(),
            by.actor.into(),
            expires_at.into(),
            MOST.into(),
        ];
        let tx = self.db.system().await?;
        tx.execute_raw(sql("DELETE FROM address_blocks WHERE expires_at <= now()", []))
            .await?;
        let done = tx.execute_raw(sql(ADD, values)).await?;
        if done.rows_affected() == 0 {
            return Err(Error::conflict(
                "too_many_blocks",
                format!("there are {MOST} blocks already; block networks rather than addresses"),
            ));
        }
        let details = json!({ "reason": reason, "expires_at": expires_at.map(OffsetDateTime::unix_timestamp) });
        note(&tx, "block.added", network, details, by).await?;
        tx.commit().await?;
        self.refresh().await?;
        let added = self.list().into_iter().find(|block| block.network == network);
        added.ok_or_else(|| Error::not_found("block"))
    }

    /// Ends a block; true if there was one, or if an automatic one was `pardoned` just before.
    pub async fn remove(&self, network: Network, pardoned: bool, by: Operator<'_>) -> Result<bool> {
        let tx = self.db.system().await?;
        let delete = "DELETE FROM address_blocks WHERE network = $1";
        let done = tx.execute_raw(sql(delete, [network.to_string().into()])).await?;
        let removed = done.rows_affected() > 0 || pardoned;
        if removed {
            note(&tx, "block.removed", network, json!({ "automatic": pardoned }), by).await?;
        }
        tx.commit().await?;
        self.refresh().await?;
        Ok(removed)
    }

    /// Reads the table.
    pub async fn refresh(&self) -> Result<()> {
        let tx = self.db.system().await?;
        let all =
            "SELECT network, reason, actor, created_at, expires_at FROM address_blocks ORDER BY created_at, network";
        let rows = tx.query_all_raw(sql(all, [])).await?;
        let mut blocks = Vec::with_capacity(rows.len());
        for row in rows {
            let network: String = row.try_get("", "network")?;
            let Ok(network) = network.parse() else { continue };
            blocks.push(Block {
                network,
                reason: row.try_get("", "reason")?,
                actor: row.try_get("", "actor")?,
                created_at: row.try_get("", "created_at")?,
                expires_at: row.try_get("", "expires_at")?,
            });
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = blocks;
        Ok(())
    }

    /// Reads the table now and then. While the database is away the old list stands.
    pub async fn keep_fresh(self, stopping: CancellationToken) {
        loop {
            if let Err(error) = self.refresh().await {
                tracing::warn!(error = error.story(), "the blocked addresses could not be read");
            }
            if stopping
                .run_until_cancelled(tokio::time::sleep(REFRESH))
                .await
                .is_none()
            {
                return;
            }
        }
    }
}

async fn note(tx: &SystemTx, action: &str, network: Network, metadata: Value, by: Operator<'_>) -> Result<()> {
    let entry = audit::Entry {
        customer: None,
        actor: by.actor,
        action,
        resource: &network.to_string(),
        metadata,
        ip: by.ip,
    };
    audit::record(&**tx, entry).await
}
