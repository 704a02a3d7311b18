//! Keys: their ends, their rotation, their form, and who can be told from whom by them.
use domain::retrieval::Searcher;
use poem::{Endpoint, Request, http::Method};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::app::App;

fn in_hours(hours: i64) -> String {
    let at: OffsetDateTime = domain::clock::Clock::system().now() + Duration::hours(hours);
    at.format(&Rfc3339).unwrap()
}

async fn make(app: &App, extra: &Value) -> Value {
    let mut new = json!({ "customer_id": app.shop.id, "name": "ci", "scopes": ["jobs", "chat", "jobs"] });
    for (name, value) in extra.as_object().unwrap() {
        new[name] = value.clone();
    }
    app.post("/api/keys", &new).admin().send().await.expect(201)
}

#[tokio::test]
async fn a_key_ends_when_it_was_made_to() {
    let app = App::start().await;
    for wrong in [in_hours(-1), in_hours(24 * 3700), "tomorrow".to_owned()] {
        let new = json!({ "customer_id": app.shop.id, "name": "ci", "scopes": ["jobs"], "expires_at": wrong });
        assert_eq!(
            app.post("/api/keys", &new).admin().send().await.problem(400),
            "invalid_request",
            "{wrong}"
        );
    }
    let made = make(&app, &json!({ "expires_at": in_hours(1) })).await;
    assert_eq!(made["scopes"], json!(["chat", "jobs"]));
    let key = made["key"].as_str().unwrap();
    app.get("/api/jobs").bearer(key).send().await.expect(200);
    let listed = app.get("/api/keys").admin().send().await;
    let items = listed.expect(200)["items"].clone();
    let kept = items
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == made["id"])
        .unwrap()
        .clone();
    assert!(kept["last_used_at"].is_string() && !listed.text.contains(key));
    assert_eq!(
        (kept["prefix"].as_str().unwrap(), kept["prefix"].as_str().unwrap().len()),
        (&key[..11], 11)
    );
    let over = format!(
        "UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = '{}' RETURNING 1::bigint",
        made["id"].as_str().unwrap()
    );
    change(&app, &over).await;
    assert_eq!(
        app.get("/api/jobs").bearer(key).send().await.problem(401),
        "invalid_key"
    );
    let rotate = format!("/api/keys/{}/rotate", made["id"].as_str().unwrap());
    assert_eq!(
        app.post(&rotate, &Value::Null).admin().send().await.problem(409),
        "key_ended"
    );
}

async fn change(app: &App, statement: &str) {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};
    let tx = app.kit.db.system().await.unwrap();
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, statement))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_rotation_is_one_step_with_the_overlap_that_was_asked_for() {
    let app = App::start().await;
    let made = make(&app, &json!({ "expires_at": in_hours(1000) })).await;
    let rotate = |id: &Value, query: &str| {
        let path = format!("/api/keys/{}/rotate{query}", id.as_str().unwrap());
        let app = &app;
        async move { app.post(&path, &Value::Null).admin().send().await }
    };
    assert_eq!(
        rotate(&made["id"], "?overlap_hours=169").await.problem(400),
        "invalid_request"
    );
    let next = rotate(&made["id"], "?overlap_hours=2").await.expect(201);
    let at = |value: &Value| OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap();
    let overlap = at(&next["replaced_ends_at"]) - at(&next["created_at"]);
    assert!((overlap - Duration::hours(2)).abs() < Duration::minutes(5), "{overlap}");
    let life = at(&next["expires_at"]) - at(&next["created_at"]);
    assert!(
        (life - Duration::hours(1000)).abs() < Duration::minutes(5),
        "as long as the first: {life}"
    );
    for key in [&made["key"], &next["key"]] {
        app.get("/api/jobs")
            .bearer(key.as_str().unwrap())
            .send()
            .await
            .expect(200);
    }
    assert_eq!(rotate(&made["id"], "").await.problem(409), "key_rotated");
    let last = rotate(&next["id"], "?overlap_hours=0").await.expect(201);
    assert_eq!(
        app.get("/api/jobs")
            .bearer(next["key"].as_str().unwrap())
            .send()
            .await
            .problem(401),
        "invalid_key"
    );
    app.get("/api/jobs")
        .bearer(last["key"].as_str().unwrap())
        .send()
        .await
        .expect(200);

    // Of two at once one makes the successor.
    let other = make(&app, &json!({})).await;
    let both = futures::future::join_all((0..2).map(|_| rotate(&other["id"], ""))).await;
    let mut codes: Vec<u16> = both.iter().map(|got| got.status.as_u16()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [201, 409]);
}

#[tokio::test]
async fn a_key_with_a_wrong_checksum_is_refused_without_the_database() {
    let app = App::start().await;
    let made = make(&app, &json!({})).await;
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(
        key.starts_with("omni_") && key.len() == 54,
        "what leak scanners look for"
    );
    let last = if key.ends_with('x') { 'y' } else { 'x' };
    let mistyped = format!("{}{last}", &key[..53]);
    assert_eq!(
        app.get("/api/jobs").bearer(&mistyped).send().await.problem(401),
        "invalid_key"
    );
    app.kit.stop(testkit::Server::Postgres).await;
    assert_eq!(
        app.get("/api/jobs").bearer(&mistyped).send().await.problem(401),
        "invalid_key"
    );
    assert_eq!(
        app.get("/api/jobs").bearer(&key).send().await.problem(503),
        "database_unavailable"
    );
}

#[tokio::test]
async fn a_revoked_key_is_revoked_for_every_replica_at_once() {
    let app = App::start().await;
    let made = make(&app, &json!({})).await;
    let key = made["key"].as_str().unwrap();
    let searcher = Searcher::new(app.kit.db.clone(), None).await.unwrap();
    let kit = &app.kit;
    let replica = api::Context::new(
        &kit.config,
        kit.db.clone(),
        kit.dispatcher.clone(),
        searcher,
        app.life.clone(),
    );
    let replica = api::endpoint(replica.await.unwrap());
    let asked = || {
        Request::builder()
            .uri_str("/api/jobs")
            .header("authorization", format!("Bearer {key}"))
            .finish()
    };
    app.get("/api/jobs").bearer(key).send().await.expect(200);
    assert_eq!(Box::pin(replica.get_response(asked())).await.status().as_u16(), 200);
    let path = format!("/api/keys/{}", made["id"].as_str().unwrap());
    app.call(Method::DELETE, &path).admin().send().await.expect(204);
    assert_eq!(Box::pin(replica.get_response(asked())).await.status().as_u16(), 401);
    let named = format!(
        "SELECT count(*) FROM audit_logs WHERE resource = '{}' AND customer_id = '{}'",
        made["id"].as_str().unwrap(),
        app.shop.id
    );
    assert_eq!(app.kit.count(&named).await, 2);
}
