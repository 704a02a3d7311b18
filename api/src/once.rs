//! Requests with an `Idempotency-Key`, for handlers whose answer is read anew by an id: the same key makes one effect in a day, and the
//! same answer. What is kept is the id ([`domain::jobs::remember`]).
use domain::{
    Result,
    jobs::{answered, remember, replay, request_hash},
    tenancy::TenantTx,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// A request that may come twice; without a key every one is new.
pub struct Once<'a>(Option<(&'a str, Vec<u8>)>);

impl<'a> Once<'a> {
    /// `asked` is all that tells one request of the call from another: its path and body.
    pub fn of(key: Option<&'a str>, call: &str, asked: &Value) -> Self {
        Self(key.map(|key| (key, request_hash(call, asked))))
    }

    /// What the key's first request was about, if this is another one; otherwise the key belongs to the transaction.
    pub async fn before(&self, tx: &TenantTx) -> Result<Option<Uuid>> {
        match &self.0 {
            Some((key, hash)) => Ok(replay(tx, key, hash).await?.as_ref().and_then(id)),
            None => Ok(None),
        }
    }

    /// The same without a claim to the key, for what is asked of others before the transaction.
    pub async fn known(&self, tx: &TenantTx) -> Result<Option<Uuid>> {
        match &self.0 {
            Some((key, hash)) => Ok(answered(tx, key, hash).await?.as_ref().and_then(id)),
            None => Ok(None),
        }
    }

    /// Keeps what the request was about.
    pub async fn keep(&self, tx: &TenantTx, id: Uuid) -> Result<()> {
        match &self.0 {
            Some((key, _)) => remember(tx, key, &json!({ "id": id })).await,
            None => Ok(()),
        }
    }
}

fn id(answer: &Value) -> Option<Uuid> {
    answer["id"].as_str()?.parse().ok()
}
