//! Every refusal is a problem of one shape, and every answer carries the same headers.
use poem::http::Method;
use serde_json::{Value, json};

use crate::{
    accounts,
    app::{App, Got},
};

/// A problem without what differs from run to run.
fn shape(got: &Got) -> Value {
    let mut body: Value = serde_json::from_str(&got.text).unwrap();
    assert_eq!(got.header("content-type"), "application/problem+json");
    assert_eq!(body["request_id"].take(), got.header("x-request-id"));
    body
}

#[tokio::test]
async fn refusals_say_what_is_wrong_and_where() {
    let app = App::start().await;
    let chat = |body: Value| app.post("/api/chat", &body).bearer(&app.key).send();

    insta::assert_json_snapshot!("too_long", shape(&chat(json!({ "message": "x".repeat(2001) })).await));
    let several = json!({ "mesage": "typo", "session_id": "no uuid", "domain": 5 });
    insta::assert_json_snapshot!("several_fields", shape(&chat(several).await));
    let malformed = app
        .call(Method::POST, "/api/chat")
        .raw("application/json", "{\"message\": ")
        .bearer(&app.key);
    insta::assert_json_snapshot!("malformed", shape(&malformed.send().await));
    let text = app
        .call(Method::POST, "/api/chat")
        .raw("text/plain", "hello")
        .bearer(&app.key);
    insta::assert_json_snapshot!("content_type", shape(&text.send().await));
    let large = json!({ "message": "x".repeat(1 << 20) });
    insta::assert_json_snapshot!("too_large", shape(&chat(large).await));
    insta::assert_json_snapshot!("no_route", shape(&app.get("/api/nothing").send().await));
    let parameter = app.get("/api/jobs?limit=101").bearer(&app.key).send().await;
    insta::assert_json_snapshot!("parameter", shape(&parameter));
    let id = app.get("/api/jobs/17").bearer(&app.key).send().await;
    insta::assert_json_snapshot!("path", shape(&id));
    insta::assert_json_snapshot!(
        "wrong_key",
        shape(&app.get("/api/jobs").bearer("omni_wrong").send().await)
    );
}

#[tokio::test]
async fn a_refusal_is_no_longer_than_what_it_refuses() {
    let app = App::start().await;
    let many: serde_json::Map<String, Value> = (0..15_000).map(|n| (format!("unknown{n}"), Value::Null)).collect();
    let long = json!({ "x".repeat(900_000): 1 });
    for body in [Value::Object(many), long] {
        let got = app.post("/api/chat", &body).bearer(&app.key).send().await;
        assert_eq!(got.problem(400), "invalid_request");
        assert!(got.text.len() < 10_000, "{} bytes", got.text.len());
    }
}

#[tokio::test]
async fn a_nul_is_refused_wherever_it_stands() {
    let app = App::start().await;
    for path in ["/api/jobs?kind=%00", "/api/pages?q=a%00b", "/api/search?q=%00"] {
        let got = app.get(path).bearer(&app.key).send().await;
        assert_eq!(got.problem(400), "invalid_request", "{path}: {}", got.text);
    }
    let chat = app.post("/api/chat", &json!({ "message": "hello\0" }));
    let got = chat.bearer(&app.key).send().await;
    assert_eq!(got.problem(400), "invalid_request");
    assert_eq!(
        got.expect(400)["errors"],
        json!([{ "field": "message", "reason": "contains a NUL" }])
    );
    let inner = json!({ "url": "https://a.example/", "include": ["/a", "/b\0"] });
    let got = app.post("/api/scrape", &inner).bearer(&app.key).send().await;
    assert_eq!(got.expect(400)["errors"][0]["field"], "include[1]");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let app = App::start().await;
    let got = app.call(Method::DELETE, "/api/chat").send().await;
    assert_eq!(got.problem(405), "method_not_allowed");
    assert_eq!(got.header("allow"), "POST");
    let got = app
        .call(Method::PUT, "/api/customers/019aa000-0000-7000-8000-000000000001")
        .send()
        .await;
    assert_eq!(got.problem(405), "method_not_allowed");
    assert_eq!(got.header("allow"), "GET, PATCH, DELETE");
}

#[tokio::test]
async fn every_answer_carries_a_request_id_and_the_security_headers() {
    let app = App::start().await;
    let own = app.get("/api/health").header("x-request-id", "my-id.1").send().await;
    assert_eq!(own.header("x-request-id"), "my-id.1");
    let odd = app.get("/api/health").header("x-request-id", "a b").send().await;
    assert_ne!(odd.header("x-request-id"), "a b");
    for got in [own, app.get("/api/nothing").send().await, app.get("/").send().await] {
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("referrer-policy"), "strict-origin-when-cross-origin");
        assert_eq!(got.header("x-frame-options"), "DENY");
        assert_eq!(got.header("cache-control"), "no-store, must-revalidate");
        assert_eq!(
            got.header("permissions-policy"),
            "camera=(), microphone=(), geolocation=()"
        );
        assert!(got.header("content-security-policy").starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn our_own_faults_tell_the_caller_nothing() {
    let app = App::start().await;
    app.kit.db.clone().close().await;
    let got = app.get("/api/jobs").bearer(&app.key).send().await;
    assert!(got.status.is_server_error(), "{}", got.text);
    assert!(
        !got.text.to_lowercase().contains("sql") && !got.text.contains("pool"),
        "{}",
        got.text
    );
}

#[tokio::test]
async fn maintenance_leaves_health_and_metrics_open_and_those_who_administer() {
    in_maintenance(&[]).await;
}

#[tokio::test]
async fn maintenance_without_limits_knows_those_who_administer_as_well() {
    in_maintenance(&[("LIMITS", "off")]).await;
}

async fn in_maintenance(variables: &[(&str, &str)]) {
    let app = App::with(&[&[("MAINTENANCE_MODE", "true")][..], variables].concat()).await;
    let got = app.get("/api/jobs").bearer(&app.key).send().await;
    assert_eq!(got.problem(503), "maintenance");
    assert_eq!(got.header("retry-after"), "3600");
    assert_eq!(app.get("/api/health").send().await.expect(503)["status"], "maintenance");
    assert_eq!(app.get("/api/metrics").admin().send().await.problem(404), "no_metrics");

    app.get("/api/customers").admin().send().await.expect(200);
    let ada = accounts::browser(&app, "ada@example.com", "owner", &[]).await;
    ada.get(&app, "/api/queue/stats").send().await.expect(200);
    for stranger in ["omniops_local=made-up", ""] {
        let got = app.get("/api/queue/stats").header("cookie", stranger).send().await;
        assert_eq!(got.problem(503), "maintenance");
    }
    assert_eq!(app.get("/demo").admin().send().await.problem(503), "maintenance");
}
