//! Hosts of customers: `host` or `host:port`, verified before they answer.
use entity::domain;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Set};
use std::{fmt, str::FromStr};
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use super::{Customer, Db, TenantTx, customers::taken, sql};
use crate::{Error, Result, error::Kind, ids, secrets};

/// A host as browsers write it in `Origin`: lower case, punycode, and a port only where it isn't the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// The host of an http or https URL.
    pub fn of(url: &Url) -> Option<Self> {
        let host = url.host_str()?.trim_end_matches('.');
        matches!(url.scheme(), "http" | "https").then(|| match url.port() {
            Some(port) => Self(format!("{host}:{port}")),
            None => Self(host.to_owned()),
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = Error;

    /// Takes a bare host, `host:port`, an origin or a whole URL.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong = || {
            Error::invalid(
                "domain",
                "must be a host such as shop.example or shop.example:8080, or a URL",
            )
        };
        if text.is_empty() || text.len() > 260 {
            return Err(wrong());
        }
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let url = Url::parse(&url).map_err(|_| wrong())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        // A bare `host:80` is http's own port; browsers leave it out of the origin.
        let host = Self::of(&url).ok_or_else(wrong)?;
        Ok(if text.contains("://") {
            host
        } else {
            Self(host.0.trim_end_matches(":80").to_owned())
        })
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host of a customer.
#[derive(Clone, Debug)]
pub struct DomainRecord {
    /// The host.
    pub host: String,
    /// What the customer publishes to prove that the host is theirs.
    pub token: String,
    /// How it was proved.
    pub method: Option<String>,
    /// When it was proved.
    pub verified_at: Option<OffsetDateTime>,
}

impl From<domain::Model> for DomainRecord {
    fn from(row: domain::Model) -> Self {
        Self {
            host: row.host,
            token: row.token,
            method: row.method,
            verified_at: row.verified_at,
        }
    }
}

/// How a customer proved a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The token stands in `/.well-known/omniops.txt`.
    File,
    /// The token stands in `<meta name="omniops-verification">` of the home page.
    Meta,
    /// An operator vouches for it.
    Operator,
}

impl Proof {
    fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Meta => "meta",
            Self::Operator => "operator",
        }
    }
}

/// Adds a host; adding one's own again returns it as it is.
pub async fn add_domain(db: &Db, customer: &Customer, host: &HostName) -> Result<DomainRecord> {
    let tx = db.tenant(customer).await?;
    let own = domain::Entity::find()
        .filter(domain::Column::Host.eq(host.as_str()))
        .one(&*tx)
        .await?;
    if let Some(own) = own {
        return Ok(own.into());
    }
    let record = domain::ActiveModel {
        id: Set(ids::new_id()),
        customer_id: Set(customer.id),
        host: Set(host.to_string()),
        token: Set(secrets::token()?),
        ..Default::default()
    };
    let record = record.insert(&*tx).await.map_err(taken)?;
    tx.commit().await?;
    Ok(record.into())
}

/// Gives a host to a customer on the operator's word, whoever had it before.
pub async fn assign_domain(db: &Db, customer: &Customer, host: &HostName) -> Result<()> {
    const ASSIGN: &str = "
        INSERT INTO customer_domains (id, customer_id, host, token, method, verified_at) VALUES ($1, $2, $3, $4, 'operator', now())
        ON CONFLICT (host) DO UPDATE SET customer_id = excluded.customer_id, method = 'operator', verified_at = now()";
    let tx = db.system().await?;
    let values = [
        ids::new_id().into(),
        customer.id.into(),
        host.as_str().into(),
        secrets::token()?.into(),
    ];
    tx.execute_raw(sql(ASSIGN, values)).await?;
    tx.commit().await
}

/// The hosts of a customer.
pub async fn list_domains(db: &Db, customer: &Customer) -> Result<Vec<DomainRecord>> {
    let tx = db.tenant(customer).await?;
    let rows = domain::Entity::find()
        .order_by_asc(domain::Column::Host)
        .all(&*tx)
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The customer's record of a host.
pub async fn own_domain(db: &Db, customer: &Customer, host: &HostName) -> Result<DomainRecord> {
    let tx = db.tenant_read(customer).await?;
    let query = domain::Entity::find().filter(domain::Column::Host.eq(host.as_str()));
    let row = query.one(&*tx).await?;
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

/// Notes that a host was proved.
pub async fn mark_verified(db: &Db, customer: &Customer, host: &HostName, proof: Proof) -> Result<()> {
    let tx = db.tenant(customer).await?;
    let update = "UPDATE customer_domains SET verified_at = now(), method = $2 WHERE host = $1";
    let done = tx
        .execute_raw(sql(update, [host.as_str().into(), proof.as_str().into()]))
        .await?;
    tx.commit().await?;
    if done.rows_affected() == 0 {
        Err(Error::not_found("domain"))
    } else {
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_urls_and_origins_name_the_same_domain() {
        for text in [
            "Shop.Example",
            "https://shop.example/path?q=1",
            "http://shop.example",
            "shop.example:443",
            "shop.example.",
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), "shop.example", "{text}");
        }
        assert_eq!("127.0.0.1:8080".parse::<HostName>().unwrap().as_str(), "127.0.0.1:8080");
        assert_eq!(
            "http://localhost:3000".parse::<HostName>().unwrap().as_str(),
            "localhost:3000"
        );
        assert_eq!(
            "bücher.example".parse::<HostName>().unwrap().as_str(),
            "xn--bcher-kva.example"
        );
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "ftp://shop.example",
            "user:pw@shop.example",
            "a b",
            "javascript:alert(1)",
            "https://",
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }
}
