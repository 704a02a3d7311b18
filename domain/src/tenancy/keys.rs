//! API keys: shown once, kept as SHA-256, scoped, revocable, rotatable with an overlap.
use entity::api_key;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Customer, Db, Principal, Scope, customers, sql};
use crate::{Error, Result, clock::Clock, ids, secrets};

const PREFIX: &str = "omni_";
/// A rotated key works on beside its successor for this long.
const OVERLAP: Duration = Duration::from_hours(24);

/// What a new key needs.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose it is.
    pub customer: Uuid,
    /// A name for people, 1 to 100 characters.
    pub name: String,
    /// What it may do; [`Scope::All`] for everything.
    pub scopes: Vec<Scope>,
}

/// A key at its making: the only time that its text is known.
pub struct IssuedKey {
    /// What is kept of it.
    pub record: KeyRecord,
    /// The key itself.
    pub key: String,
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
pub async fn issue(db: &Db, new: &NewKey) -> Result<IssuedKey> {
    if new.name.trim().is_empty() || new.name.chars().count() > 100 {
        return Err(Error::invalid("name", "must have 1 to 100 characters"));
    }
    if new.scopes.is_empty() {
        return Err(Error::invalid("scopes", "must name at least one scope, or *"));
    }
    customers::get(db, new.customer).await?;
    let scopes = new.scopes.iter().map(|s| s.as_str().to_owned()).collect();
    insert(db, new.customer, new.name.trim().to_owned(), scopes, None).await
}

async fn insert(
    db: &Db,
    customer: Uuid,
    name: String,
    scopes: Vec<String>,
    rotated_from: Option<Uuid>,
) -> Result<IssuedKey> {
    let key = format!("{PREFIX}{}", secrets::token()?);
    let tx = db.system().await?;
    let row = api_key::ActiveModel {
        id: Set(ids::new_id()),
        customer_id: Set(customer),
        name: Set(name),
        prefix: Set(key.chars().take(PREFIX.len() + 6).collect()),
        secret_hash: Set(secrets::sha256(key.as_bytes())),
        scopes: Set(scopes),
        rotated_from: Set(rotated_from),
        ..Default::default()
    };
    let row = row.insert(&*tx).await?;
    tx.commit().await?;
    Ok(IssuedKey {
        record: row.into(),
        key,
    })
}

/// Keys of one customer or of all, in the order of their making.
pub async fn list_keys(db: &Db, customer: Option<Uuid>, after: Option<Uuid>, limit: u64) -> Result<Vec<KeyRecord>> {
    let tx = db.system().await?;
    let mut query = api_key::Entity::find().order_by_asc(api_key::Column::Id).limit(limit);
    if let Some(customer) = customer {
        query = query.filter(api_key::Column::CustomerId.eq(customer));
    }
    if let Some(after) = after {
        query = query.filter(api_key::Column::Id.gt(after));
    }
    Ok(query.all(&*tx).await?.into_iter().map(Into::into).collect())
}

/// Ends a key at once.
pub async fn revoke(db: &Db, id: Uuid) -> Result<()> {
    let tx = db.system().await?;
    let update = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1";
    let done = tx.execute_raw(sql(update, [id.into()])).await?;
    tx.commit().await?;
    if done.rows_affected() == 0 {
        Err(Error::not_found("key"))
    } else {
        Ok(())
    }
}

/// Makes a successor with the same name and scopes; the old key works on for a day.
pub async fn rotate(db: &Db, id: Uuid, clock: &Clock) -> Result<IssuedKey> {
    let tx = db.system().await?;
    let old = api_key::Entity::find_by_id(id)
        .filter(api_key::Column::RevokedAt.is_null())
        .one(&*tx)
        .await?;
    let old = old.ok_or_else(|| Error::not_found("key"))?;
    let until = clock.now() + OVERLAP;
    let update = "UPDATE api_keys SET expires_at = least(coalesce(expires_at, $2), $2) WHERE id = $1";
    tx.execute_raw(sql(update, [id.into(), until.into()])).await?;
    tx.commit().await?;
    insert(db, old.customer_id, old.name, old.scopes, Some(id)).await
}

/// Who presents this key, if it is valid now.
pub async fn authenticate(db: &Db, key: &str, clock: &Clock) -> Result<Principal> {
    let refused = || {
        Error::new(
            crate::error::Kind::Unauthorized,
            "invalid_key",
            "the API key is not valid",
        )
    };
    if !key.starts_with(PREFIX) {
        return Err(refused());
    }
    let tx = db.system().await?;
    let hash = secrets::sha256(key.as_bytes());
    let row = api_key::Entity::find()
        .filter(api_key::Column::SecretHash.eq(hash))
        .one(&*tx)
        .await?;
    let row = row.ok_or_else(refused)?;
    let now = clock.now();
    if row.revoked_at.is_some() || row.expires_at.is_some_and(|at| at <= now) {
        return Err(refused());
    }
    let customer: Customer = entity::customer::Entity::find_by_id(row.customer_id)
        .one(&*tx)
        .await?
        .map(Into::into)
        .ok_or_else(refused)?;
    if row.last_used_at.is_none_or(|at| now - at > time::Duration::hours(1)) {
        tx.execute_raw(sql(
            "UPDATE api_keys SET last_used_at = now() WHERE id = $1",
            [row.id.into()],
        ))
        .await?;
        tx.commit().await?;
    }
    let scopes = row.scopes.iter().filter_map(|s| s.parse().ok()).collect();
    Ok(Principal::Key {
        id: row.id,
        customer,
        scopes,
    })
}
