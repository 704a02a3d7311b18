//! Customers: made and listed by administrators, found by host for visitors.
use entity::{customer, domain};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QueryResult, QuerySelect,
    Set, SqlErr,
};
use serde_json::{Value, json};
use std::sync::LazyLock;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Db, HostName, Reach, SystemTx, columns, sql};
use crate::{Error, Result, audit, error::Kind, ids, jobs::Operator, secrets};
use sea_orm::ConnectionTrait;

/// A tenant, as far as most of the code needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Its id.
    pub id: Uuid,
    /// Its primary domain: `host` or `host:port`.
    pub domain: String,
    /// Its name for people.
    pub name: String,
    /// Counts visible changes of its index; keys its caches.
    pub index_version: i64,
    /// Assistant settings as stored.
    pub settings: Value,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// It is known that no budget of its own was set for it, when it was read: nobody has to look.
    pub unlimited: bool,
}

/// Whether no budget of its own is set for the customer `c`, as a column beside those of its entity.
pub(super) const UNLIMITED: &str = "c.budget_soft_usd IS NULL AND c.budget_hard_usd IS NULL AS unlimited";

impl Customer {
    /// Of a row with the entity's columns, which begin with `prefix`, and [`UNLIMITED`].
    pub(super) fn read(row: &QueryResult, prefix: &str) -> Result<Self> {
        let known = Self::from(customer::Model::from_query_result(row, prefix)?);
        let unlimited = row.try_get("", "unlimited")?;
        Ok(Self { unlimited, ..known })
    }
}

impl From<customer::Model> for Customer {
    fn from(row: customer::Model) -> Self {
        Self {
            id: row.id,
            domain: row.domain,
            name: row.name,
            index_version: row.index_version,
            settings: row.settings,
            created_at: row.created_at,
            unlimited: false,
        }
    }
}

/// What a new customer needs.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// Its name, 1 to 200 characters.
    pub name: String,
    /// Its primary domain.
    pub domain: HostName,
    /// The operator vouches for the domain, so that it needs no proof.
    pub vouched: bool,
}

/// Makes a customer with its primary domain.
pub async fn create(db: &Db, new: &NewCustomer, by: Operator<'_>) -> Result<Customer> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > 200 {
        return Err(Error::invalid("name", "must have 1 to 200 characters"));
    }
    let tx = db.system().await?;
    let row = customer::ActiveModel {
        id: Set(ids::new_id()),
        domain: Set(new.domain.to_string()),
        name: Set(name.to_owned()),
        settings: Set(Value::Object(serde_json::Map::new())),
        ..Default::default()
    };
    let row = row.insert(&*tx).await.map_err(taken)?;
    let record = domain::ActiveModel {
        id: Set(ids::new_id()),
        customer_id: Set(row.id),
        host: Set(row.domain.clone()),
        token: Set(secrets::token()?),
        method: Set(new.vouched.then(|| "operator".to_owned())),
        ..Default::default()
    };
    let record = record.insert(&*tx).await.map_err(taken)?;
    if new.vouched {
        let verify = "UPDATE customer_domains SET verified_at = now() WHERE id = $1";
        tx.execute_raw(sql(verify, [record.id.into()])).await.map_err(taken)?;
    }
    note(&tx, row.id, "customer.created", json!({ "domain": row.domain }), by).await?;
    tx.commit().await?;
    Ok(row.into())
}

async fn note(tx: &SystemTx, customer: Uuid, action: &str, metadata: Value, by: Operator<'_>) -> Result<()> {
    let entry = audit::Entry {
        customer: Some(customer),
        actor: by.actor,
        action,
        resource: &customer.to_string(),
        metadata,
        ip: by.ip,
    };
    audit::record(&**tx, entry).await
}

/// A unique name that is taken is the caller's to mend.
pub(super) fn taken(error: sea_orm::DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Error::conflict("domain_taken", "this domain already belongs to a customer")
        }
        _ => error.into(),
    }
}

/// The customer with this id.
pub async fn get(db: &Db, id: Uuid) -> Result<Customer> {
    let tx = db.system().await?;
    let row = customer::Entity::find_by_id(id).one(&*tx).await?;
    row.map(Into::into).ok_or_else(|| Error::not_found("customer"))
}

/// Customers within `reach` in the order of their making, after `after`.
pub async fn list(db: &Db, reach: &Reach, after: Option<Uuid>, limit: u64) -> Result<Vec<Customer>> {
    let tx = db.system().await?;
    let mut query = customer::Entity::find().order_by_asc(customer::Column::Id).limit(limit);
    if let Reach::Customers(own) = reach {
        query = query.filter(customer::Column::Id.is_in(own.iter().copied()));
    }
    if let Some(after) = after {
        query = query.filter(customer::Column::Id.gt(after));
    }
    Ok(query.all(&*tx).await?.into_iter().map(Into::into).collect())
}

/// Gives a customer another name or other assistant settings.
pub async fn rename(
    db: &Db,
    id: Uuid,
    name: Option<&str>,
    settings: Option<Value>,
    by: Operator<'_>,
) -> Result<Customer> {
    const CHANGE: &str =
        "UPDATE customer_configs SET name = coalesce($2, name), settings = coalesce($3, settings), updated_at = now()
         WHERE id = $1";
    let tx = db.system().await?;
    let find = customer::Entity::find_by_id(id).lock_exclusive();
    let before = find.one(&*tx).await?.ok_or_else(|| Error::not_found("customer"))?;
    let mut told = audit::changes(&before.settings, settings.as_ref().unwrap_or(&before.settings));
    if let Some(name) = name {
        let renamed = audit::changes(&json!({ "name": before.name }), &json!({ "name": name }));
        if let (Some(told), Value::Object(renamed)) = (told.as_object_mut(), renamed) {
            told.extend(renamed);
        }
    }
    let values = [id.into(), name.map(str::to_owned).into(), settings.into()];
    tx.execute_raw(sql(CHANGE, values)).await?;
    note(&tx, id, "customer.changed", json!({ "changes": told }), by).await?;
    tx.commit().await?;
    get(db, id).await
}

/// Removes a customer with all that it owns. What stays as a proof is [`crate::privacy`]'s.
pub(crate) async fn remove(tx: &SystemTx, id: Uuid, by: Operator<'_>) -> Result<()> {
    let gone = customer::Entity::delete_by_id(id).exec(&**tx).await?.rows_affected;
    if gone == 0 {
        return Err(Error::not_found("customer"));
    }
    note(tx, id, "customer.deleted", json!({}), by).await
}

/// The customer that owns `host`. Without `verified_only` a claim is enough: of several customers the one that has it verified,
/// else the one that is named by it, else the first.
pub async fn find_by_host(db: &Db, host: &HostName, verified_only: bool) -> Result<Option<Customer>> {
    static FIND: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {} FROM customer_domains d JOIN customer_configs c ON c.id = d.customer_id
             WHERE d.host = $1 AND (d.verified_at IS NOT NULL OR NOT $2)
             ORDER BY d.verified_at IS NULL, c.domain <> d.host, d.id LIMIT 1",
            columns::<customer::Entity>("c")
        )
    });
    let tx = db.system().await?;
    let find = sql(&FIND, [host.as_str().into(), verified_only.into()]);
    let found = customer::Model::find_by_statement(find).one(&*tx).await?;
    Ok(found.map(Into::into))
}

/// The customer that somebody means who types `host`: whose it is by proof, or who is named by it. A claim of it is not enough, which
/// anybody may make: where there is nothing else, the claims are told.
pub async fn find_named(db: &Db, host: &HostName) -> Result<Customer> {
    const CLAIMS: &str = "SELECT c.domain FROM customer_domains d JOIN customer_configs c ON c.id = d.customer_id
        WHERE d.host = $1 AND d.verified_at IS NULL ORDER BY c.domain";
    if let Some(customer) = find_by_host(db, host, true).await? {
        return Ok(customer);
    }
    if let Some(customer) = find_by_host(db, host, false)
        .await?
        .filter(|one| one.domain == host.as_str())
    {
        return Ok(customer);
    }
    let tx = db.system().await?;
    let rows = tx.query_all_raw(sql(CLAIMS, [host.as_str().into()])).await?;
    let claims: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", "domain"))
        .collect::<Result<_, _>>()?;
    let told = match claims.as_slice() {
        [] => format!("no customer has the domain {host}"),
        claims => format!(
            "nobody has proved the domain {host}; it is claimed by {}: name one of them",
            claims.join(", ")
        ),
    };
    Err(Error::new(Kind::NotFound, "not_found", told))
}

/// One setting of a customer as text, if it is set.
pub fn settings<'a>(customer: &'a Customer, name: &str) -> Option<&'a str> {
    customer
        .settings
        .get(name)
        .and_then(Value::as_str)
        .filter(|v| !v.is_empty())
}
