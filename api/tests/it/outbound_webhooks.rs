//! Where customers want to be told: what may be said, what is shown once, and what nobody else sees.
use poem::http::Method;
use serde_json::{Value, json};
use testkit::Receiver;

use crate::app::{App, Got};

async fn create(app: &App, key: &str, body: &Value) -> Got {
    app.post("/api/outbound-webhooks", body).bearer(key).send().await
}

#[tokio::test]
async fn a_webhook_is_made_listed_and_removed_and_its_secret_shown_once() {
    let receiver = Receiver::start().await;
    let app = App::with(&[("OMNIOPS_EGRESS_ALLOW", &receiver.host())]).await;
    let new =
        json!({ "url": receiver.url(), "events": ["handoff.requested", "feedback.received", "handoff.requested"] });
    let made = create(&app, &app.key, &new).await.expect(201);
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    assert_eq!(made["events"], json!(["feedback.received", "handoff.requested"]));
    let list = app.get("/api/outbound-webhooks").bearer(&app.key).send().await;
    assert_eq!(list.expect(200)["items"][0]["url"], receiver.url());
    assert!(!list.text.contains("secret"), "{}", list.text);
    let foreign = app.get("/api/outbound-webhooks").bearer(&app.other_key).send().await;
    assert_eq!(foreign.expect(200)["items"], json!([]));

    let path = format!("/api/outbound-webhooks/{}", made["id"].as_str().unwrap());
    let remove = |key: &str| app.call(Method::DELETE, &path).bearer(key).send();
    assert_eq!(remove(&app.other_key).await.problem(404), "not_found");
    let deliveries = format!("{path}/deliveries");
    assert_eq!(
        app.get(&deliveries).bearer(&app.other_key).send().await.problem(404),
        "not_found"
    );
    assert_eq!(
        app.get(&deliveries).bearer(&app.key).send().await.expect(200)["items"],
        json!([])
    );
    remove(&app.key).await.expect(204);
    assert_eq!(remove(&app.key).await.problem(404), "not_found");
    // The secret is not in the database.
    let plain =
        format!("SELECT count(*) FROM outbound_webhooks WHERE position(convert_to('{secret}', 'UTF8') IN secret) > 0");
    assert_eq!(app.kit.count(&plain).await, 0);
    let told = "SELECT count(*) FROM audit_logs WHERE action IN ('webhook.created', 'webhook.removed')
        AND metadata->>'host' <> '' AND jsonb_array_length(metadata->'events') > 0";
    assert_eq!(app.kit.count(told).await, 2);
}

#[tokio::test]
async fn urls_that_lead_inside_and_unknown_events_are_refused() {
    let app = App::start().await;
    for url in [
        "https://127.0.0.1/hook",
        "https://10.1.2.3/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://2130706433/hook",
        "https://localhost/hook",
        "https://metadata.google.internal/",
        "https://user:password@shop.example/hook",
        "http://shop.example/hook",
        "ftp://shop.example/hook",
        "file:///etc/passwd",
        "nonsense",
    ] {
        let refused = create(&app, &app.key, &json!({ "url": url, "events": ["handoff.requested"] })).await;
        assert_eq!(refused.problem(400), "invalid_request", "{url}");
        assert_eq!(refused.expect(400)["errors"][0]["field"], "url", "{url}");
    }
    for events in [json!([]), json!(["everything"]), json!("handoff.requested")] {
        let body = json!({ "url": "https://hooks.example/", "events": events });
        assert_eq!(
            create(&app, &app.key, &body).await.problem(400),
            "invalid_request",
            "{events}"
        );
    }
    let key = app.kit.key(&app.shop, &[domain::tenancy::Scope::Chat]).await;
    let body = json!({ "url": "https://hooks.example/", "events": ["handoff.requested"] });
    assert_eq!(create(&app, &key, &body).await.problem(403), "missing_scope");
}

#[tokio::test]
async fn a_customer_has_ten_webhooks_at_most() {
    let receiver = Receiver::start().await;
    let app = App::with(&[("OMNIOPS_EGRESS_ALLOW", &receiver.host())]).await;
    let new = json!({ "url": receiver.url(), "events": ["handoff.requested"] });
    for _ in 0..10 {
        create(&app, &app.key, &new).await.expect(201);
    }
    assert_eq!(create(&app, &app.key, &new).await.problem(409), "too_many_webhooks");
    create(&app, &app.other_key, &new).await.expect(201);
}
