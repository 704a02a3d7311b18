//! A Redis that the operator requires, and that takes nothing: by every call of the contract that may change something.
use std::collections::BTreeSet;

use super::{contract::Operation, deeds::Deeds};
use crate::app::{App, Got};

/// Calls that make jobs all the same, each for its reason.
const OWED: [(&str, &str); 3] = [
    ("ask_for_human", "a visitor's call for help is kept, and told of later"),
    ("close_conversation", "it is closed; webhooks are told of it later"),
    ("rate_message", "it is rated; webhooks are told of it later"),
];

#[tokio::test]
async fn while_a_required_redis_is_full_no_call_makes_work() {
    let mut deeds = Deeds::with(&[("REQUIRE_REDIS", "true")]).await;
    let (mut making, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for operation in Deeds::by_turns() {
        deeds.prepare(operation).await;
        let before = live_jobs(deeds.app()).await;
        deeds.app().kit.fill_redis().await;
        let mut got = send(&deeds, operation).await;
        deeds.app().kit.relieve_redis().await;
        let made = live_jobs(deeds.app()).await > before;
        if got.status.as_u16() == 503 {
            assert_eq!(got.problem(503), "redis_unavailable", "{}", operation.id);
            assert!(!made, "{} has made work that it says is refused", operation.id);
            refused.insert(operation.id.as_str());
            got = send(&deeds, operation).await;
        } else if made {
            making.insert(operation.id.as_str());
        }
        assert!(got.status.is_success(), "{}: {}", operation.id, got.text);
        deeds.made(operation, &got);
    }
    let owed: BTreeSet<&str> = OWED.iter().map(|(call, _)| *call).collect();
    assert_eq!(making, owed, "calls that make work, and those that are known to");
    for call in [
        "scrape",
        "retry_job",
        "confirm_job",
        "replay_dead_letter",
        "replay_dead_letters",
        "replay_delivery",
    ] {
        assert!(refused.contains(call), "{call} is not refused");
    }
}

async fn send(deeds: &Deeds, operation: &Operation) -> Got {
    let (_, call) = deeds.call(operation);
    call.send().await
}

async fn live_jobs(app: &App) -> i64 {
    let live = "SELECT count(*) FROM jobs WHERE state IN ('scheduled', 'queued', 'running')";
    app.kit.count(live).await
}
