//! Connections: where a shop is, and what opens it. A customer has one of each platform.
//!
//! Credentials are tried before they are kept, so that nobody holds the place of a shop that is not theirs; they are sealed together and
//! never shown again. Connecting the same shop once more replaces them.
use ::commerce::{About, Store, Transport};
use entity::store_connection::{self, Model};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;
use std::sync::Arc;
use url::Url;
use uuid::Uuid;

use super::{
    credentials::{Credentials, Platform},
    failure, products,
};
use crate::{
    Error, Result, audit, ids,
    jobs::Operator,
    secrets::{Envelopes, sealed},
    tenancy::{TenantTx, sql},
};

/// Longest address, in bytes.
const LONGEST: usize = 2000;

/// A connection to be.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// The shop's start page; of a Shopify shop `name.myshopify.com`.
    pub address: String,
    /// What opens it.
    pub credentials: Credentials,
}

/// A connection that was tried.
#[derive(Debug)]
pub struct Connected {
    address: Url,
    credentials: Credentials,
    /// What the shop says of itself.
    pub about: About,
}

/// Tries a connection: refuses what may not be, and what the shop does not take. It asks the shop, so it comes before the transaction.
pub async fn probe(client: &egress::Client, new: &NewConnection) -> Result<Connected> {
    new.credentials.check()?;
    let address = address(client.guard(), new.credentials.platform(), &new.address)?;
    let store = new.credentials.store(&address, Arc::new(client.clone()))?;
    let about = store.about().await.map_err(failure)?;
    Ok(Connected {
        address,
        credentials: new.credentials.clone(),
        about,
    })
}

/// The shop's address in the one spelling that is kept: `https`, unless the operator has made an exception for it, with a path that ends in `/`.
fn address(guard: &egress::Guard, platform: Platform, text: &str) -> Result<Url> {
    let wrong = |why: &str| Error::invalid("url", why);
    let text = text.trim();
    if text.len() > LONGEST {
        return Err(wrong("is too long"));
    }
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let mut url =
        Url::parse(&text).map_err(|_| wrong("must be the address of a shop, such as https://shop.example"))?;
    url.set_query(None);
    url.set_fragment(None);
    let checked = guard
        .check(&url)
        .map_err(|_| wrong("must be https and lead to a public address"))?;
    if url.scheme() != "https" && !checked.excepted {
        return Err(wrong("must start with https://"));
    }
    match platform {
        Platform::Shopify => {
            let label = url.host_str().and_then(|host| host.strip_suffix(".myshopify.com"));
            if !checked.excepted && label.is_none_or(|label| label.is_empty() || label.contains('.')) {
                return Err(wrong("must be the shop's own name.myshopify.com"));
            }
            url.set_path("/");
        }
        Platform::WooCommerce => {
            let path = format!("{}/", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
    }
    Ok(url)
}

/// Keeps a connection that was tried. The same shop again has its credentials replaced; another one needs the first to be disconnected.
pub async fn connect(tx: &TenantTx, envelopes: &Envelopes, new: &Connected, by: Operator<'_>) -> Result<Model> {
    const INSERT: &str = "
        INSERT INTO store_connections (id, customer_id, platform, address, name, currency, credentials) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (customer_id, platform) DO NOTHING";
    const RENEW: &str = "UPDATE store_connections SET credentials = $3, name = $4, currency = $5, state = 'connected', error = NULL WHERE customer_id = $1 AND id = $2";
    let platform = new.credentials.platform();
    let before = of_platform_if(tx, platform).await?;
    if before
        .as_ref()
        .is_some_and(|before| before.address != new.address.as_str())
    {
        let told = format!("a {} shop is connected already: disconnect it first", platform.as_str());
        return Err(Error::conflict("store_connected", told));
    }
    let id = before.as_ref().map_or_else(ids::new_id, |before| before.id);
    let place = sealed::STORE_CREDENTIALS.at(Some(tx.customer()), id);
    let kept = envelopes.seal(&**tx, place, new.credentials.plain().as_bytes()).await?;
    let (name, currency) = (new.about.name.clone(), new.about.currency.clone());
    let statement = if before.is_some() {
        let values = [
            tx.customer().into(),
            id.into(),
            kept.into(),
            name.into(),
            currency.into(),
        ];
        sql(RENEW, values)
    } else {
        let values = [
            id.into(),
            tx.customer().into(),
            platform.as_str().into(),
            new.address.as_str().into(),
            name.into(),
            currency.into(),
            kept.into(),
        ];
        sql(INSERT, values)
    };
    if tx.execute_raw(statement).await?.rows_affected() == 0 {
        return Err(Error::conflict("store_connected", "a shop is being connected already"));
    }
    let action = if before.is_some() {
        "store.renewed"
    } else {
        "store.connected"
    };
    note(tx, id, action, new.address.as_str(), by).await?;
    find(tx, id).await
}

/// The customer's connections, oldest first.
pub async fn list(tx: &TenantTx) -> Result<Vec<Model>> {
    let mine = store_connection::Entity::find().filter(store_connection::Column::CustomerId.eq(tx.customer()));
    Ok(mine.order_by_asc(store_connection::Column::Id).all(&**tx).await?)
}

/// One connection of the customer.
pub async fn find(tx: &TenantTx, id: Uuid) -> Result<Model> {
    let found = store_connection::of_customer(tx.customer(), id).one(&**tx).await?;
    found.ok_or_else(|| Error::not_found("connection"))
}

/// The customer's connection of this platform.
pub async fn of_platform(tx: &TenantTx, platform: Platform) -> Result<Model> {
    of_platform_if(tx, platform)
        .await?
        .ok_or_else(|| Error::not_found("connection"))
}

async fn of_platform_if(tx: &TenantTx, platform: Platform) -> Result<Option<Model>> {
    let all = list(tx).await?;
    Ok(all.into_iter().find(|row| row.platform == platform.as_str()))
}

/// Ends a connection: its credentials go, and all that was read from the shop, the pages that a crawl has not written since included.
pub async fn disconnect(tx: &TenantTx, id: Uuid, by: Operator<'_>) -> Result<()> {
    const DELETE: &str = "DELETE FROM store_connections WHERE customer_id = $1 AND id = $2";
    let row = find(tx, id).await?;
    products::forget_all(tx, id).await?;
    tx.execute_raw(sql(DELETE, [tx.customer().into(), id.into()])).await?;
    note(tx, id, "store.disconnected", &row.address, by).await
}

async fn note(tx: &TenantTx, id: Uuid, action: &str, address: &str, by: Operator<'_>) -> Result<()> {
    let entry = audit::Entry {
        customer: Some(tx.customer()),
        actor: by.actor,
        action,
        resource: &id.to_string(),
        metadata: json!({ "address": address }),
        ip: by.ip,
    };
    audit::record(&**tx, entry).await
}

/// What opens the shop of this row. `tx` may be of the row's customer, or of the system.
pub(super) async fn credentials(tx: &impl ConnectionTrait, envelopes: &Envelopes, row: &Model) -> Result<Credentials> {
    let place = sealed::STORE_CREDENTIALS.at(Some(row.customer_id), row.id);
    let plain = envelopes.open(tx, place, &row.credentials).await?;
    Credentials::unsealed(row.platform.parse()?, &plain)
}

/// The shop of this row, reached by `transport`.
pub async fn open(tx: &TenantTx, envelopes: &Envelopes, row: &Model, transport: Arc<dyn Transport>) -> Result<Store> {
    let address = Url::parse(&row.address).map_err(|e| Error::internal("a shop's address", e))?;
    credentials(&**tx, envelopes, row).await?.store(&address, transport)
}

/// Notes that a sync begins.
pub async fn begin(tx: &TenantTx, id: Uuid) -> Result<()> {
    let begin = "UPDATE store_connections SET tried_at = now() WHERE customer_id = $1 AND id = $2";
    tx.execute_raw(sql(begin, [tx.customer().into(), id.into()])).await?;
    Ok(())
}

/// Notes that a sync has read everything it was to: `latest` is the last change that it saw, `full` that it saw all products.
pub async fn end(tx: &TenantTx, id: Uuid, latest: Option<&str>, full: bool) -> Result<()> {
    const END: &str = "
        UPDATE store_connections SET synced_at = now(), swept_at = CASE WHEN $4 THEN now() ELSE swept_at END, state = 'connected', error = NULL,
          changes_since = greatest(changes_since COLLATE \"C\", $3::text COLLATE \"C\") WHERE customer_id = $1 AND id = $2";
    let latest = latest.map(str::to_owned);
    let values = [tx.customer().into(), id.into(), latest.into(), full.into()];
    tx.execute_raw(sql(END, values)).await?;
    Ok(())
}

/// Notes why the shop can't be read.
pub async fn fail(tx: &TenantTx, id: Uuid, error: &Error) -> Result<()> {
    let fail = "UPDATE store_connections SET state = 'failing', error = $3 WHERE customer_id = $1 AND id = $2";
    let values = [tx.customer().into(), id.into(), error.public_message().into()];
    tx.execute_raw(sql(fail, values)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str]) -> egress::Guard {
        let mut policy = egress::Policy::new("test");
        policy.allow = allow.iter().map(|place| place.parse().unwrap()).collect();
        egress::Client::new(policy).unwrap().guard().clone()
    }

    #[test]
    fn an_address_has_one_spelling_and_is_encrypted() {
        let of = |platform, text: &str| address(&guard(&[]), platform, text).map(|url| url.to_string());
        for text in [
            "shop.example",
            "https://Shop.example/?a=1#b",
            "https://shop.example:443",
        ] {
            assert_eq!(of(Platform::WooCommerce, text).unwrap(), "https://shop.example/");
        }
        assert_eq!(
            of(Platform::WooCommerce, "https://x.example/wp//").unwrap(),
            "https://x.example/wp/"
        );
        assert_eq!(
            of(Platform::Shopify, "a.myshopify.com/admin").unwrap(),
            "https://a.myshopify.com/"
        );
        for bad in [
            "http://shop.example",
            "https://127.0.0.1/",
            "https://a:b@shop.example",
            "ftp://shop.example",
            "",
            "localhost",
        ] {
            assert!(of(Platform::WooCommerce, bad).is_err(), "{bad}");
        }
        for bad in [
            "shop.example",
            "myshopify.com",
            "a.b.myshopify.com",
            "a.myshopify.com.evil.example",
            ".myshopify.com",
        ] {
            assert!(of(Platform::Shopify, bad).is_err(), "{bad}");
        }
        let local = address(&guard(&["127.0.0.1:81"]), Platform::Shopify, "http://127.0.0.1:81").unwrap();
        assert_eq!(local.as_str(), "http://127.0.0.1:81/");
    }
}
