//! Which pages may make which calls.
use poem::http::Method;
use serde_json::{Value, json};

use crate::app::{App, Got};

const PAGE: &str = "https://shop.example";

async fn preflight(app: &App, origin: &str, method: &str, path: &str) -> Got {
    let call = app.call(Method::OPTIONS, path).header("origin", origin);
    call.header("access-control-request-method", method).send().await
}

fn granted(got: &Got) -> &str {
    got.header("access-control-allow-origin")
}

#[tokio::test]
async fn only_the_widgets_calls_are_open_to_pages() {
    let app = App::start().await;
    let contract: Value = serde_yaml::from_str(&api::openapi_yaml()).unwrap();
    let (mut open, mut closed) = (0, 0);
    for (path, methods) in contract["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let schemes = operation["security"].as_array().into_iter().flatten();
            let session = schemes
                .flat_map(|one| one.as_object().unwrap().keys())
                .any(|name| name == "widget_session");
            let widgets = session || path.starts_with("/api/widget/");
            let asked = path.replace(['{', '}'], "");
            let got = preflight(&app, PAGE, &method.to_uppercase(), &asked).await;
            assert_eq!(granted(&got), if widgets { PAGE } else { "" }, "{method} {path}");
            assert_eq!(
                got.header("vary"),
                if widgets { "Origin" } else { "" },
                "{method} {path}"
            );
            if widgets {
                open += 1;
            } else {
                closed += 1;
            }
        }
    }
    assert!(open >= 8 && closed > 40, "{open} open, {closed} closed");
    for (method, path) in [
        ("DELETE", "/api/chat"),
        ("PUT", "/api/widget/session"),
        ("nonsense", "/api/chat"),
        ("GET", "/openapi.yaml"),
    ] {
        assert_eq!(
            granted(&preflight(&app, PAGE, method, path).await),
            "",
            "{method} {path}"
        );
    }
    // Answers as well, not only preflights.
    let customers = app.get("/api/customers").admin().header("origin", PAGE).send().await;
    assert_eq!((customers.status.as_u16(), granted(&customers)), (200, ""));
    let plain = app.post("/api/chat", &json!({})).send().await;
    assert_eq!(plain.header("vary"), "Origin", "a cache must know, whoever asked first");
}

#[tokio::test]
async fn an_origin_is_a_whole() {
    let app = App::start().await;
    for host in ["localhost:3000", "127.0.0.1:8080", "shop.example:8443"] {
        let add = json!({ "name": host, "domain": host });
        app.post("/api/customers", &add).admin().send().await.expect(201);
    }
    for origin in [
        PAGE,
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "https://shop.example:8443",
        "https://localhost:3000",
    ] {
        assert_eq!(granted(&preflight(&app, origin, "POST", "/api/chat").await), origin);
    }
    for origin in [
        "null",
        "http://shop.example",
        "https://shop.example:444",
        "https://shop.example.evil.example",
        "https://evil-shop.example",
        "https://evilshop.example",
        "https://a.shop.example",
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example:443",
        "https://shop.example@evil.example",
        "https://evil.example#shop.example",
        "https://shop.example, https://evil.example",
        "shop.example",
        "http://localhost:3001",
        "http://127.0.0.1",
        "ftp://shop.example",
        "",
    ] {
        let got = preflight(&app, origin, "POST", "/api/chat").await;
        assert_eq!((granted(&got), got.header("vary")), ("", "Origin"), "{origin}");
    }
}

#[tokio::test]
async fn a_page_that_came_in_clear_has_no_part_in_the_grant_of_its_host() {
    let app = App::start().await;
    let begin = |origin: &'static str| {
        let call = app.post("/api/widget/session", &json!({ "domain": "shop.example" }));
        call.header("origin", origin).send()
    };
    assert_eq!(begin("http://shop.example").await.problem(403), "origin_not_allowed");
    let session = begin(PAGE).await.expect(200);
    let ask = |origin: &'static str| {
        let call = app.post("/api/chat", &json!({ "message": "Hello" }));
        call.bearer(session["token"].as_str().unwrap())
            .header("origin", origin)
            .send()
    };
    assert_eq!(ask("http://shop.example").await.problem(401), "invalid_session");
    assert_eq!(ask(PAGE).await.status, 200);
    // The installation's own pages are what they are, also without TLS.
    let own = app.context.clone().with_base_url("http://shop.example");
    let endpoint = api::endpoint(own);
    let request = poem::Request::builder()
        .method(Method::OPTIONS)
        .uri_str("/api/chat")
        .header("origin", "http://shop.example")
        .header("access-control-request-method", "POST");
    let response = Box::pin(poem::Endpoint::get_response(&endpoint, request.finish())).await;
    assert_eq!(
        response.header("access-control-allow-origin"),
        Some("http://shop.example")
    );
}
