//! How a host passes from one customer to another: proofs are looked at again every week, and one that is gone ends the grant.
//!
//! A grant ends when the place that showed the token answers without it, twice and for three days ([`PATIENCE`]): a site that is
//! being rebuilt gets its time, and one that is away loses nothing. A proof by somebody else does not take the host; it only
//! has the first proof looked at now, so that the host is free soon if the first owner has really gone. The operator's word needs
//! no proof, is not looked at again, and takes a host at once.
use entity::domain;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::LazyLock;
use uuid::Uuid;

use super::{Customer, Db, DomainRecord, HostName, Prover, TenantTx, Verdict, columns, customers, sql};
use crate::{Result, audit, people::notify};

/// Times that a proof is missing before its grant ends, and the days between the first and the last of them at least.
const TIMES: i32 = 2;
const PATIENCE: i32 = 3;
/// Proofs of one round.
const ROUND: i64 = 100;

/// What a round of checks found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Proofs that are there.
    pub shown: u64,
    /// Proofs that are gone.
    pub absent: u64,
    /// Nobody knows for now.
    pub unknown: u64,
    /// Grants that ended.
    pub ended: u64,
}

/// Looks at the proofs whose time has come, and settles each by itself; doing it twice is harmless.
pub async fn check_due(db: &Db, prover: &Prover) -> Result<Checked> {
    let mut checked = Checked::default();
    for _ in 0..ROUND {
        let Some(row) = take(db).await? else { break };
        let customer = customers::get(db, row.customer_id).await?;
        let record = DomainRecord::from(row);
        let verdict = prover.check(&record).await;
        let word = match &verdict {
            Verdict::Shown(_) => "shown",
            Verdict::Absent(_) => "absent",
            Verdict::Unknown(_) => "unknown",
        };
        metrics::counter!("omniops_domain_checks_total", "result" => word).increment(1);
        match &verdict {
            Verdict::Shown(_) => checked.shown += 1,
            Verdict::Absent(_) => checked.absent += 1,
            Verdict::Unknown(_) => checked.unknown += 1,
        }
        checked.ended += u64::from(settle(db, &customer, &record.host, &verdict).await?);
    }
    Ok(checked)
}

/// Takes a proof whose time has come; whoever takes it and dies leaves it to the next in an hour.
async fn take(db: &Db) -> Result<Option<domain::Model>> {
    static TAKE: LazyLock<String> = LazyLock::new(|| {
        format!(
            "UPDATE customer_domains SET check_at = now() + interval '1 hour' WHERE id = (
          SELECT id FROM customer_domains WHERE check_at <= now() AND verified_at IS NOT NULL
          ORDER BY check_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING {}",
            columns::<domain::Entity>("customer_domains")
        )
    });
    let tx = db.system().await?;
    let row = tx.query_one_raw(sql(&TAKE, [])).await?;
    tx.commit().await?;
    Ok(row.map(|row| domain::Model::from_query_result(&row, "")).transpose()?)
}

/// Notes what a check found; true if the grant ended by it.
pub async fn settle(db: &Db, customer: &Customer, host: &str, verdict: &Verdict) -> Result<bool> {
    const SHOWN: &str = "
        UPDATE customer_domains SET method = $3, checked_at = now(), failures = 0, failing_since = NULL,
          check_at = now() + (6.5 + random()) * interval '1 day'
        WHERE customer_id = $1 AND host = $2 AND verified_at IS NOT NULL";
    const UNKNOWN: &str = "
        UPDATE customer_domains SET checked_at = now(), check_at = now() + (5.5 + random()) * interval '1 hour'
        WHERE customer_id = $1 AND host = $2 AND verified_at IS NOT NULL";
    const ABSENT: &str = "
        UPDATE customer_domains SET checked_at = now(), failures = failures + 1, failing_since = coalesce(failing_since, now()),
          check_at = now() + (0.9 + 0.2 * random()) * interval '1 day'
        WHERE customer_id = $1 AND host = $2 AND verified_at IS NOT NULL
        RETURNING failures, failures >= $3 AND failing_since <= now() - make_interval(days => $4) AS over";
    let (id, named) = (customer.id.into(), host.into());
    let tx = db.tenant(customer).await?;
    let mut ended = false;
    match verdict {
        Verdict::Shown(proof) => {
            tx.execute_raw(sql(SHOWN, [id, named, proof.as_str().into()])).await?;
        }
        Verdict::Unknown(_) => {
            tx.execute_raw(sql(UNKNOWN, [id, named])).await?;
        }
        Verdict::Absent(why) => {
            let absent = sql(ABSENT, [id, named, TIMES.into(), PATIENCE.into()]);
            let Some(row) = tx.query_one_raw(absent).await? else {
                return Ok(false);
            };
            ended = row.try_get("", "over")?;
            if ended {
                end(&tx, customer, host, &json!({ "reason": "proof_gone", "found": why })).await?;
            } else if row.try_get::<i32>("", "failures")? == 1 {
                tell(
                    &tx,
                    customer,
                    host,
                    FAILING,
                    &json!({ "reason": "proof_gone", "found": why }),
                )
                .await?;
            }
        }
    }
    tx.commit().await?;
    Ok(ended)
}

/// Ends the grant of whoever else has the host: the operator gives it to `to`.
pub(super) async fn dispossess(db: &Db, to: &Customer, host: &HostName) -> Result<()> {
    let Some(holder) = holder(db, host).await?.filter(|holder| *holder != to.id) else {
        return Ok(());
    };
    let holder = customers::get(db, holder).await?;
    let tx = db.tenant(&holder).await?;
    end(
        &tx,
        &holder,
        host.as_str(),
        &json!({ "reason": "given_to_another_customer" }),
    )
    .await?;
    tx.commit().await
}

/// Somebody else has proved the host: its holder's proof is looked at now, at most once an hour.
pub(super) async fn contest(db: &Db, host: &HostName) -> Result<()> {
    const NOW: &str = "
        UPDATE customer_domains SET check_at = now() WHERE customer_id = $1 AND host = $2 AND verified_at IS NOT NULL
          AND method <> 'operator' AND (checked_at IS NULL OR checked_at < now() - interval '1 hour')";
    let Some(holder) = holder(db, host).await? else {
        return Ok(());
    };
    let holder = customers::get(db, holder).await?;
    let tx = db.tenant(&holder).await?;
    let moved = tx
        .execute_raw(sql(NOW, [holder.id.into(), host.as_str().into()]))
        .await?;
    if moved.rows_affected() > 0 {
        note(&tx, host.as_str(), "domain.contested", json!({})).await?;
    }
    tx.commit().await
}

async fn holder(db: &Db, host: &HostName) -> Result<Option<Uuid>> {
    const HOLDER: &str = "SELECT customer_id FROM customer_domains WHERE host = $1 AND verified_at IS NOT NULL";
    let tx = db.system().await?;
    let row = tx.query_one_raw(sql(HOLDER, [host.as_str().into()])).await?;
    Ok(row.map(|row| row.try_get("", "customer_id")).transpose()?)
}

async fn end(tx: &TenantTx, customer: &Customer, host: &str, why: &Value) -> Result<()> {
    const END: &str = "
        UPDATE customer_domains SET verified_at = NULL, unverified_at = now(), check_at = NULL
        WHERE customer_id = $1 AND host = $2";
    tx.execute_raw(sql(END, [customer.id.into(), host.into()])).await?;
    tell(tx, customer, host, UNVERIFIED, why).await
}

const FAILING: (&str, &str) = (notify::DOMAIN_FAILING, "domain.failing");
const UNVERIFIED: (&str, &str) = (notify::DOMAIN_UNVERIFIED, "domain.unverified");

/// Tells the customer's people and the audit log.
async fn tell(tx: &TenantTx, customer: &Customer, host: &str, what: (&'static str, &str), why: &Value) -> Result<()> {
    let mut data = json!({ "customer_id": customer.id, "domain": customer.domain, "host": host });
    if let (Some(data), Some(why)) = (data.as_object_mut(), why.as_object()) {
        data.extend(why.clone());
    }
    notify::send(tx, what.0, data).await?;
    note(tx, host, what.1, why.clone()).await
}

async fn note(tx: &TenantTx, host: &str, action: &str, metadata: Value) -> Result<()> {
    let entry = audit::Entry {
        customer: Some(tx.customer()),
        actor: "system",
        action,
        resource: host,
        metadata,
        ip: None,
    };
    audit::record(&**tx, entry).await
}
