//! What is kept and told beside the answers: caches and queues in Redis, metrics, logs, and live events.
use domain::{
    jobs::Operator,
    tenancy::{self, NewCustomer, Scope},
};
use futures::StreamExt;
use poem::http::Method;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use testkit::{ADMIN_TOKEN, CRON_SECRET};
use tracing_subscriber::{filter::LevelFilter, prelude::*};

use super::{
    contract::CONTRACT,
    scene::{ORIGIN, OWN, SECRET, Scene, WORD, unlimited},
};
use crate::{
    app::{App, Call, Got},
    privacy::Lines,
};

/// Nothing here waits for a pace; only what never comes ends at this limit.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything in Redis: key and content as text.
async fn everything_in_redis(app: &App) -> Vec<(String, String)> {
    let mut redis = app.kit.redis().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    let mut all = Vec::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut redis).await.unwrap();
        let (read, rest): (&str, &[&str]) = match kind.as_str() {
            "string" => ("GET", &[]),
            "hash" => ("HGETALL", &[]),
            "list" => ("LRANGE", &["0", "-1"]),
            "set" => ("SMEMBERS", &[]),
            "zset" => ("ZRANGE", &["0", "-1", "WITHSCORES"]),
            "stream" => ("XRANGE", &["-", "+"]),
            // It has ended between the two looks.
            "none" => continue,
            other => panic!("{key} is a {other}"),
        };
        let content: redis::Value = redis::cmd(read)
            .arg(&key)
            .arg(rest)
            .query_async(&mut redis)
            .await
            .unwrap();
        all.push((key, format!("{kind} {content:?}")));
    }
    all
}

/// Secrets of both, and of the installation.
fn secrets(scene: &Scene) -> Vec<String> {
    let kit = &scene.app.kit;
    let more = [
        SECRET,
        OWN,
        WORD,
        ADMIN_TOKEN,
        CRON_SECRET,
        "mail.example",
        "shipping of the",
    ];
    let tokens = [
        &scene.app.key,
        &scene.app.other_key,
        &scene.visitor,
        &scene.other_visitor,
    ];
    let mut all: Vec<String> = more.iter().map(ToString::to_string).collect();
    all.extend(tokens.into_iter().cloned());
    all.push(kit.variables["ENCRYPTION_KEY"].clone());
    all
}

#[tokio::test]
async fn redis_holds_ids_and_sealed_answers_and_no_word_of_anybody() {
    let scene = Scene::start().await;
    let (app, mut redis) = (&scene.app, scene.app.kit.redis().await);
    while domain::jobs::relay(&app.kit.db, &mut redis).await.unwrap() > 0 {}
    let all = everything_in_redis(app).await;
    let has = |word: &str| all.iter().any(|(key, _)| key.contains(word));
    assert!(has("events") && has("answers") && has("queue:{"), "{all:?}");
    for (key, content) in &all {
        for secret in secrets(&scene) {
            assert!(
                !key.contains(&secret) && !content.to_lowercase().contains(&secret.to_lowercase()),
                "{secret} in {key}: {content}"
            );
        }
        let [mine, theirs] = [app.shop.id.to_string(), app.other.id.to_string()];
        for (owner, stranger) in [(&mine, &theirs), (&theirs, &mine)] {
            assert!(
                !(key.contains(owner) && content.contains(stranger)),
                "{key} of one holds the other: {content}"
            );
        }
    }
}

#[tokio::test]
async fn the_same_question_has_an_answer_of_its_own_for_each_customer_however_it_is_kept() {
    let app = App::start().await;
    app.kit.page(&app.shop, "Shipping", "Shipping costs 4.90 EUR.").await;
    app.kit.page(&app.other, "Shipping", "Shipping costs 9.70 EUR.").await;
    let question = json!({ "message": "How much does shipping cost?" });
    let ask = async |key: &str| app.post("/api/chat", &question).bearer(key).send().await.expect(200);
    for cached in [false, true, true] {
        for (key, own, foreign) in [(&app.key, "4.90", "9.70"), (&app.other_key, "9.70", "4.90")] {
            let answer = ask(key).await;
            let text = answer["answer"].as_str().unwrap();
            assert!(text.contains(own) && !answer.to_string().contains(foreign), "{answer}");
            assert_eq!(answer["cached"], cached, "{answer}");
        }
        // From Redis and the database, too, by a process that has nothing in memory.
        let fresh = api::Context::new(
            &app.kit.config,
            app.kit.db.clone(),
            app.kit.dispatcher.clone(),
            domain::retrieval::Searcher::new(app.kit.db.clone(), None)
                .await
                .unwrap(),
            app.life.clone(),
        );
        let endpoint = api::endpoint(fresh.await.unwrap());
        for (key, own, foreign) in [(&app.key, "4.90", "9.70"), (&app.other_key, "9.70", "4.90")] {
            let request = poem::Request::builder().method(Method::POST).uri_str("/api/chat");
            let request = request
                .content_type("application/json")
                .header("authorization", format!("Bearer {key}"));
            let answer = Box::pin(poem::Endpoint::get_response(
                &endpoint,
                request.body(question.to_string()),
            ))
            .await;
            let told = answer.into_body().into_string().await.unwrap();
            assert!(told.contains(own) && !told.contains(foreign), "{told}");
        }
    }
}

#[tokio::test]
async fn the_labels_of_metrics_are_few_and_name_verified_domains_only() {
    let mut app = unlimited().await;
    app.context = app.context.clone().with_metrics(api::install_metrics().unwrap());
    let scene = Scene::of(app).await;
    claimed(&scene).await;
    for operation in &CONTRACT.operations {
        let url = operation.url(&operation.unknown());
        let call = scene.app.call(operation.method.clone(), &url).json(&operation.body());
        drop(call.bearer(&scene.app.key).open().await);
    }
    let strange = scene
        .app
        .get(&format!("/api/{SECRET}/{}", scene.app.other.id))
        .header("host", SECRET);
    strange.send().await;
    let endpoint = api::endpoint(scene.app.context.clone());
    let request = poem::Request::builder()
        .uri_str("/api/metrics")
        .header("authorization", format!("Bearer {ADMIN_TOKEN}"));
    let answer = Box::pin(poem::Endpoint::get_response(&endpoint, request.finish())).await;
    let told = answer.into_body().into_string().await.unwrap();
    let labels: BTreeSet<(&str, &str)> = told
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(labels)
        .collect();
    for named in ["shop.example", "unverified"] {
        assert!(labels.contains(&("domain", named)), "{labels:?}");
    }
    for (name, value) in &labels {
        if *name == "domain" {
            assert!(
                ["shop.example", "other.example", "unverified"].contains(value),
                "{value}"
            );
        }
        assert!(uuid_in(value).is_none() && !value.contains('@'), "{name}={value}");
        for secret in secrets(&scene) {
            assert!(!value.contains(&secret), "{name}={value}");
        }
    }
}

/// A customer of a name that it has not proved asks by its key.
async fn claimed(scene: &Scene) {
    let kit = &scene.app.kit;
    let new = NewCustomer {
        name: "Claims".into(),
        domain: "famous.example".parse().unwrap(),
        vouched: false,
    };
    let customer = tenancy::create(&kit.db, &new, Operator::named("test")).await.unwrap();
    let key = kit.key(&customer, &[Scope::Chat]).await;
    let question = json!({ "message": "How much does shipping cost?" });
    scene
        .app
        .post("/api/chat", &question)
        .bearer(&key)
        .send()
        .await
        .expect(200);
}

/// Names and values of a line of Prometheus' text format. None of our values has a quote in it.
fn labels(line: &str) -> Vec<(&str, &str)> {
    let braced = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
    let inner = braced.map_or("", |(inner, _)| inner);
    inner
        .split("\",")
        .filter_map(|label| label.trim_end_matches('"').split_once("=\""))
        .collect()
}

fn uuid_in(text: &str) -> Option<&str> {
    text.split(|c: char| c != '-' && !c.is_ascii_alphanumeric())
        .find(|part| part.parse::<uuid::Uuid>().is_ok() && part.len() > 30)
}

/// Everything runs on this thread, so that every line passes by.
#[tokio::test]
async fn no_credential_or_word_of_anybody_is_in_a_log_at_any_level() {
    let lines = Lines::default();
    let json = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(lines.clone())
        .with_filter(LevelFilter::TRACE);
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(json));
    let scene = Scene::start().await;
    for operation in &CONTRACT.operations {
        let url = operation.url(&operation.unknown());
        for token in [
            &scene.app.key,
            &scene.other_visitor,
            &format!("{}x", scene.app.other_key),
            ADMIN_TOKEN,
            CRON_SECRET,
        ] {
            let call = scene.app.call(operation.method.clone(), &url).json(&operation.body());
            drop(call.bearer(token).header("origin", ORIGIN).open().await);
        }
    }
    let text = lines.text();
    assert!(text.lines().count() > CONTRACT.operations.len(), "the log is kept");
    for secret in secrets(&scene) {
        // Domains of customers may be named; what is asked, written, or presented may not.
        let line = text.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret}");
    }
}

/// Reads events until `last` is in one of them.
async fn read_until(call: Call<'_>, last: &str) -> Vec<(String, String, Value)> {
    let response = call.open().await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body().into_bytes_stream();
    let mut text = String::new();
    let read = async {
        while !(text.contains(last) && text.ends_with("\n\n")) {
            let piece = body.next().await.expect("the stream ended").unwrap();
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    };
    assert!(tokio::time::timeout(PATIENCE, read).await.is_ok(), "only: {text}");
    let got = Got {
        status: poem::http::StatusCode::OK,
        headers: poem::http::HeaderMap::new(),
        text,
    };
    got.events()
}

#[tokio::test]
async fn a_follower_is_told_of_its_own_conversation_only_wherever_it_goes_on() {
    let scene = Scene::start().await;
    let app = &scene.app;
    let theirs = format!(
        "SELECT min(id) FROM conversation_events WHERE conversation_id = '{}'",
        scene.other_conversation
    );
    let theirs = scene.catalogue.count(&theirs).await;
    let of = |conversation: &str, what: &str| format!("/api/conversations/{conversation}/{what}");
    let follow = of(&scene.conversation, "events");
    for after in [0, theirs - 1, theirs] {
        let last = format!("the last word after {after}");
        let write = async {
            for (key, conversation, text) in [
                (
                    &app.other_key,
                    &scene.other_conversation,
                    format!("{SECRET} after {after}"),
                ),
                (&app.key, &scene.conversation, last.clone()),
            ] {
                let reply = json!({ "text": text, "take_over": true });
                app.post(&of(conversation, "messages"), &reply)
                    .bearer(key)
                    .send()
                    .await
                    .expect(201);
            }
        };
        let visitor = scene
            .as_visitor(Method::GET, &follow)
            .header("last-event-id", &after.to_string());
        let (told, ()) = tokio::join!(read_until(visitor, &last), write);
        let key = app
            .get(&follow)
            .bearer(&app.key)
            .header("last-event-id", &after.to_string());
        for events in [told, read_until(key, &last).await] {
            assert!(!events.is_empty());
            for (_, _, data) in events {
                assert_eq!(data["conversation_id"], scene.conversation, "{data}");
            }
        }
    }
}

#[tokio::test]
async fn a_follower_is_told_of_its_own_job_only_wherever_it_goes_on() {
    let scene = Scene::start().await;
    let app = &scene.app;
    let theirs = scene
        .catalogue
        .count(&format!(
            "SELECT min(id) FROM job_events WHERE job_id = '{}'",
            scene.other_job
        ))
        .await;
    let cancel = async |key: &str, job: &str| {
        let call = app.post(&format!("/api/jobs/{job}/cancel"), &Value::Null).bearer(key);
        call.send().await.expect(200);
    };
    let follow = format!("/api/jobs/{}/events", scene.job);
    let follower = |after: i64| {
        let call = app.get(&follow).bearer(&app.key);
        call.header("last-event-id", &after.to_string())
    };
    let write = async {
        cancel(&app.other_key, &scene.other_job).await;
        cancel(&app.key, &scene.job).await;
    };
    let (live, ()) = tokio::join!(read_until(follower(0), "cancelled"), write);
    let mut told = vec![live];
    for after in [theirs - 1, theirs] {
        told.push(follower(after).send().await.events());
    }
    for events in told {
        assert!(!events.is_empty());
        for (_, _, data) in events {
            assert_eq!(data["job_id"], scene.job, "{data}");
        }
    }
}
