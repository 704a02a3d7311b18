//! The queues for the operator: figures, controls and dead letters.
use poem::http::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::app::{App, Got};

async fn sql(app: &App, text: &str) {
    let tx = app.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, text))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn scrape(app: &App, path: &str) -> String {
    let site = json!({ "url": format!("https://shop.example/{path}") });
    let made = app.post("/api/scrape", &site).bearer(&app.key).send().await.expect(202);
    made["job_id"].as_str().unwrap().to_owned()
}

/// A crawl that used up its attempts.
async fn dead(app: &App, path: &str, code: &str) -> String {
    let id = scrape(app, path).await;
    let die = format!(
        "UPDATE jobs SET state = 'dead', attempts = 5, finished_at = now(),
           error = '{{\"code\": \"{code}\", \"message\": \"the site is busy\"}}' WHERE id = '{id}'"
    );
    sql(app, &die).await;
    id
}

async fn post(app: &App, path: &str, body: &Value) -> Got {
    app.post(path, body).admin().send().await
}

async fn stats(app: &App) -> Value {
    app.get("/api/queue/stats").admin().send().await.expect(200)
}

#[tokio::test]
async fn stats_tell_queues_customers_and_workers() {
    let app = App::start().await;
    let id = scrape(&app, "").await;
    scrape(&app, "more").await;
    sql(
        &app,
        &format!(
            "INSERT INTO workers (id, host, pid, version, alive_until) VALUES ('{0}', 'box', 77, '1.0', now() + interval '1 minute');",
            app.shop.id
        ),
    )
    .await;
    let run = format!(
        "UPDATE jobs SET state = 'running', worker_id = '{}', started_at = now() WHERE id = '{id}'",
        app.shop.id
    );
    sql(&app, &run).await;
    let seen = stats(&app).await;
    let queue = &seen["queues"][0];
    assert_eq!(queue["kind"], "scrape");
    let counts = ["depth", "scheduled", "retries", "running", "dead"].map(|name| queue[name].as_i64().unwrap());
    assert_eq!(counts, [1, 0, 0, 1, 0], "{queue}");
    assert_eq!(queue["lag"], json!({ "waiting": 0, "held": 0 }));
    assert_eq!(seen["express"], json!({ "waiting": 2, "held": 0 }));
    assert_eq!((&queue["paused"], &queue["max_running"]), (&json!(false), &Value::Null));
    assert_eq!(seen["lag_missing"], Value::Null);
    assert_eq!(seen["quarantine"], json!({ "waiting": 0, "held": 0 }));
    let customer = &seen["customers"][0];
    assert_eq!(
        (&customer["domain"], &customer["depth"]),
        (&json!("shop.example"), &json!(1))
    );
    let worker = &seen["workers"][0];
    let told = (
        &worker["host"],
        &worker["pid"],
        &worker["state"],
        &worker["running"][0]["job_id"],
    );
    assert_eq!(told, (&json!("box"), &json!(77), &json!("alive"), &json!(id)));

    let app = App::with(&[("REDIS_URL", "redis://127.0.0.1:1")]).await;
    let seen = stats(&app).await;
    assert_eq!(
        (&seen["queues"][0]["lag"], &seen["quarantine"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(seen["lag_missing"], "Redis does not answer");
}

#[tokio::test]
async fn a_queue_is_paused_limited_and_resumed() {
    let app = App::start().await;
    let paused = post(&app, "/api/queue/scrape/pause", &Value::Null).await.expect(200);
    assert_eq!((&paused["kind"], &paused["paused"]), (&json!("scrape"), &json!(true)));
    assert!(paused["paused_at"].is_string());
    scrape(&app, "").await;
    app.kit.dispatcher.tick().await.unwrap();
    assert_eq!(stats(&app).await["queues"][0]["lag"]["waiting"], 0);
    assert_eq!(stats(&app).await["queues"][0]["paused"], true);

    let limits = async |body: Value| {
        let call = app.call(Method::PUT, "/api/queue/scrape/limits");
        call.json(&body).admin().send().await
    };
    let set = limits(json!({ "max_running": 8, "max_running_per_customer": 2 }))
        .await
        .expect(200);
    assert_eq!(
        (&set["max_running"], &set["max_running_per_customer"]),
        (&json!(8), &json!(2))
    );
    let lifted = limits(json!({ "max_running": null })).await.expect(200);
    assert_eq!(
        (&lifted["max_running"], &lifted["max_running_per_customer"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        limits(json!({ "max_running": 0 })).await.problem(400),
        "invalid_request"
    );

    let resumed = post(&app, "/api/queue/scrape/resume", &Value::Null).await.expect(200);
    assert_eq!(
        (&resumed["paused"], &resumed["paused_at"]),
        (&json!(false), &Value::Null)
    );
    app.kit.dispatcher.tick().await.unwrap();
    assert_eq!(stats(&app).await["queues"][0]["lag"]["waiting"], 1);

    for path in ["/api/queue/scrapes/pause", "/api/queue/x/resume"] {
        assert_eq!(post(&app, path, &Value::Null).await.problem(404), "not_found");
    }
    let audited =
        "SELECT count(*) FROM audit_logs WHERE action LIKE 'queue.%' AND actor = 'admin' AND resource = 'scrape'";
    assert_eq!(app.kit.count(audited).await, 4);
}

#[tokio::test]
async fn dead_letters_are_listed_and_replayed() {
    let app = App::start().await;
    let busy = dead(&app, "busy", "http_503").await;
    let crashed = dead(&app, "crashed", "worker_crashed").await;
    let list = async |query: &str| {
        let path = format!("/api/queue/dead{query}");
        app.get(&path).admin().send().await
    };
    let all = list("?limit=1").await.expect(200);
    let letter = &all["items"][0];
    assert_eq!(
        (&letter["id"], &letter["error"]["code"]),
        (&json!(crashed), &json!("worker_crashed"))
    );
    let next = all["next_cursor"].as_str().unwrap();
    let rest = list(&format!("?limit=1&cursor={next}")).await.expect(200);
    let letter = &rest["items"][0];
    assert_eq!((&letter["id"], &rest["next_cursor"]), (&json!(busy), &Value::Null));
    let told = ["domain", "kind", "attempts"].map(|name| letter[name].clone());
    assert_eq!(told, [json!("shop.example"), json!("scrape"), json!(5)]);
    assert_eq!(letter["error"]["message"], "the site is busy");
    assert_eq!(list("?kind=embed").await.expect(200)["items"], json!([]));
    assert_eq!(list("?kind=odd").await.problem(400), "invalid_request");

    let again = post(&app, &format!("/api/queue/dead/{busy}/replay"), &Value::Null)
        .await
        .expect(200);
    assert_eq!((&again["state"], &again["attempts"]), (&json!("queued"), &json!(0)));
    let twice = post(&app, &format!("/api/queue/dead/{busy}/replay"), &Value::Null).await;
    assert_eq!(twice.problem(409), "job_not_dead");
    let unknown = post(&app, &format!("/api/queue/dead/{}/replay", app.shop.id), &Value::Null).await;
    assert_eq!(unknown.problem(404), "not_found");
}

#[tokio::test]
async fn what_is_crawled_again_already_is_neither_replayed_nor_retried() {
    let app = App::start().await;
    let old = dead(&app, "", "http_503").await;
    scrape(&app, "").await;
    let replay = post(&app, &format!("/api/queue/dead/{old}/replay"), &Value::Null).await;
    assert_eq!(replay.problem(409), "job_has_live_twin");
    let retry = app
        .post(&format!("/api/jobs/{old}/retry"), &Value::Null)
        .bearer(&app.key);
    assert_eq!(retry.send().await.problem(409), "job_has_live_twin");
}

#[tokio::test]
async fn many_dead_letters_are_replayed_by_rules() {
    let app = App::start().await;
    for n in 0..3 {
        dead(&app, &n.to_string(), "http_503").await;
    }
    dead(&app, "crashed", "worker_crashed").await;
    dead(&app, "twin", "http_503").await;
    scrape(&app, "twin").await;
    let replay = async |body: Value| post(&app, "/api/queue/dead/replay", &body).await;
    let rules = json!({ "kind": "scrape", "code": "http_503", "customer_id": app.shop.id, "limit": 2 });
    let some = replay(rules).await.expect(200);
    assert_eq!(some, json!({ "replayed": 2, "skipped": 1, "remaining": 2 }));
    let young = replay(json!({ "older_than": "2020-01-01T00:00:00Z" }))
        .await
        .expect(200);
    assert_eq!(young, json!({ "replayed": 0, "skipped": 0, "remaining": 0 }));
    let rest = replay(json!({})).await.expect(200);
    assert_eq!(rest, json!({ "replayed": 2, "skipped": 1, "remaining": 1 }));
    for wrong in [
        json!({ "limit": 1001 }),
        json!({ "kind": "odd" }),
        json!({ "all": true }),
    ] {
        assert_eq!(replay(wrong).await.problem(400), "invalid_request");
    }
}
