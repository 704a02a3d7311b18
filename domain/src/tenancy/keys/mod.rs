//! API keys: shown once, kept as SHA-256, scoped, ending, revocable, rotatable with an overlap.
//!
//! Every request reads its key's row, and no process keeps one: a key that is revoked is revoked everywhere at once.
mod text;
mod uses;

use entity::{api_key, customer};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Set, SqlErr,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::{net::IpAddr, sync::LazyLock, time::Duration};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Customer, Db, Principal, Reach, Scope, SystemTx, columns_as, customers::UNLIMITED, sql};
use crate::{
    Error, Result,
    audit::{self, Entry},
    clock::Clock,
    error::Kind,
    ids,
    jobs::Operator,
    secrets,
};

pub use text::PREFIX;

/// A rotated key works on beside its successor for this long, unless said otherwise.
pub const OVERLAP: Duration = Duration::from_hours(24);
/// The longest overlap.
pub const OVERLAP_MOST: Duration = Duration::from_hours(7 * 24);
/// No key is made for longer than this.
const LIFE_MOST: time::Duration = time::Duration::days(3653);

/// What a new key needs.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose it is.
    pub customer: Uuid,
    /// A name for people, 1 to 100 characters.
    pub name: String,
    /// What it may do; [`Scope::All`] for everything.
    pub scopes: Vec<Scope>,
    /// When it ends; without it, when it is revoked.
    pub expires_at: Option<OffsetDateTime>,
}

/// A key at its making: the only time that its text is known.
pub struct IssuedKey {
    /// What is kept of it.
    pub record: KeyRecord,
    /// The key itself.
    pub key: SecretString,
    /// When the key that it replaces ends.
    pub replaced_ends_at: Option<OffsetDateTime>,
}

/// What is kept of a key.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub customer: Uuid,
    /// Its name.
    pub name: String,
    /// Its first characters, for people to tell keys apart.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to the hour.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl From<api_key::Model> for KeyRecord {
    fn from(row: api_key::Model) -> Self {
        Self {
            id: row.id,
            customer: row.customer_id,
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            created_at: row.created_at,
        }
    }
}

/// Makes a key.
pub async fn issue(db: &Db, new: &NewKey, clock: &Clock, by: Operator<'_>) -> Result<IssuedKey> {
    let name = new.name.trim();
    if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "name",
            "must have 1 to 100 characters, and no line breaks",
        ));
    }
    if new.scopes.is_empty() {
        return Err(Error::invalid("scopes", "must name at least one scope, or *"));
    }
    let now = clock.now();
    if new.expires_at.is_some_and(|at| at <= now || at > now + LIFE_MOST) {
        return Err(Error::invalid("expires_at", "must lie ahead, and within ten years"));
    }
    let mut scopes: Vec<String> = new.scopes.iter().map(|s| s.as_str().to_owned()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let tx = db.system().await?;
    let (row, key) = insert(&tx, new.customer, name, scopes, new.expires_at, None).await?;
    let told = json!({ "scopes": row.scopes, "prefix": row.prefix });
    record(&tx, "key.created", row.customer_id, row.id, told, by).await?;
    tx.commit().await?;
    Ok(IssuedKey {
        record: row.into(),
        key,
        replaced_ends_at: None,
    })
}

async fn insert(
    tx: &SystemTx,
    customer: Uuid,
    name: &str,
    scopes: Vec<String>,
    expires_at: Option<OffsetDateTime>,
    rotated_from: Option<Uuid>,
) -> Result<(api_key::Model, SecretString)> {
    let key = text::make()?;
    let shown = key.expose_secret();
    let row = api_key::ActiveModel {
        id: Set(ids::new_id()),
        customer_id: Set(customer),
        name: Set(name.to_owned()),
        prefix: Set(shown.chars().take(PREFIX.len() + 6).collect()),
        secret_hash: Set(secrets::sha256(shown.as_bytes())),
        scopes: Set(scopes),
        expires_at: Set(expires_at),
        rotated_from: Set(rotated_from),
        ..Default::default()
    };
    let row = row.insert(&**tx).await.map_err(|error| match error.sql_err() {
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => Error::not_found("customer"),
        _ => error.into(),
    })?;
    Ok((row, key))
}

/// Keys within `reach`, of one customer or of all, in the order of their making.
pub async fn list_keys(
    db: &Db,
    reach: &Reach,
    customer: Option<Uuid>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<KeyRecord>> {
    let tx = db.system().await?;
    let mut query = api_key::Entity::find().order_by_asc(api_key::Column::Id).limit(limit);
    if let Reach::Customers(own) = reach {
        query = query.filter(api_key::Column::CustomerId.is_in(own.iter().copied()));
    }
    if let Some(customer) = customer {
        query = query.filter(api_key::Column::CustomerId.eq(customer));
    }
    if let Some(after) = after {
        query = query.filter(api_key::Column::Id.gt(after));
    }
    Ok(query.all(&*tx).await?.into_iter().map(Into::into).collect())
}

/// Ends a key at once.
pub async fn revoke(db: &Db, id: Uuid, reach: &Reach, by: Operator<'_>) -> Result<()> {
    let tx = db.system().await?;
    let key = locked(&tx, id, reach).await?;
    let update = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()), used_from = '{}' WHERE id = $1";
    tx.execute_raw(sql(update, [id.into()])).await?;
    record(&tx, "key.revoked", key.customer_id, id, json!({}), by).await?;
    tx.commit().await
}

/// Makes a successor with the same name, scopes and lifetime; the old key works on for `overlap`. Both are one transaction: there is
/// no moment without a key, and a failure leaves the old one as it was.
pub async fn rotate(
    db: &Db,
    id: Uuid,
    overlap: Duration,
    reach: &Reach,
    clock: &Clock,
    by: Operator<'_>,
) -> Result<IssuedKey> {
    if overlap > OVERLAP_MOST {
        return Err(Error::invalid("overlap_hours", "must be 0 to 168"));
    }
    let now = clock.now();
    let tx = db.system().await?;
    let old = locked(&tx, id, reach).await?;
    if old.revoked_at.is_some() || old.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::conflict("key_ended", "the key has ended; make another"));
    }
    let successors = api_key::Entity::find().filter(api_key::Column::RotatedFrom.eq(id));
    if successors.one(&*tx).await?.is_some() {
        let message = "the key has a successor already; rotate that one, or revoke it and make another";
        return Err(Error::conflict("key_rotated", message));
    }
    let ends_at = old.expires_at.map_or(now + overlap, |at| at.min(now + overlap));
    let life = old.expires_at.map(|at| now + (at - old.created_at));
    let update = "UPDATE api_keys SET expires_at = $2 WHERE id = $1";
    tx.execute_raw(sql(update, [id.into(), ends_at.into()])).await?;
    let (row, key) = insert(&tx, old.customer_id, &old.name, old.scopes, life, Some(id)).await?;
    let told = json!({ "successor": row.id, "overlap_hours": overlap.as_secs() / 3600 });
    record(&tx, "key.rotated", old.customer_id, id, told, by).await?;
    tx.commit().await?;
    Ok(IssuedKey {
        record: row.into(),
        key,
        replaced_ends_at: Some(ends_at),
    })
}

/// The key's row until the transaction ends, if its customer is within reach.
async fn locked(tx: &SystemTx, id: Uuid, reach: &Reach) -> Result<api_key::Model> {
    let query = api_key::Entity::find_by_id(id).lock_exclusive();
    let key = query.one(&**tx).await?.filter(|key| reach.covers(key.customer_id));
    key.ok_or_else(|| Error::not_found("key"))
}

async fn record(
    tx: &SystemTx,
    action: &str,
    customer: Uuid,
    key: Uuid,
    metadata: Value,
    by: Operator<'_>,
) -> Result<()> {
    let entry = Entry {
        customer: Some(customer),
        actor: by.actor,
        action,
        resource: &key.to_string(),
        metadata,
        ip: by.ip,
    };
    audit::record(&**tx, entry).await
}

/// The key's row and its customer.
async fn find(tx: &SystemTx, key: &str) -> Result<Option<(api_key::Model, Customer)>> {
    static FIND: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {}, {}, {UNLIMITED} FROM api_keys k JOIN customer_configs c ON c.id = k.customer_id WHERE k.secret_hash = $1",
            columns_as::<api_key::Entity>("k", "k_"),
            columns_as::<customer::Entity>("c", "c_")
        )
    });
    let hash = secrets::sha256(key.as_bytes());
    let Some(row) = tx.query_one_raw(sql(&FIND, [hash.into()])).await? else {
        return Ok(None);
    };
    let key = api_key::Model::from_query_result(&row, "k_")?;
    Ok(Some((key, Customer::read(&row, "c_")?)))
}

/// Who presents this key, if it is valid now.
pub async fn authenticate(db: &Db, key: &str, clock: &Clock) -> Result<Principal> {
    authenticate_from(db, key, None, clock).await
}

/// The same, from an address: the first use of a key, and the first from each of a few further addresses, is a line of the audit log.
pub async fn authenticate_from(db: &Db, key: &str, from: Option<IpAddr>, clock: &Clock) -> Result<Principal> {
    let refused = || Error::new(Kind::Unauthorized, "invalid_key", "the API key is not valid");
    if !text::plausible(key) {
        return Err(refused());
    }
    let tx = db.system().await?;
    let (row, customer) = find(&tx, key).await?.ok_or_else(refused)?;
    let now = clock.now();
    if row.revoked_at.is_some() || row.expires_at.is_some_and(|at| at <= now) {
        return Err(refused());
    }
    let mut told = match from {
        Some(from) => uses::note(&tx, &row, from).await?,
        None => false,
    };
    if row.last_used_at.is_none_or(|at| now - at > time::Duration::hours(1)) {
        told = true;
        tx.execute_raw(sql(
            "UPDATE api_keys SET last_used_at = now() WHERE id = $1",
            [row.id.into()],
        ))
        .await?;
    }
    if told {
        tx.commit().await?;
    }
    let scopes = row.scopes.iter().filter_map(|s| s.parse().ok()).collect();
    Ok(Principal::Key {
        id: row.id,
        customer,
        scopes,
    })
}
