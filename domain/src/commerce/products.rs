//! Products as typed rows, and their pages in the index.
//!
//! A product has a page of its own where no crawl has written the one at its address: that page is made of what the shop says,
//! and goes with the product. A page that a crawl has written stays as it is, and prices and stock are answered from the product's row
//! all the same: the two are tied by their address. Only addresses on the shop's host or on one of the customer's become pages.
use ::commerce::{Entry, Product as Read};
use entity::store_connection::Model;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use url::Url;
use uuid::Uuid;

use super::page;
use crate::{
    Result, ids,
    jobs::{self, Submitted},
    pages::{
        index,
        record::{self, NewPage, Prepared},
        request::request_embed,
        store::Change,
        twins,
    },
    secrets,
    tenancy::{HostName, TenantTx, sql},
};

/// Longest name and number that are kept, in characters; shops have longer ones only by mistake.
const NAME: usize = 500;
/// Longest address of a page or picture, in bytes.
const ADDRESS: usize = 2000;

/// What storing some products changed.
#[derive(Debug, Default)]
pub struct Saved {
    /// Products that were not known, or came back.
    pub new: i64,
    /// Products of which something differs.
    pub changed: i64,
    /// Products that are not shown any more.
    pub gone: i64,
    /// Jobs that make the changed pages searchable, for [`crate::jobs::Dispatcher::dispatch`].
    pub jobs: Vec<Submitted>,
}

/// A row that was written.
struct Written {
    id: Uuid,
    new: bool,
    changed: bool,
    page_hash: Option<Vec<u8>>,
}

/// Stores what a shop says of products, as the newest that is known of each: an older state does not replace a newer one. `sweep` is the full
/// sync that met them.
pub async fn save(tx: &TenantTx, connection: &Model, entries: &[Entry], sweep: Option<Uuid>) -> Result<Saved> {
    let mut shown: Vec<&Read> = Vec::new();
    let mut hidden: Vec<String> = Vec::new();
    let mut met = HashSet::new();
    for entry in entries.iter().filter(|entry| met.insert(entry.id().to_owned())) {
        match entry {
            Entry::Shown(product) => shown.push(product),
            Entry::Hidden(id) => hidden.push(id.clone()),
        }
    }
    // Before any row, as everybody who changes pages.
    if hidden.is_empty() {
        index::change(tx).await?;
    } else {
        index::rearrange(tx).await?;
    }
    let hosts = hosts(tx, connection).await?;
    let written = upsert(tx, connection, &shown, &hosts, sweep).await?;
    let of = |product: &Read| written.get(&product.id).filter(|row| row.changed);
    let changed: Vec<(&Read, &Written)> = shown
        .iter()
        .filter_map(|product| Some((*product, of(product)?)))
        .collect();
    replace_variants(tx, &changed).await?;
    let jobs = write_pages(tx, &changed, &hosts).await?;
    let new = changed.iter().filter(|(_, row)| row.new).count() as i64;
    let saved = Saved {
        new,
        changed: changed.len() as i64 - new,
        gone: retire(tx, connection.id, &hidden).await?,
        jobs,
    };
    if saved.new + saved.changed + saved.gone > 0 {
        index::bump_version(tx).await?;
    }
    Ok(saved)
}

/// Hosts whose pages may be a product's: the shop's, and the customer's.
async fn hosts(tx: &TenantTx, connection: &Model) -> Result<HashSet<String>> {
    const FIND: &str = "SELECT host FROM customer_domains WHERE customer_id = $1";
    let rows = tx.query_all_raw(sql(FIND, [tx.customer().into()])).await?;
    let mut hosts: HashSet<String> = rows
        .iter()
        .map(|row| row.try_get("", "host"))
        .collect::<Result<_, _>>()?;
    let own = Url::parse(&connection.address).ok().and_then(|url| HostName::of(&url));
    hosts.extend(own.map(|host| host.to_string()));
    Ok(hosts)
}

/// The address of a product's page, in the crawl's own spelling, if it may be one.
fn address(product: &Read, hosts: &HashSet<String>) -> Option<String> {
    let url = extract::url::normalize(product.url.as_ref()?);
    let host = HostName::of(&url)?;
    (hosts.contains(host.as_str()) && url.as_str().len() <= ADDRESS).then(|| url.to_string())
}

fn cut(text: &str) -> String {
    text.replace('\0', "").chars().take(NAME).collect()
}

fn picture(product: &Read) -> Option<&str> {
    let image = product.image.as_ref()?.as_str();
    (image.len() <= ADDRESS).then_some(image)
}

fn row(product: &Read, hosts: &HashSet<String>) -> Value {
    let attributes: Vec<Value> = product
        .attributes
        .iter()
        .map(|(name, values)| json!({ "name": cut(name), "values": values.iter().map(|v| cut(v)).collect::<Vec<_>>() }))
        .collect();
    json!({
        "id": ids::new_id(), "external_id": product.id, "name": cut(&product.name), "sku": product.sku.as_deref().map(cut),
        "url": address(product, hosts), "image": picture(product), "price": product.price, "price_high": product.price_high,
        "currency": product.currency.as_deref().map(cut), "availability": product.availability.as_str(), "stock": product.stock,
        "attributes": attributes, "modified": product.modified,
        // All that is known of it: what differs in nothing is left alone.
        "hash": hex::encode(secrets::sha256(format!("{:?} {:?}", Read { modified: None, ..product.clone() }, address(product, hosts)).as_bytes())),
    })
}

/// Writes the rows; returns them by the shop's ids, without those of which something newer is known.
async fn upsert(
    tx: &TenantTx,
    connection: &Model,
    products: &[&Read],
    hosts: &HashSet<String>,
    sweep: Option<Uuid>,
) -> Result<HashMap<String, Written>> {
    const UPSERT: &str = "
        WITH input AS MATERIALIZED (
          SELECT i.*, decode(i.hash, 'hex') AS data_hash FROM jsonb_to_recordset($3) AS i (id uuid, external_id text, name text, sku text, url text,
            image text, price numeric, price_high numeric, currency text, availability text, stock bigint, attributes jsonb, modified text, hash text)),
        before AS MATERIALIZED (
          SELECT p.external_id, p.data_hash, p.deleted_at FROM products p
          WHERE p.connection_id = $2 AND p.external_id = ANY (ARRAY(SELECT external_id FROM input))),
        saved AS (
          INSERT INTO products AS p (id, customer_id, connection_id, external_id, name, sku, url, image, price, price_high, currency, availability,
            stock, attributes, modified, data_hash, seen_job)
          SELECT id, $1, $2, external_id, name, sku, url, image, price, price_high, currency, availability, stock, attributes, modified, data_hash, $4
          FROM input ORDER BY external_id
          ON CONFLICT (connection_id, external_id) DO UPDATE SET name = excluded.name, sku = excluded.sku, url = excluded.url, image = excluded.image,
            price = excluded.price, price_high = excluded.price_high, currency = excluded.currency, availability = excluded.availability,
            stock = excluded.stock, attributes = excluded.attributes, modified = excluded.modified, data_hash = excluded.data_hash,
            seen_job = coalesce(excluded.seen_job, p.seen_job), deleted_at = NULL,
            updated_at = CASE WHEN p.data_hash = excluded.data_hash AND p.deleted_at IS NULL THEN p.updated_at ELSE now() END
          WHERE coalesce(excluded.modified COLLATE \"C\" >= p.modified COLLATE \"C\", true)
          RETURNING p.id, p.external_id, p.page_hash)
        SELECT s.*, b.external_id IS NULL OR b.deleted_at IS NOT NULL AS new,
          coalesce(b.deleted_at IS NOT NULL OR b.data_hash <> i.data_hash, true) AS changed
        FROM saved s JOIN input i USING (external_id) LEFT JOIN before b USING (external_id)";
    if products.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Value = products.iter().map(|product| row(product, hosts)).collect();
    let values = [tx.customer().into(), connection.id.into(), rows.into(), sweep.into()];
    let mut written = HashMap::new();
    for row in tx.query_all_raw(sql(UPSERT, values)).await? {
        let found = Written {
            id: row.try_get("", "id")?,
            new: row.try_get("", "new")?,
            changed: row.try_get("", "changed")?,
            page_hash: row.try_get("", "page_hash")?,
        };
        written.insert(row.try_get("", "external_id")?, found);
    }
    Ok(written)
}

async fn replace_variants(tx: &TenantTx, products: &[(&Read, &Written)]) -> Result<()> {
    const DELETE: &str = "DELETE FROM product_variants WHERE customer_id = $1 AND product_id = ANY($2)";
    const INSERT: &str = "
        INSERT INTO product_variants (id, customer_id, product_id, external_id, name, options, sku, price, availability, stock)
        SELECT id, $1, product_id, external_id, name, options, sku, price, availability, stock FROM jsonb_to_recordset($2) AS i (id uuid, product_id uuid,
          external_id text, name text, options jsonb, sku text, price numeric, availability text, stock bigint) ON CONFLICT DO NOTHING";
    if products.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = products.iter().map(|(_, row)| row.id).collect();
    tx.execute_raw(sql(DELETE, [tx.customer().into(), ids.into()])).await?;
    let variants = products.iter().flat_map(|(product, row)| {
        product.variants.iter().map(|variant| {
            let words: Vec<String> = variant.options.iter().map(|(_, value)| cut(value)).collect();
            let options: Vec<Value> =
                variant.options.iter().map(|(name, value)| json!({ "name": cut(name), "value": cut(value) })).collect();
            json!({ "id": ids::new_id(), "product_id": row.id, "external_id": variant.id, "name": words.join(" / "), "options": options,
                "sku": variant.sku.as_deref().map(cut), "price": variant.price, "availability": variant.availability.as_str(), "stock": variant.stock })
        })
    });
    let variants: Value = variants.collect();
    tx.execute_raw(sql(INSERT, [tx.customer().into(), variants.into()]))
        .await?;
    Ok(())
}

/// Writes the pages that are the sync's to write, and has them made searchable where their text differs.
async fn write_pages(tx: &TenantTx, products: &[(&Read, &Written)], hosts: &HashSet<String>) -> Result<Vec<Submitted>> {
    const OTHERS: &str = "
        SELECT n.url FROM unnest($2::text[], $3::text[]) AS n (url, own) JOIN scraped_pages p ON p.customer_id = $1 AND p.url_hash = hash_url(n.url)
        WHERE encode(p.content_hash, 'hex') <> n.own OR p.retired_by IS NOT NULL OR p.tombstone = 'customer'";
    const KEEP: &str =
        "UPDATE products p SET page_hash = decode(n.hash, 'hex') FROM unnest($2::uuid[], $3::text[]) AS n (id, hash)
        WHERE p.customer_id = $1 AND p.id = n.id";
    let mut taken = HashSet::new();
    let mut pages: Vec<(&Written, Prepared)> = Vec::new();
    for (product, row) in products {
        if let Some(url) = address(product, hosts).filter(|url| taken.insert(url.clone())) {
            pages.push((row, page::of(product, &url).into()));
        }
    }
    if pages.is_empty() {
        return Ok(Vec::new());
    }
    let urls: Vec<String> = pages.iter().map(|(_, page)| page.url.clone()).collect();
    let own: Vec<String> = pages
        .iter()
        .map(|(row, _)| row.page_hash.as_deref().map(hex::encode).unwrap_or_default())
        .collect();
    let rows = tx
        .query_all_raw(sql(OTHERS, [tx.customer().into(), urls.into(), own.into()]))
        .await?;
    let others: HashSet<String> = rows
        .iter()
        .map(|row| row.try_get("", "url"))
        .collect::<Result<_, _>>()?;
    pages.retain(|(_, page)| !others.contains(&page.url));
    let new: Vec<NewPage<'_>> = pages.iter().map(|(_, page)| NewPage { page, lastmod: None }).collect();
    let stored = record::save_all(tx, &new).await?;
    let ids: Vec<Uuid> = pages.iter().map(|(row, _)| row.id).collect();
    let hashes: Vec<String> = pages.iter().map(|(_, page)| hex::encode(page.content_hash())).collect();
    tx.execute_raw(sql(KEEP, [tx.customer().into(), ids.into(), hashes.into()]))
        .await?;
    let differ = stored
        .iter()
        .filter(|page| matches!(page.change, Change::New | Change::Changed));
    let differ: Vec<Uuid> = differ.map(|page| page.id).collect();
    if differ.is_empty() {
        return Ok(Vec::new());
    }
    request_embed(tx, Some(&differ), jobs::BULK, false).await
}

/// How many products the shop shows.
pub async fn live(tx: &TenantTx, connection: Uuid) -> Result<i64> {
    const COUNT: &str =
        "SELECT count(*) AS n FROM products WHERE customer_id = $1 AND connection_id = $2 AND deleted_at IS NULL";
    let row = tx
        .query_one_raw(sql(COUNT, [tx.customer().into(), connection.into()]))
        .await?;
    Ok(row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default())
}

/// The shop's ids of products that this full sync has not met, after `after`, at most a hundred.
pub async fn unseen(tx: &TenantTx, connection: Uuid, sweep: Uuid, after: Option<&str>) -> Result<Vec<String>> {
    const FIND: &str = "
        SELECT external_id FROM products WHERE customer_id = $1 AND connection_id = $2 AND deleted_at IS NULL AND seen_job IS DISTINCT FROM $3
          AND ($4::text IS NULL OR external_id > $4) ORDER BY external_id LIMIT 100";
    let after = after.map(str::to_owned);
    let values = [tx.customer().into(), connection.into(), sweep.into(), after.into()];
    let rows = tx.query_all_raw(sql(FIND, values)).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "external_id"))
        .collect::<Result<_, _>>()?)
}

/// Notes that the shop does not show these products any more; returns how many it did.
pub async fn forget(tx: &TenantTx, connection: Uuid, external: &[String]) -> Result<i64> {
    index::rearrange(tx).await?;
    let gone = retire(tx, connection, external).await?;
    if gone > 0 {
        index::bump_version(tx).await?;
    }
    Ok(gone)
}

/// The same, once pages may be rearranged. The products' own pages go from answers at once, and for good with the nightly cleaning.
async fn retire(tx: &TenantTx, connection: Uuid, external: &[String]) -> Result<i64> {
    const PRODUCTS: &str = "
        UPDATE products SET deleted_at = now(), updated_at = now()
        WHERE customer_id = $1 AND connection_id = $2 AND external_id = ANY($3) AND deleted_at IS NULL RETURNING id";
    if external.is_empty() {
        return Ok(0);
    }
    let values = [tx.customer().into(), connection.into(), external.to_vec().into()];
    let rows = tx.query_all_raw(sql(PRODUCTS, values)).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    retire_pages(tx, &ids).await?;
    Ok(ids.len() as i64)
}

/// Takes the products' own pages out of answers; returns which these are.
async fn retire_pages(tx: &TenantTx, products: &[Uuid]) -> Result<Vec<Uuid>> {
    // In the order of their URLs, as everybody locks pages.
    const LOCK: &str = "
        SELECT p.id FROM scraped_pages p JOIN products o ON o.customer_id = $1 AND o.id = ANY($2) AND o.url_hash = p.url_hash AND o.page_hash = p.content_hash
        WHERE p.customer_id = $1 AND p.tombstoned_at IS NULL ORDER BY p.url_hash FOR UPDATE OF p";
    const RETIRE: &str = "
        WITH retired AS (UPDATE scraped_pages SET tombstoned_at = now(), tombstone = 'gone', duplicate_of = NULL WHERE id = ANY($1) RETURNING id)
        UPDATE page_embeddings c SET published = false FROM retired r WHERE c.page_id = r.id";
    let rows = tx
        .query_all_raw(sql(LOCK, [tx.customer().into(), products.to_vec().into()]))
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    if !ids.is_empty() {
        tx.execute_raw(sql(RETIRE, [ids.clone().into()])).await?;
        twins::settle(tx).await?;
    }
    Ok(ids)
}

/// Deletes all products of a shop with their own pages.
pub(super) async fn forget_all(tx: &TenantTx, connection: Uuid) -> Result<()> {
    const ALL: &str = "SELECT id FROM products WHERE customer_id = $1 AND connection_id = $2";
    const OWN: &str = "
        DELETE FROM scraped_pages p USING products o WHERE p.customer_id = $1 AND o.customer_id = $1 AND o.connection_id = $2
          AND o.url_hash = p.url_hash AND o.page_hash = p.content_hash AND p.tombstone IS DISTINCT FROM 'customer'";
    index::rearrange(tx).await?;
    let rows = tx
        .query_all_raw(sql(ALL, [tx.customer().into(), connection.into()]))
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    // Twins take over what is theirs before it goes.
    retire_pages(tx, &ids).await?;
    tx.execute_raw(sql(OWN, [tx.customer().into(), connection.into()]))
        .await?;
    index::bump_version(tx).await
}
