//! Requests that come twice, by every POST of the contract: one that takes an `Idempotency-Key` is answered alike and has one effect, and
//! one that makes jobs takes it.
use poem::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::Catalogue;

use super::{
    contract::{CONTRACT, Operation},
    deeds::Deeds,
};
use crate::app::{App, Got};

const HEADER: &str = "Idempotency-Key";

/// Calls that make jobs and take no key, each for its reason.
const WITHOUT: [(&str, &str); 4] = [
    (
        "scrape_scheduled",
        "a time that has come is run once, whoever asks for it",
    ),
    (
        "ask_for_human",
        "asked again, nobody is told again; its jobs tell people and webhooks",
    ),
    (
        "close_conversation",
        "closed again, it is as it was; its jobs tell webhooks",
    ),
    (
        "rate_message",
        "the same rating again is the same; its jobs tell webhooks",
    ),
];

/// What changes with every request, or by itself.
const RESTLESS: [&str; 1] = ["api_keys"];

fn takes_a_key(operation: &Operation) -> bool {
    operation
        .parameters
        .iter()
        .any(|p| p.place == "header" && p.name == HEADER)
}

#[tokio::test]
async fn what_takes_a_key_has_one_effect_and_what_makes_jobs_takes_one() {
    let mut deeds = Deeds::start().await;
    let (mut once, mut making) = (BTreeSet::new(), BTreeSet::new());
    let posts = Deeds::by_turns().into_iter().filter(|call| call.method == Method::POST);
    for operation in posts {
        deeds.prepare(operation).await;
        let jobs = jobs(deeds.app()).await;
        let key = format!("once-{}", operation.id);
        let got = send(&deeds, operation, &key).await;
        assert!(got.status.is_success(), "{}: {}", operation.id, got.text);
        deeds.made(operation, &got);
        if takes_a_key(operation) {
            once.insert(operation.id.as_str());
            assert_repeats(&deeds, operation, &key, &got).await;
        } else if self::jobs(deeds.app()).await > jobs {
            making.insert(operation.id.as_str());
        }
    }
    let wanted = CONTRACT.operations.iter().filter(|operation| takes_a_key(operation));
    assert_eq!(once, wanted.map(|operation| operation.id.as_str()).collect());
    let reviewed: BTreeSet<&str> = WITHOUT.iter().map(|(call, _)| *call).collect();
    assert_eq!(
        making, reviewed,
        "calls that make jobs without taking a key, and those that are known as such"
    );
}

/// The same again is answered alike and changes nothing; another request with the key is refused.
async fn assert_repeats(deeds: &Deeds, operation: &Operation, key: &str, first: &Got) {
    let before = effects(deeds, operation).await;
    let again = send(deeds, operation, key).await;
    assert_eq!(again.status, first.status, "{}: {}", operation.id, again.text);
    assert_eq!(told(operation, &again), told(operation, first), "{}", operation.id);
    assert_eq!(
        effects(deeds, operation).await,
        before,
        "{} had an effect twice",
        operation.id
    );
    let other = match operation.id.as_str() {
        "run_golden" => deeds.app().post("/api/embed", &json!({ "all": true })),
        _ => deeds.app().post("/api/golden/run", &Value::Null),
    };
    let other = other.bearer(&deeds.app().key).header(HEADER, key).send().await;
    assert_eq!(other.problem(422), "idempotency_key_reused", "{}", operation.id);
}

async fn send(deeds: &Deeds, operation: &Operation, key: &str) -> Got {
    let (_, call) = deeds.call(operation);
    call.header(HEADER, key).send().await
}

/// The answer without what says how things stand now.
fn told(operation: &Operation, got: &Got) -> Value {
    let mut told: Value = serde_json::from_str(&got.text).unwrap_or_default();
    if let Some(told) = told.as_object_mut() {
        told.retain(|name, _| !["dispatch", "state"].contains(&name.as_str()));
    }
    if operation.id == "export_person" {
        // A copy is kept nowhere: it is made again, and tells of the first.
        return json!([told["schema"], told["customer"], told["subject_kind"], told["sessions"]]);
    }
    told
}

async fn jobs(app: &App) -> i64 {
    app.kit.count("SELECT count(*) FROM jobs").await
}

/// What the customer has. A copy that is handed out again is noted again.
async fn effects(deeds: &Deeds, operation: &Operation) -> Vec<(String, String)> {
    let noted = |table: &str| operation.id == "export_person" && table == "audit_logs";
    let catalogue: &Catalogue = &deeds.scene.catalogue;
    let digests = catalogue.digests(Some(deeds.app().shop.id)).await;
    digests
        .into_iter()
        .filter(|(table, _)| !RESTLESS.contains(&table.as_str()) && !noted(table))
        .collect()
}
