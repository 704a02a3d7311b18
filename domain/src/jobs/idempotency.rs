//! Requests that make work and may be sent twice: the same `Idempotency-Key` gives the same answer for a day.
//!
//! [`replay`] and [`remember`] belong to the transaction that makes the work. An answer is kept as ids, never as what was told: it is
//! told anew, so that nothing of anybody is held here. A second request with the key waits in [`replay`] for the first
//! one's transaction, and then finds its answer, or the key free again if that one failed.
use sea_orm::ConnectionTrait;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::{
    Error, Result,
    error::Kind,
    secrets,
    tenancy::{TenantTx, sql},
};

/// What a request asks for, in short: the call and its body as it was sent. A later build that knows more fields makes the same of it, so that a
/// request which is repeated during an upgrade is known again.
pub fn request_hash(call: &str, body: &Value) -> Vec<u8> {
    secrets::sha256(format!("{call}\n{}", plain(body)).as_bytes())
}

/// Names in order, and none without a value.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !value.is_null());
            let sorted: BTreeMap<_, _> = given.map(|(name, value)| (name.clone(), plain(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// The answer that this key was given before; none if the key is new, which reserves it for this transaction. A key that was
/// used for something else is refused.
pub async fn replay(tx: &TenantTx, key: &str, request: &[u8]) -> Result<Option<Value>> {
    const FORGET: &str =
        "DELETE FROM idempotency_keys WHERE customer_id = $1 AND key = $2 AND created_at < now() - interval '24 hours'";
    const RESERVE: &str =
        "INSERT INTO idempotency_keys (customer_id, key, request_hash, answer) VALUES ($1, $2, $3, 'null')
        ON CONFLICT (customer_id, key) DO NOTHING";
    tx.execute_raw(sql(FORGET, [tx.customer().into(), key.into()])).await?;
    let values = [tx.customer().into(), key.into(), request.to_vec().into()];
    if tx.execute_raw(sql(RESERVE, values)).await?.rows_affected() == 1 {
        return Ok(None);
    }
    let answer = answered(tx, key, request).await?;
    let busy = || Error::conflict("idempotency_key_busy", "the key has just ended; try again");
    Ok(Some(answer.ok_or_else(busy)?))
}

/// The answer that this key was given before, without reserving it: for what must be done before the transaction that makes the work.
pub async fn answered(tx: &TenantTx, key: &str, request: &[u8]) -> Result<Option<Value>> {
    const FIND: &str = "SELECT request_hash, answer FROM idempotency_keys
        WHERE customer_id = $1 AND key = $2 AND created_at >= now() - interval '24 hours'";
    let row = tx.query_one_raw(sql(FIND, [tx.customer().into(), key.into()])).await?;
    let Some(row) = row else { return Ok(None) };
    if row.try_get::<Vec<u8>>("", "request_hash")? != request {
        let message = "this Idempotency-Key was used for another request";
        return Err(Error::new(Kind::Mismatch, "idempotency_key_reused", message));
    }
    Ok(Some(row.try_get("", "answer")?))
}

/// Keeps the answer of the key that [`replay`] has reserved.
pub async fn remember(tx: &TenantTx, key: &str, answer: &Value) -> Result<()> {
    let update = "UPDATE idempotency_keys SET answer = $3 WHERE customer_id = $1 AND key = $2";
    tx.execute_raw(sql(update, [tx.customer().into(), key.into(), answer.clone().into()]))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_request_is_known_again_however_it_is_written() {
        let hash = |body: &str| request_hash("scrape", &serde_json::from_str(body).unwrap());
        let first = hash(r#"{"url": "https://a.example/", "include": ["a", "b"]}"#);
        assert_eq!(
            first,
            hash(r#"{"include":["a","b"],"max_pages":null,"url":"https://a.example/"}"#)
        );
        assert_ne!(first, hash(r#"{"url": "https://a.example/", "include": ["b", "a"]}"#));
        assert_ne!(
            first,
            request_hash("embed", &json!({ "url": "https://a.example/", "include": ["a", "b"] }))
        );
    }
}
