//! Crawls that come back: the customer's list, and the outside scheduler.
use poem::http::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use testkit::{ADMIN_TOKEN, CRON_SECRET};

use crate::app::{App, Got};

async fn put(app: &App, key: &str, schedules: &Value) -> Got {
    let call = app.call(Method::PUT, "/api/schedules");
    call.json(&json!({ "schedules": schedules })).bearer(key).send().await
}

async fn get(app: &App, key: &str) -> Value {
    app.get("/api/schedules").bearer(key).send().await.expect(200)
}

fn nightly() -> Value {
    json!({ "name": "nightly", "cron": "0 3 * * *", "time_zone": "Europe/Berlin",
        "scrape": { "url": "https://shop.example/", "max_pages": 50, "exclude": ["/cart"], "off_peak": "22:00-06:00" } })
}

#[tokio::test]
async fn a_customer_replaces_and_reads_its_schedules() {
    let app = App::start().await;
    assert_eq!(get(&app, &app.key).await, json!({ "items": [], "next_cursor": null }));
    let weekly = json!({ "name": "weekly", "cron": "0 4 * * MON", "enabled": false, "scrape": { "url": "https://shop.example/", "full": true } });
    let made = put(&app, &app.key, &json!([nightly(), weekly])).await.expect(200);
    assert_eq!(get(&app, &app.key).await, made);
    let (nightly, weekly) = (&made["items"][0], &made["items"][1]);
    assert_eq!(
        (&nightly["time_zone"], &weekly["time_zone"]),
        (&json!("Europe/Berlin"), &json!("UTC"))
    );
    assert!(nightly["next_run_at"].is_string() && weekly["next_run_at"].is_null());
    let scrape = json!({ "url": "https://shop.example/", "mode": "auto", "max_pages": 50, "max_depth": 20, "include": [],
        "exclude": ["/cart"], "full": false, "max_mb": null, "max_minutes": null, "off_peak": "22:00-06:00" });
    assert_eq!(nightly["scrape"], scrape);
    assert_eq!(get(&app, &app.other_key).await["items"], json!([]));
    assert_eq!(put(&app, &app.key, &json!([])).await.expect(200)["items"], json!([]));
    let audited = "SELECT count(*) FROM audit_logs WHERE action = 'schedules.replaced' AND actor LIKE 'key:%'";
    assert_eq!(app.kit.count(audited).await, 2);
}

#[tokio::test]
async fn what_breaks_a_rule_is_named() {
    let app = App::start().await;
    let with = |field: &str, value: Value| {
        let mut schedule = nightly();
        schedule[field] = value;
        json!([schedule])
    };
    let wrong = [
        (with("cron", json!("* * * * *")), "schedules[0].cron"),
        (with("cron", json!("tomorrow at nine")), "schedules[0].cron"),
        (with("time_zone", json!("Berlin")), "schedules[0].time_zone"),
        (
            with("scrape", json!({ "url": "https://other.example/" })),
            "schedules[0].scrape.url",
        ),
        (json!([nightly(), nightly()]), "schedules[1].name"),
        (Value::Array((0..21).map(|_| nightly()).collect()), "schedules"),
        (with("secret", json!(1)), "schedules[0].secret"),
        (with("scrape", json!({ "max_pages": 1 })), "schedules[0].scrape.url"),
        (
            with("scrape", json!({ "url": "https://shop.example/", "max_pages": 0 })),
            "schedules[0].scrape.max_pages",
        ),
        (
            with(
                "scrape",
                json!({ "url": "https://shop.example/", "off_peak": "at night" }),
            ),
            "schedules[0].scrape.off_peak",
        ),
    ];
    for (list, field) in wrong {
        let refused = put(&app, &app.key, &list).await;
        assert_eq!(refused.problem(400), "invalid_request");
        let named = refused.expect(400)["errors"][0]["field"].clone();
        assert_eq!(named, field, "{}", refused.text);
    }
    assert_eq!(get(&app, &app.key).await["items"], json!([]));
}

#[tokio::test]
async fn an_outside_scheduler_starts_what_is_due_with_the_cron_secret() {
    let app = App::start().await;
    put(&app, &app.key, &json!([nightly()])).await.expect(200);
    let fire = async |secret: &str| {
        app.post("/api/scrape/scheduled", &Value::Null)
            .bearer(secret)
            .send()
            .await
    };
    assert_eq!(
        fire(CRON_SECRET).await.expect(202),
        json!({ "jobs": [] }),
        "it is not time"
    );
    let tx = app.kit.db.system().await.unwrap();
    let due = "UPDATE schedules SET next_run_at = now() - interval '1 minute'";
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, due))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    for (secret, status, code) in [
        ("wrong", 401, "invalid_credential"),
        (ADMIN_TOKEN, 403, "cron_only"),
        (&app.key, 403, "cron_only"),
    ] {
        assert_eq!(fire(secret).await.problem(status), code);
    }
    let jobs = fire(CRON_SECRET).await.expect(202)["jobs"].clone();
    let job = jobs[0].as_str().unwrap();
    let read = app
        .get(&format!("/api/jobs/{job}"))
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!((&read["kind"], &read["state"]), (&json!("scrape"), &json!("queued")));
    assert_eq!(fire(CRON_SECRET).await.expect(202), json!({ "jobs": [] }));
    assert_eq!(get(&app, &app.key).await["items"][0]["last_job_id"], job);
    assert_eq!(
        app.get("/api/jobs").bearer(CRON_SECRET).send().await.problem(401),
        "invalid_credential"
    );
}

/// A handler's caller waits, and so does everybody whose connection to the database it holds.
#[tokio::test]
async fn a_statement_that_hangs_ends_and_its_caller_is_told() {
    let app = App::start().await;
    let tx = app.kit.db.system().await.unwrap();
    let hold = "LOCK TABLE schedules IN ACCESS EXCLUSIVE MODE";
    ConnectionTrait::execute_unprepared(&*tx, hold).await.unwrap();
    let got = app.get("/api/schedules").bearer(&app.key).send().await;
    assert_eq!(got.problem(503), "database_timeout");
    drop(tx);
    app.get("/api/schedules").bearer(&app.key).send().await.expect(200);
}
