//! Hosts of customers: claimed by any number of them, verified for one at a time, and only then theirs.
//!
//! A claim says nothing about a host and keeps nobody out. The unique index over verified hosts decides between two proofs; how a
//! host passes from one customer to another is the matter of [`super::checks`].
use entity::domain;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Set};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Customer, Db, HostName, TenantTx, checks, customers::taken, sql};
use crate::{Error, Result, audit, error::Kind, ids, jobs::Operator, secrets};

/// Hosts of one customer at most.
const MOST: usize = 100;

/// A host of a customer.
#[derive(Clone, Debug)]
pub struct DomainRecord {
    /// The host.
    pub host: String,
    /// What the customer publishes to prove that the host is theirs.
    pub token: String,
    /// How it was proved last.
    pub method: Option<String>,
    /// Since when it is proved.
    pub verified_at: Option<OffsetDateTime>,
    /// When the proof was looked at last.
    pub checked_at: Option<OffsetDateTime>,
    /// Since when the proof has not been there any more.
    pub failing_since: Option<OffsetDateTime>,
    /// When it was taken back.
    pub unverified_at: Option<OffsetDateTime>,
}

impl From<domain::Model> for DomainRecord {
    fn from(row: domain::Model) -> Self {
        Self {
            host: row.host,
            token: row.token,
            method: row.method,
            verified_at: row.verified_at,
            checked_at: row.checked_at,
            failing_since: row.failing_since,
            unverified_at: row.unverified_at,
        }
    }
}

/// How a customer proved a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The token stands in a TXT record of `_omniops-challenge` under the host.
    Dns,
    /// The token stands in `/.well-known/omniops.txt`.
    File,
    /// The token stands in `<meta name="omniops-verification">` of the home page.
    Meta,
    /// An operator vouches for it.
    Operator,
}

impl Proof {
    /// The proof's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::File => "file",
            Self::Meta => "meta",
            Self::Operator => "operator",
        }
    }
}

/// Nobody in particular: the installation's own tools.
const TOOL: Operator<'static> = Operator {
    actor: "system",
    ip: None,
};

/// [`claim_domain`] by the installation itself.
pub async fn add_domain(db: &Db, customer: &Customer, host: &HostName) -> Result<DomainRecord> {
    claim_domain(db, customer, host, TOOL).await
}

/// Claims a host; claiming it again returns the claim as it is. Whether somebody else has it is not said.
pub async fn claim_domain(db: &Db, customer: &Customer, host: &HostName, by: Operator<'_>) -> Result<DomainRecord> {
    let tx = db.tenant(customer).await?;
    let own = domain::Entity::find().filter(domain::Column::CustomerId.eq(customer.id));
    let own = own.all(&*tx).await?;
    let count = own.len();
    if let Some(own) = own.into_iter().find(|own| own.host == host.as_str()) {
        return Ok(own.into());
    }
    if count >= MOST {
        let told = format!("a customer has at most {MOST} domains");
        return Err(Error::conflict("too_many_domains", told));
    }
    let record = domain::ActiveModel {
        id: Set(ids::new_id()),
        customer_id: Set(customer.id),
        host: Set(host.to_string()),
        token: Set(secrets::token()?),
        ..Default::default()
    };
    let record = record.insert(&*tx).await.map_err(taken)?;
    note(&tx, host, "domain.added", json!({}), by).await?;
    tx.commit().await?;
    Ok(record.into())
}

/// Gives a claim up, and with it the host. The primary domain names the customer and stays.
pub async fn remove_domain(db: &Db, customer: &Customer, host: &HostName, by: Operator<'_>) -> Result<()> {
    if customer.domain == host.as_str() {
        let told = "the primary domain names the customer and can't be removed";
        return Err(Error::conflict("primary_domain", told));
    }
    let tx = db.tenant(customer).await?;
    let remove = "DELETE FROM customer_domains WHERE customer_id = $1 AND host = $2";
    let gone = tx
        .execute_raw(sql(remove, [customer.id.into(), host.as_str().into()]))
        .await?;
    if gone.rows_affected() == 0 {
        return Err(Error::not_found("domain"));
    }
    note(&tx, host, "domain.removed", json!({}), by).await?;
    tx.commit().await
}

async fn note(tx: &TenantTx, host: &HostName, action: &str, metadata: Value, by: Operator<'_>) -> Result<()> {
    let entry = audit::Entry {
        customer: Some(tx.customer()),
        actor: by.actor,
        action,
        resource: host.as_str(),
        metadata,
        ip: by.ip,
    };
    audit::record(&**tx, entry).await
}

/// Gives a host to a customer on the operator's word, whoever had it before.
pub async fn assign_domain(db: &Db, customer: &Customer, host: &HostName) -> Result<()> {
    let record = add_domain(db, customer, host).await?;
    if record.verified_at.is_some() && record.method.as_deref() == Some(Proof::Operator.as_str()) {
        return Ok(());
    }
    mark_verified(db, customer, host, Proof::Operator).await
}

/// The hosts of a customer.
pub async fn list_domains(db: &Db, customer: &Customer) -> Result<Vec<DomainRecord>> {
    let tx = db.tenant(customer).await?;
    let rows = domain::Entity::find()
        .filter(domain::Column::CustomerId.eq(customer.id))
        .order_by_asc(domain::Column::Host)
        .all(&*tx)
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The customer's record of a host.
pub async fn own_domain(db: &Db, customer: &Customer, host: &HostName) -> Result<DomainRecord> {
    let tx = db.tenant_read(customer).await?;
    let query = domain::Entity::find().filter(domain::Column::Host.eq(host.as_str()));
    let row = query
        .filter(domain::Column::CustomerId.eq(customer.id))
        .one(&*tx)
        .await?;
    row.map(Into::into).ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            "unknown_domain",
            format!("{host} is none of this customer's domains"),
        )
    })
}

/// The verified hosts of the transaction's customer.
pub async fn own_hosts(tx: &TenantTx) -> Result<Vec<String>> {
    let query = domain::Entity::find().filter(domain::Column::CustomerId.eq(tx.customer()));
    let query = query.filter(domain::Column::VerifiedAt.is_not_null());
    Ok(query.all(&**tx).await?.into_iter().map(|row| row.host).collect())
}

/// [`verify_domain`] by the installation itself.
pub async fn mark_verified(db: &Db, customer: &Customer, host: &HostName, proof: Proof) -> Result<()> {
    verify_domain(db, customer, host, proof, TOOL).await
}

/// Notes that a host was proved. The operator's word takes it from whoever has it; a proof does not: the conflict says so, and
/// has the other customer's proof looked at.
pub async fn verify_domain(
    db: &Db,
    customer: &Customer,
    host: &HostName,
    proof: Proof,
    by: Operator<'_>,
) -> Result<()> {
    const VERIFIED: &str = "
        UPDATE customer_domains SET verified_at = coalesce(verified_at, now()), method = $3, checked_at = now(), failures = 0,
          failing_since = NULL, unverified_at = NULL,
          check_at = CASE WHEN $3 = 'operator' THEN NULL ELSE now() + (6.5 + random()) * interval '1 day' END
        WHERE customer_id = $1 AND host = $2";
    if proof == Proof::Operator {
        checks::dispossess(db, customer, host).await?;
    }
    let tx = db.tenant(customer).await?;
    let values = [customer.id.into(), host.as_str().into(), proof.as_str().into()];
    let done = match tx.execute_raw(sql(VERIFIED, values)).await {
        Ok(done) => done,
        Err(error) => {
            drop(tx);
            let error = taken(error);
            if error.code() != "domain_taken" {
                return Err(error);
            }
            checks::contest(db, host).await?;
            let told = "another customer has this domain verified; that proof is looked at again now, and if it is gone for \
                        three days, the domain is free. The operator can give it to you at once";
            return Err(Error::conflict("domain_taken", told));
        }
    };
    if done.rows_affected() == 0 {
        return Err(Error::not_found("domain"));
    }
    note(&tx, host, "domain.verified", json!({ "method": proof.as_str() }), by).await?;
    tx.commit().await
}

/// Every verified host of the installation with its customer: what CORS decides by.
pub async fn verified_hosts(db: &Db) -> Result<Vec<(String, Uuid)>> {
    let tx = db.system().await?;
    let rows = domain::Entity::find()
        .filter(domain::Column::VerifiedAt.is_not_null())
        .all(&*tx)
        .await?;
    Ok(rows.into_iter().map(|row| (row.host, row.customer_id)).collect())
}
