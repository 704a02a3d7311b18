//! The audit log: who did what, when and from where. A line is written in the transaction of the deed, and never changed afterwards.
//!
//! ```text
//! record ─▶ audit_logs ◀── list
//!               │ a worker, seconds later
//!             chain ─▶ audit_chain ◀── verify
//!           retention ─▶ a signed checkpoint in the place of what is too old
//! ```
//!
//! What must stay true: a deed and its line are committed together; a line holds neither secrets nor personal data, so that no
//! erasure has to touch it; the database alone can't make a link of the chain.
mod chain;
mod list;
mod retention;
mod verify;

use sea_orm::ConnectionTrait;
use serde_json::Value;
use uuid::Uuid;

pub use chain::{Head, seal};
pub use list::{Filter, list};
pub use retention::purge;
pub use verify::{Verdict, verify, verify_newest};

use crate::{
    Result,
    tenancy::{Db, sql},
};

/// One deed.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The customer it concerns; none for the installation's own.
    pub customer: Option<Uuid>,
    /// Who: `admin`, `user:<id>`, `key:<id>`, `schedule:<id>`, `cron`, `cli`, `visitor`, `system`.
    pub actor: &'a str,
    /// What, as `noun.verb`: `key.created`, `scrape.started`.
    pub action: &'a str,
    /// On what: usually an id.
    pub resource: &'a str,
    /// Details without secrets or personal data; what was changed as `changes` ([`changes`]).
    pub metadata: Value,
    /// From where, when it is known.
    pub ip: Option<&'a str>,
}

tokio::task_local! {
    static REQUEST: String;
}

/// Does `work` for the request with this id, which its lines will have.
pub async fn of_request<F: Future>(id: &str, work: F) -> F::Output {
    REQUEST.scope(id.to_owned(), work).await
}

/// Writes one line.
pub async fn record(tx: &impl ConnectionTrait, entry: Entry<'_>) -> Result<()> {
    const INSERT: &str = "INSERT INTO audit_logs (customer_id, actor, action, resource, metadata, ip, request_id, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())";
    let request = REQUEST.try_with(Clone::clone).ok();
    let values = [
        entry.customer.into(),
        entry.actor.into(),
        entry.action.into(),
        entry.resource.into(),
        entry.metadata.into(),
        entry.ip.into(),
        request.into(),
    ];
    tx.execute_raw(sql(INSERT, values)).await?;
    Ok(())
}

/// Writes one line about something that changes no row: a look, a refusal.
pub async fn note(db: &Db, entry: Entry<'_>) -> Result<()> {
    let tx = db.system().await?;
    record(&*tx, entry).await?;
    tx.commit().await
}

/// What is different between two objects: `{"field": {"from": …, "to": …}}`. Long values are cut and
/// addresses left out: the log says that they changed.
pub fn changes(before: &Value, after: &Value) -> Value {
    let none = serde_json::Map::new();
    let (before, after) = (before.as_object().unwrap_or(&none), after.as_object().unwrap_or(&none));
    let names = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)));
    let differ = names.filter(|name| before.get(*name) != after.get(*name));
    differ
        .map(|name| {
            let told = serde_json::json!({ "from": short(before.get(name)), "to": short(after.get(name)) });
            (name.clone(), told)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Longest text that stands in a line.
const LONGEST: usize = 200;

fn short(value: Option<&Value>) -> Value {
    match value {
        None => Value::Null,
        // An address is somebody's.
        Some(value) if value.to_string().contains('@') => "…".into(),
        Some(Value::String(text)) if text.chars().count() > LONGEST => {
            format!("{}…", text.chars().take(LONGEST).collect::<String>()).into()
        }
        Some(Value::Object(_) | Value::Array(_)) => {
            let text = value.map(Value::to_string).unwrap_or_default();
            if text.len() > LONGEST {
                "…".into()
            } else {
                value.cloned().unwrap_or_default()
            }
        }
        Some(value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_name_what_is_different_and_nothing_else() {
        let before = json!({ "tone": "warm", "name": "A", "gone": 1, "list": [1] });
        let after =
            json!({ "tone": "brief", "name": "A", "new": true, "mail": { "to": "a@b.example" }, "list": vec![1; 200] });
        let told = json!({
            "tone": { "from": "warm", "to": "brief" }, "gone": { "from": 1, "to": null },
            "new": { "from": null, "to": true }, "mail": { "from": null, "to": "…" }, "list": { "from": [1], "to": "…" },
        });
        assert_eq!(changes(&before, &after), told);
        let long = json!({ "greeting": "x".repeat(1000) });
        assert!(changes(&json!({}), &long).to_string().len() < 300);
    }
}
