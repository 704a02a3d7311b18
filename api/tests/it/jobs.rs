//! Work in the background: asked for once, followed to its end, kept from others.
use domain::jobs::{self, Ask, Claim, Identity, JobError, Outcome};
use poem::http::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

use crate::app::{App, Got};

const LEASE: Duration = Duration::from_secs(30);

async fn scrape(app: &App, key: Option<&str>, body: &Value) -> Got {
    let call = app.post("/api/scrape", body).bearer(&app.key);
    match key {
        Some(key) => call.header("idempotency-key", key).send().await,
        None => call.send().await,
    }
}

fn site() -> Value {
    json!({ "url": "https://shop.example/", "max_pages": 5 })
}

/// Does what a worker does to a job.
async fn run(app: &App, job: Uuid, outcome: &Outcome) {
    let (db, worker) = (&app.kit.db, Identity::new("test", "0"));
    jobs::beat(db, &worker, LEASE, false).await.unwrap();
    let ask = Ask {
        job,
        quarantined: false,
    };
    let Some(Claim::Run(claimed)) = jobs::claim_all(db, worker.id, &[ask]).await.unwrap().pop() else {
        panic!("the job is not to be had");
    };
    jobs::settle(&app.kit.db, claimed.lease, outcome).await.unwrap();
}

fn job_id(body: &Value) -> Uuid {
    body["job_id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_crawl_is_accepted_recorded_and_told_where_to_look() {
    let app = App::start().await;
    let got = scrape(&app, None, &site()).await;
    let body = got.expect(202);
    assert_eq!(
        (&body["state"], &body["dispatch"], &body["fresh"]),
        (&json!("queued"), &json!("queued"), &json!(true))
    );
    let job = app
        .get(got.header("location"))
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(
        (&job["id"], &job["kind"], &job["attempts"]),
        (&body["job_id"], &json!("scrape"), &json!(0))
    );
    assert_eq!(job["start_url"], json!(site()["url"].as_str().unwrap()));
    let same = scrape(&app, None, &site()).await.expect(202);
    assert_eq!((&same["job_id"], &same["fresh"]), (&body["job_id"], &json!(false)));
    assert_eq!(
        app.kit
            .count("SELECT count(*) FROM audit_logs WHERE action = 'scrape.started'")
            .await,
        1
    );
    let list = app
        .get("/api/jobs?kind=scrape&state=queued")
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let foreign = scrape(&app, None, &json!({ "url": "https://other.example/" })).await;
    assert_eq!(foreign.problem(400), "invalid_request");
    let unknown = scrape(&app, None, &json!({ "url": "https://shop.example/", "depth": 3 }))
        .await
        .expect(400);
    assert_eq!(
        unknown["errors"],
        json!([{ "field": "depth", "reason": "is not known here" }])
    );
}

#[tokio::test]
async fn an_idempotency_key_gives_one_answer() {
    let app = App::start().await;
    let site = site();
    let calls = (0..5).map(|_| scrape(&app, Some("k1"), &site));
    let answers = futures::future::join_all(calls).await;
    let first = answers[0].expect(202);
    assert!(answers.iter().all(|a| a.expect(202)["job_id"] == first["job_id"]));
    run(&app, job_id(&first), &Outcome::Done(json!({}))).await;
    // Without the key this would be a new crawl, since the first has ended.
    assert_eq!(
        scrape(&app, Some("k1"), &site).await.expect(202)["job_id"],
        first["job_id"]
    );
    assert_eq!(app.kit.count("SELECT count(*) FROM jobs").await, 1);
    let other = json!({ "url": "https://shop.example/", "max_pages": 6 });
    assert_eq!(
        scrape(&app, Some("k1"), &other).await.problem(422),
        "idempotency_key_reused"
    );
    let theirs = app
        .post("/api/scrape", &json!({ "url": "https://other.example/" }))
        .bearer(&app.other_key);
    theirs.header("idempotency-key", "k1").send().await.expect(202);
}

#[tokio::test]
async fn embed_makes_a_job_for_each_batch() {
    let app = App::start().await;
    let page = app.page("Shipping", "It costs 4.90 EUR.").await;
    let embed = |body: Value| {
        app.post("/api/embed", &body)
            .bearer(&app.key)
            .header("idempotency-key", "e")
            .send()
    };
    let first = embed(json!({ "page_ids": [page] })).await.expect(202);
    assert_eq!(first["job_ids"].as_array().unwrap().len(), 1);
    assert_eq!(embed(json!({ "page_ids": [page] })).await.expect(202), first);
    assert_eq!(
        embed(json!({ "all": true })).await.problem(422),
        "idempotency_key_reused"
    );
    for wrong in [
        json!({}),
        json!({ "all": true, "page_ids": [page] }),
        json!({ "all": true, "model": "other" }),
    ] {
        assert_eq!(embed(wrong).await.problem(400), "invalid_request");
    }
}

/// Of a customer's jobs, what somebody waits for goes before what a person has asked for at length, and that before what goes by the clock.
#[tokio::test]
async fn jobs_are_as_urgent_as_what_they_were_made_for() {
    let app = App::start().await;
    let page = app.page("Shipping", "It costs 4.90 EUR.").await;
    let priority = async |body: &Value| {
        let job = body["job_id"].as_str().or(body["job_ids"][0].as_str()).unwrap();
        let query = format!("SELECT priority::bigint FROM jobs WHERE id = '{job}'");
        app.kit.count(&query).await
    };
    let crawl = scrape(&app, None, &site()).await.expect(202);
    assert_eq!(priority(&crawl).await, 5);
    for (what, urgency) in [(json!({ "page_ids": [page] }), 10), (json!({ "all": true }), 0)] {
        let made = app.post("/api/embed", &what).bearer(&app.key).send().await.expect(202);
        assert_eq!(priority(&made).await, urgency, "{what}");
    }
    let daily = json!({ "schedules": [{ "name": "daily", "cron": "0 3 * * *", "scrape": { "url": "https://shop.example/daily" } }] });
    let put = app.call(Method::PUT, "/api/schedules").json(&daily).bearer(&app.key);
    put.send().await.expect(200);
    let tx = app.kit.db.system().await.unwrap();
    let due = "UPDATE schedules SET next_run_at = now() - interval '1 second' WHERE name = 'daily'";
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, due))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let fired = jobs::schedules::fire_due(&app.kit.db).await.unwrap();
    assert_eq!(fired.len(), 1);
    assert_eq!(priority(&json!({ "job_id": fired[0].id })).await, 0);
}

#[tokio::test]
async fn without_redis_work_is_deferred_or_refused_as_configured() {
    let away = ("REDIS_URL", "redis://127.0.0.1:1");
    let app = App::with(&[away]).await;
    assert_eq!(scrape(&app, None, &site()).await.expect(202)["dispatch"], "deferred");

    let app = App::with(&[away, ("REQUIRE_REDIS", "true")]).await;
    let got = scrape(&app, None, &site()).await;
    assert_eq!(got.problem(503), "redis_unavailable");
    assert_eq!(got.header("retry-after"), "5");
    assert_eq!(app.kit.count("SELECT count(*) FROM jobs").await, 0);
}

#[tokio::test]
async fn with_redis_required_and_full_nothing_is_recorded() {
    let app = App::with(&[("REQUIRE_REDIS", "true")]).await;
    app.kit.fill_redis().await;
    let refused = scrape(&app, Some("k1"), &site()).await;
    assert_eq!(refused.problem(503), "redis_unavailable");
    assert_eq!(refused.header("retry-after"), "5");
    let all = app.post("/api/embed", &json!({ "all": true })).bearer(&app.key);
    assert_eq!(all.send().await.problem(503), "redis_unavailable");
    assert_eq!(app.kit.count("SELECT count(*) FROM jobs").await, 0);

    app.kit.relieve_redis().await;
    let body = scrape(&app, Some("k1"), &site()).await.expect(202);
    assert_eq!(
        (&body["fresh"], &body["dispatch"]),
        (&json!(true), &json!("queued")),
        "the same request once there is room again"
    );
}

#[tokio::test]
async fn jobs_are_cancelled_and_run_again() {
    let app = App::start().await;
    let id = job_id(&scrape(&app, None, &site()).await.expect(202));
    let act = |verb: &str| {
        app.post(&format!("/api/jobs/{id}/{verb}"), &Value::Null)
            .bearer(&app.key)
            .send()
    };
    assert_eq!(act("retry").await.problem(409), "job_not_ended");
    assert_eq!(act("cancel").await.expect(200)["state"], "cancelled");
    assert_eq!(act("cancel").await.problem(409), "job_ended");
    assert_eq!(act("retry").await.expect(200)["state"], "queued");
    run(&app, id, &Outcome::Fail(JobError::new("site_gone", "no such host"))).await;
    let job = app
        .get(&format!("/api/jobs/{id}"))
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(
        (&job["state"], &job["error"]["code"]),
        (&json!("failed"), &json!("site_gone"))
    );
    assert!(job["error"]["at"].is_string() && job["finished_at"].is_string());
    let urls = app
        .get(&format!("/api/jobs/{id}/urls"))
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(urls, json!({ "items": [], "next_cursor": null }));
}

#[tokio::test]
async fn a_held_job_is_confirmed_cancelled_or_superseded() {
    let app = App::start().await;
    let act = |id: Uuid, verb: &str| {
        app.post(&format!("/api/jobs/{id}/{verb}"), &Value::Null)
            .bearer(&app.key)
            .send()
    };
    let hold = async || {
        let id = job_id(&scrape(&app, None, &site()).await.expect(202));
        run(&app, id, &Outcome::Hold(json!({ "gone": 40 }))).await;
        id
    };
    let id = hold().await;
    let waiting = app
        .get(&format!("/api/jobs/{id}"))
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(
        (&waiting["state"], &waiting["result"], &waiting["confirmed_at"]),
        (&json!("needs_confirmation"), &json!({ "gone": 40 }), &Value::Null)
    );
    let queues = app.get("/api/queue/stats").admin().send().await.expect(200);
    assert_eq!(queues["queues"][0]["needs_confirmation"], 1);
    let foreign = app
        .post(&format!("/api/jobs/{id}/confirm"), &Value::Null)
        .bearer(&app.other_key);
    assert_eq!(foreign.send().await.problem(404), "not_found");

    let confirmed = act(id, "confirm").await.expect(200);
    assert_eq!(confirmed["state"], "queued");
    assert!(confirmed["confirmed_at"].is_string());
    assert_eq!(act(id, "confirm").await.expect(200), confirmed, "a twin of the call");
    run(&app, id, &Outcome::Done(json!({}))).await;

    let second = hold().await;
    assert_eq!(act(second, "cancel").await.expect(200)["state"], "cancelled");
    let refused = act(second, "confirm").await;
    assert_eq!(refused.problem(409), "job_not_held");

    let third = hold().await;
    let anew = scrape(&app, None, &site()).await.expect(202);
    assert_eq!(anew["fresh"], true);
    assert_ne!(job_id(&anew), third);
    let superseded = app
        .get(&format!("/api/jobs/{third}"))
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(
        (&superseded["state"], &superseded["error"]["code"]),
        (&json!("cancelled"), &json!("superseded"))
    );
    assert_eq!(act(job_id(&anew), "confirm").await.problem(409), "job_not_held");
}

#[tokio::test]
async fn events_are_followed_to_the_end_and_resumed() {
    let app = App::start().await;
    let id = job_id(&scrape(&app, None, &site()).await.expect(202));
    let path = format!("/api/jobs/{id}/events");
    let follow = app.get(&path).bearer(&app.key).send();
    let work = async {
        run(&app, id, &Outcome::Fail(JobError::new("x", "y"))).await;
        app.post(&format!("/api/jobs/{id}/retry"), &Value::Null)
            .bearer(&app.key)
            .send()
            .await
            .expect(200);
        run(&app, id, &Outcome::Done(json!({ "pages": 1 }))).await;
    };
    let (followed, ()) = tokio::time::timeout(LEASE, async { tokio::join!(follow, work) })
        .await
        .unwrap();
    assert_eq!(followed.header("content-type"), "text/event-stream");
    let all = app.get(&path).bearer(&app.key).send().await.events();
    let kinds: Vec<&str> = all.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(
        (kinds.first(), kinds.last()),
        (Some(&"queued"), Some(&"done")),
        "{kinds:?}"
    );
    assert!(kinds.contains(&"failed"));
    let last = all.last().unwrap();
    assert_eq!(
        (&last.2["job_id"], &last.2["data"]["result"]["pages"]),
        (&json!(id), &json!(1))
    );

    let after = |id: &str| app.get(&path).bearer(&app.key).header("last-event-id", id).send();
    let rest = after(&all[1].1).await.events();
    assert_eq!(rest, all[2..]);
    assert_eq!(after(&last.1).await.events(), []);
}

#[tokio::test]
async fn open_streams_end_at_the_soft_stop() {
    let app = App::start().await;
    let id = job_id(&scrape(&app, None, &site()).await.expect(202));
    let follow = app.get(&format!("/api/jobs/{id}/events")).bearer(&app.key).send();
    let life = app.life.clone();
    let (got, ()) = tokio::time::timeout(LEASE, async { tokio::join!(follow, async { life.stop() }) })
        .await
        .unwrap();
    assert_eq!(got.status, 200);
    assert_eq!(
        app.get("/api/health/ready").send().await.expect(503)["status"],
        "stopping"
    );
}

#[tokio::test]
async fn pages_are_listed_hidden_and_restored() {
    let app = App::start().await;
    let mut ids = Vec::new();
    for title in ["One", "Two", "Three"] {
        ids.push(app.page(title, "Text.").await.to_string());
    }
    let mut seen = Vec::new();
    let mut path = "/api/pages?limit=2".to_owned();
    loop {
        let page = app.get(&path).bearer(&app.key).send().await.expect(200);
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| p["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/pages?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    assert_eq!(
        app.get("/api/pages?cursor=!")
            .bearer(&app.key)
            .send()
            .await
            .problem(400),
        "invalid_request"
    );
    let path = format!("/api/pages/{}", ids[0]);
    assert_eq!(
        app.get(&path).bearer(&app.key).send().await.expect(200)["markdown"],
        "Text."
    );
    let hidden = app
        .call(Method::DELETE, &path)
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert!(hidden["tombstoned_at"].is_string() && hidden["tombstone"] == "customer");
    let reader = app.kit.key(&app.shop, &[domain::tenancy::Scope::Search]).await;
    let denied = app
        .post(&format!("{path}/restore"), &Value::Null)
        .bearer(&reader)
        .send()
        .await;
    assert_eq!(
        denied.problem(403),
        "missing_scope",
        "who may search may not decide what is found"
    );
    let back = app
        .post(&format!("{path}/restore"), &Value::Null)
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    assert_eq!(
        (&back["tombstoned_at"], &back["tombstone"]),
        (&Value::Null, &Value::Null)
    );
    let told = "SELECT count(*) FROM audit_logs WHERE action IN ('page.deleted', 'page.restored')";
    assert_eq!(app.kit.count(told).await, 2);
}
