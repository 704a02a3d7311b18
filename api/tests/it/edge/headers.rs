//! What browsers are told, and heads, addresses and bodies that are too much.
use poem::{Endpoint, Request};
use serde_json::json;

use crate::app::App;

const PAGES: [&str; 7] = ["/", "/demo", "/docs", "/bot", "/privacy", "/terms", "/accessibility"];

#[tokio::test]
async fn no_policy_of_ours_lets_text_become_script() {
    let app = App::with(&[("CSP_REPORT_URI", "https://reports.example/csp")]).await;
    for page in PAGES {
        let got = app.get(page).send().await;
        let policy = got.header("content-security-policy");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{page}: {policy}");
        for part in [
            "default-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors '",
            "report-uri https://reports.example/csp; report-to csp",
        ] {
            assert!(policy.contains(part), "{page}: {policy}");
        }
        let ours = page != "/docs";
        let trusted = policy.contains("require-trusted-types-for 'script'; trusted-types 'none'");
        assert_eq!(trusted, ours, "{page}: {policy}");
        assert_eq!(got.header("reporting-endpoints"), "csp=\"https://reports.example/csp\"");
        assert_eq!(
            got.header("x-frame-options"),
            if page == "/demo" { "SAMEORIGIN" } else { "DENY" }
        );
    }
    let first = app.get("/demo").send().await;
    let second = app.get("/demo").send().await;
    let nonce = |got: &crate::app::Got| {
        let policy = got.header("content-security-policy").to_owned();
        policy
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next())
            .unwrap()
            .to_owned()
    };
    assert_ne!(nonce(&first), nonce(&second), "each answer has its own");
    let api = app.get("/api/health").send().await;
    assert_eq!(
        api.header("content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'"
    );
}

#[tokio::test]
async fn every_answer_isolates_itself_and_the_widget_does_not() {
    let app = App::start().await;
    for path in ["/", "/api/health", "/nothing", "/assets/pages.css"] {
        let got = app.get(path).send().await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
            ("strict-transport-security", ""),
        ] {
            assert_eq!(got.header(name), value, "{path}");
        }
    }
    let widget = app.get("/embed.js").send().await;
    assert_eq!(widget.header("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(
        widget.header("access-control-allow-origin"),
        "*",
        "for pages that pin it by `integrity`"
    );
    // With a public address behind TLS, browsers are to stay there.
    let endpoint = api::endpoint(app.context.clone().with_base_url("https://help.example"));
    let response = Box::pin(endpoint.get_response(Request::builder().uri_str("/api/health").finish())).await;
    let year = Some("max-age=31536000; includeSubDomains");
    assert_eq!(response.header("strict-transport-security"), year);
}

#[tokio::test]
async fn files_with_their_version_are_kept_for_a_year() {
    let app = App::start().await;
    let page = app.get("/").send().await.text;
    let address = page
        .split('"')
        .find(|part| part.starts_with("/assets/pages.css?v="))
        .unwrap()
        .to_owned();
    let keep = |path: String| {
        let app = &app;
        async move { app.get(&path).send().await.header("cache-control").to_owned() }
    };
    assert_eq!(keep(address.clone()).await, "public, max-age=31536000, immutable");
    assert_eq!(
        keep(format!("{address}x")).await,
        "public, max-age=3600",
        "of another version"
    );
    assert_eq!(keep("/assets/pages.css".into()).await, "public, max-age=3600");
}

#[tokio::test]
async fn what_is_too_much_is_a_problem_that_says_so() {
    let app = App::start().await;
    let long = app.get(&format!("/api/health?x={}", "x".repeat(9000))).send().await;
    assert_eq!(long.problem(414), "url_too_long");
    let wide = app
        .get("/api/health")
        .header("x-wide", &"x".repeat(40_000))
        .send()
        .await;
    assert_eq!(wide.problem(431), "headers_too_large");
    let mut many = app.get("/api/health");
    for n in 0..70 {
        many = many.header(&format!("x-{n}"), "1");
    }
    assert_eq!(many.send().await.problem(431), "headers_too_large");
    for (body, told) in [
        ("[".repeat(100_000), "within each other"),
        (
            format!("{{\"message\":{}1{}}}", "[".repeat(40), "]".repeat(40)),
            "within each other",
        ),
        (
            r#"{"message":"Hello","message":"Bye"}"#.to_owned(),
            "`message` is there twice",
        ),
        (
            format!("{{\"message\":[{}1]}}", "1,".repeat(30_000)),
            "more than 20000 values",
        ),
    ] {
        let got = app
            .call(poem::http::Method::POST, "/api/chat")
            .raw("application/json", body);
        let got = got.bearer(&app.key).send().await;
        assert_eq!(got.problem(400), "malformed_json");
        assert!(got.text.contains(told), "{}", got.text);
    }
    let form = app
        .call(poem::http::Method::POST, "/api/chat")
        .raw("text/plain", json!({ "message": "Hi" }).to_string());
    assert_eq!(
        form.bearer(&app.key).send().await.problem(415),
        "unsupported_media_type"
    );
}
