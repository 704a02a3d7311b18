//! The way to other keys, while everybody goes on: `omniops keys rotate`.
//!
//! Data keys are wrapped anew by the present master key. Asked for it, every owner gets a new data key; and every value that is not
//! under its owner's present data key is sealed anew, which is also how values from before there were data keys come under one.
//! Every batch is a transaction of its own, and what is left to do is read from the rows: killed anywhere and run again, it goes on
//! where it was. A wrapping is replaced only if it is still the one that was read; a value is sealed anew under its row's lock. So
//! writers are never lost, and readers find every value with its key at all times: a retired key stays for a day after the last
//! value has left it, for whoever had read that value just before.
use sea_orm::{ConnectionTrait, QueryResult};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Envelopes,
    envelope::owner,
    sealed::{self, SealedColumn},
};
use crate::{
    Error, Result, audit, ids,
    tenancy::{Db, SystemTx, sql},
};
use serde_json::{Value, json};

/// Rows of one transaction.
const BATCH: i64 = 50;

/// What was just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many data keys are wrapped by the present master key now.
    Wrapped(u64),
    /// So many owners have a new data key.
    Renewed(u64),
    /// So many values are sealed anew.
    Sealed(u64),
}

/// What can't be read, so that it stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

/// What a rotation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Data keys that were wrapped anew.
    pub wrapped: u64,
    /// Owners that have a new data key.
    pub renewed: u64,
    /// Values that were sealed anew.
    pub sealed: u64,
    /// Retired data keys that were deleted.
    pub discarded: u64,
    /// What could not be read, with the id of the key that is missing.
    pub unreadable: Vec<Unreadable>,
}

/// Moves everything to the present master key; with `data_keys`, every value to a new data key as well. `told` hears of every
/// batch.
pub async fn rotate(db: &Db, envelopes: &Envelopes, data_keys: bool, mut told: impl FnMut(Step)) -> Result<Rotated> {
    let mut done = Rotated::default();
    wrap_anew(db, envelopes, &mut done, &mut told).await?;
    let rotation = begun(db, data_keys).await?;
    if let Some((_, at)) = rotation {
        renew(db, envelopes, at, &mut done, &mut told).await?;
    }
    for column in sealed::ALL {
        seal_anew(db, envelopes, column, &mut done, &mut told).await?;
    }
    if let Some((id, _)) = rotation.filter(|_| done.unreadable.is_empty()) {
        let tx = db.system().await?;
        let end = "UPDATE key_rotations SET finished_at = now() WHERE id = $1";
        tx.execute_raw(sql(end, [id.into()])).await?;
        note(&tx, "keys.rotation_finished", &id.to_string(), json!({})).await?;
        tx.commit().await?;
    }
    done.discarded = discard_unused(db).await?;
    Ok(done)
}

async fn wrap_anew(db: &Db, envelopes: &Envelopes, done: &mut Rotated, told: &mut impl FnMut(Step)) -> Result<()> {
    const OTHERS: &str =
        "SELECT id, customer_id, master, wrapped FROM data_keys WHERE master <> $1 AND id > $2 ORDER BY id LIMIT $3";
    const KEEP: &str =
        "UPDATE data_keys SET master = $2, wrapped = $3, wrapped_at = now() WHERE id = $1 AND wrapped = $4";
    let present = envelopes.masters().present().id();
    let mut after = Uuid::nil();
    loop {
        let tx = db.system().await?;
        let values = [present.into(), after.into(), BATCH.into()];
        let rows = tx.query_all_raw(sql(OTHERS, values)).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.try_get("", "id")?;
        let mut count = 0;
        for row in &rows {
            let customer = row.try_get("", "customer_id")?;
            let key = match envelopes.unwrap(row, customer) {
                Ok(key) => key,
                Err(error) => {
                    done.unreadable.push(Unreadable(error.story()));
                    continue;
                }
            };
            let (master, wrapped) = envelopes.wrap(&key, customer)?;
            let before: Vec<u8> = row.try_get("", "wrapped")?;
            let values = [key.id.into(), master.into(), wrapped.into(), before.into()];
            count += tx.execute_raw(sql(KEEP, values)).await?.rows_affected();
        }
        if count > 0 {
            note(&tx, "keys.wrapped", present, json!({ "data_keys": count })).await?;
        }
        tx.commit().await?;
        done.wrapped += count;
        told(Step::Wrapped(done.wrapped));
    }
}

/// The rotation of data keys that is under way, or a new one if it is `wanted`: its id, and when it began.
async fn begun(db: &Db, wanted: bool) -> Result<Option<(Uuid, OffsetDateTime)>> {
    const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtextextended('key rotation', 0))";
    const OPEN: &str = "SELECT id, started_at FROM key_rotations WHERE finished_at IS NULL";
    const BEGIN: &str = "INSERT INTO key_rotations (id) VALUES ($1) RETURNING id, started_at";
    let tx = db.system().await?;
    tx.execute_raw(sql(ALONE, [])).await?;
    let mut row = tx.query_one_raw(sql(OPEN, [])).await?;
    if row.is_none() && wanted {
        let id = ids::new_id();
        row = tx.query_one_raw(sql(BEGIN, [id.into()])).await?;
        note(&tx, "keys.rotation_started", &id.to_string(), json!({})).await?;
    }
    tx.commit().await?;
    let read = |row: QueryResult| Ok((row.try_get("", "id")?, row.try_get("", "started_at")?));
    row.map(read).transpose()
}

/// Gives every owner whose data key is older than `at` a new one.
async fn renew(
    db: &Db,
    envelopes: &Envelopes,
    at: OffsetDateTime,
    done: &mut Rotated,
    told: &mut impl FnMut(Step),
) -> Result<()> {
    const OWNERS: &str = "SELECT customer_id FROM data_keys WHERE retired_at IS NULL AND created_at < $1 ORDER BY id";
    // Waits for whoever is sealing under the key just now, so that all it has sealed is met afterwards.
    const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtextextended('data key ' || $1::text, 0))";
    const RETIRE: &str = "UPDATE data_keys SET retired_at = now() WHERE coalesce(customer_id, $3) = $1 AND retired_at IS NULL AND created_at < $2";
    let tx = db.system().await?;
    let owners = tx.query_all_raw(sql(OWNERS, [at.into()])).await?;
    tx.commit().await?;
    for row in owners {
        let customer: Option<Uuid> = row.try_get("", "customer_id")?;
        let whose = owner(customer);
        let tx = db.system().await?;
        tx.execute_raw(sql(ALONE, [whose.into()])).await?;
        let values = [whose.into(), at.into(), Uuid::nil().into()];
        if tx.execute_raw(sql(RETIRE, values)).await?.rows_affected() == 1 {
            envelopes.make(&*tx, customer).await?;
            done.renewed += 1;
        }
        tx.commit().await?;
        told(Step::Renewed(done.renewed));
    }
    Ok(())
}

/// Seals every value of a column anew that is not under its owner's present data key.
async fn seal_anew(
    db: &Db,
    envelopes: &Envelopes,
    column: &'static SealedColumn,
    done: &mut Rotated,
    told: &mut impl FnMut(Step),
) -> Result<()> {
    let SealedColumn {
        table, column: name, ..
    } = column;
    let customer = column.owner();
    let find = format!(
        "SELECT t.id, {customer} AS customer_id, t.{name} AS value FROM {table} t
         LEFT JOIN data_keys k ON coalesce(k.customer_id, $3) = coalesce({customer}, $3) AND k.retired_at IS NULL
         WHERE t.{name} IS NOT NULL AND substring(t.{name} FROM 1 FOR 17) IS DISTINCT FROM '\\x01'::bytea || uuid_send(k.id) AND t.id > $1
         ORDER BY t.id LIMIT $2 FOR UPDATE OF t"
    );
    let keep = format!("UPDATE {table} SET {name} = $2 WHERE id = $1");
    let mut after = Uuid::nil();
    loop {
        let tx = db.system().await?;
        let rows = tx
            .query_all_raw(sql(&find, [after.into(), BATCH.into(), Uuid::nil().into()]))
            .await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.try_get("", "id")?;
        let mut count = 0;
        for row in &rows {
            let id: Uuid = row.try_get("", "id")?;
            let place = column.at(row.try_get("", "customer_id")?, id);
            let value: Vec<u8> = row.try_get("", "value")?;
            match envelopes.open(&*tx, place, &value).await {
                Ok(plain) => {
                    let anew = envelopes.seal(&*tx, place, &plain).await?;
                    tx.execute_raw(sql(&keep, [id.into(), anew.into()])).await?;
                    count += 1;
                }
                Err(error) if is_database(&error) => return Err(error),
                Err(error) => done.unreadable.push(Unreadable(error.story())),
            }
        }
        tx.commit().await?;
        done.sealed += count;
        told(Step::Sealed(done.sealed));
    }
}

/// Whether the failure is none of the value's.
fn is_database(error: &Error) -> bool {
    *error.kind() != crate::error::Kind::Internal || error.story().starts_with("database")
}

/// Deletes data keys that have been retired for a day and that nothing is under any more; returns how many.
pub async fn discard_unused(db: &Db) -> Result<u64> {
    let used = sealed::ALL.map(|SealedColumn { table, column, .. }| {
        format!(" AND NOT EXISTS (SELECT FROM {table} WHERE substring({column} FROM 2 FOR 16) = uuid_send(k.id))")
    });
    let used = used.concat();
    let discard = format!(
        "DELETE FROM data_keys k WHERE retired_at < now() - interval '1 day'
         AND NOT EXISTS (SELECT FROM audit_chain WHERE key_id = k.id)
         AND NOT EXISTS (SELECT FROM audit_checkpoints WHERE key_id = k.id){used}"
    );
    let tx = db.system().await?;
    let gone = tx.execute_raw(sql(&discard, [])).await?.rows_affected();
    tx.commit().await?;
    Ok(gone)
}

async fn note(tx: &SystemTx, action: &str, resource: &str, metadata: Value) -> Result<()> {
    let entry = audit::Entry {
        customer: None,
        actor: "cli",
        action,
        resource,
        metadata,
        ip: None,
    };
    audit::record(&**tx, entry).await
}
