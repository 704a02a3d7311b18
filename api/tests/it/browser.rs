//! What browsers see: CORS, the widget, the pages and their policies.
use api::Demo;
use poem::{Endpoint, Request, http::Method};
use serde_json::json;

use crate::app::App;

#[tokio::test]
async fn only_verified_origins_may_read_answers() {
    let app = App::start().await;
    let preflight = |origin: &'static str| {
        let call = app.call(Method::OPTIONS, "/api/chat").header("origin", origin);
        call.header("access-control-request-method", "POST").send()
    };
    let good = preflight("https://shop.example").await;
    assert_eq!(good.status, 204);
    assert_eq!(good.header("access-control-allow-origin"), "https://shop.example");
    assert_eq!(good.header("access-control-allow-methods"), "GET, POST, OPTIONS");
    assert_eq!(
        good.header("access-control-allow-headers"),
        "content-type, authorization, last-event-id, omniops-proof"
    );
    for origin in ["https://evil.example", "null", "https://shop.example.evil.example"] {
        let bad = preflight(origin).await;
        assert_eq!(
            (bad.header("access-control-allow-origin"), bad.header("vary")),
            ("", "Origin"),
            "{origin}"
        );
    }
    // Refusals can be read as well, so that the widget can explain them.
    let refused = app
        .post("/api/chat", &json!({}))
        .header("origin", "https://shop.example")
        .send()
        .await;
    assert_eq!(refused.problem(401), "missing_credential");
    assert_eq!(refused.header("access-control-allow-origin"), "https://shop.example");
    assert_eq!(refused.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn a_newly_verified_domain_is_let_in_at_once() {
    let app = App::start().await;
    let ask = || {
        let call = app.post("/api/chat", &json!({}));
        call.header("origin", "https://late.example").send()
    };
    assert_eq!(ask().await.header("access-control-allow-origin"), "");
    app.post("/api/customers", &json!({ "name": "Late", "domain": "late.example" }))
        .admin()
        .send()
        .await
        .expect(201);
    assert_eq!(
        ask().await.header("access-control-allow-origin"),
        "https://late.example"
    );
}

#[tokio::test]
async fn the_widget_is_cached_and_asked_for_again_by_its_etag() {
    let app = App::start().await;
    let got = app.get("/embed.js").send().await;
    assert_eq!(
        (got.status.as_u16(), got.header("cache-control")),
        (200, "public, max-age=3600")
    );
    assert_eq!(got.header("content-type"), "text/javascript; charset=utf-8");
    assert!(got.text.contains("attachShadow") && !got.text.lines().any(|line| line.trim_start().starts_with("//")));
    let again = app
        .get("/embed.js")
        .header("if-none-match", got.header("etag"))
        .send()
        .await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    assert_eq!(again.header("etag"), got.header("etag"));
    let other = app.get("/embed.js").header("if-none-match", "\"other\"").send().await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn every_page_answers_without_a_placeholder_left() {
    let app = App::start().await;
    for path in [
        "/",
        "/demo",
        "/docs",
        "/bot",
        "/privacy",
        "/terms",
        "/accessibility",
        "/assets/demo.js",
        "/assets/pages.css",
    ] {
        let got = app.get(path).send().await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        assert!(!got.text.contains("{{"), "{path}");
        assert!(path.starts_with("/assets") || got.header("content-type") == "text/html; charset=utf-8");
    }
    assert_eq!(
        app.get("/assets/../embed.js").send().await.problem(404),
        "no_such_route"
    );
    assert_eq!(
        app.get("/assets/nothing.css").send().await.problem(404),
        "no_such_route"
    );
    assert_eq!(app.get("/openapi.yaml").send().await.text, api::openapi_yaml());
    let icon = app.get("/favicon.ico").send().await;
    assert_eq!(
        (icon.status.as_u16(), icon.header("content-type")),
        (200, "image/svg+xml")
    );
}

#[tokio::test]
async fn the_demo_embeds_the_widget_for_its_domain_under_a_strict_policy() {
    let app = App::start().await;
    let demo = Demo {
        domain: "shop.example".into(),
        questions: vec!["Is it \"free\"?".into()],
    };
    let endpoint = api::endpoint(
        app.context
            .clone()
            .with_base_url("https://help.example/")
            .with_demo(demo),
    );
    let response = Box::pin(endpoint.get_response(Request::builder().uri_str("/demo").finish())).await;
    let policy = response.header("content-security-policy").unwrap().to_owned();
    assert_eq!(response.header("x-frame-options"), Some("SAMEORIGIN"));
    let html = response.into_body().into_string().await.unwrap();
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(html.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
    assert!(
        !policy.contains("unsafe") && policy.contains("connect-src 'self' https://help.example"),
        "{policy}"
    );
    assert!(html.contains("src=\"https://help.example/embed.js\" data-domain=\"shop.example\""));
    assert!(html.contains("data-questions=\"[&quot;Is it \\&quot;free\\&quot;?&quot;]\""));
    let other = app.get("/demo?domain=other.example").send().await;
    assert!(other.text.contains("data-domain=\"other.example\""));
    let odd = app.get("/demo?domain=%22%3E%3Cscript%3E").send().await;
    assert_eq!(odd.problem(400), "invalid_request");
}
