//! What somebody tries who wants into somebody else's session.
use futures::future::join_all;
use poem::http::Method;
use serde_json::{Value, json};

use super::{Browser, PASSWORD, browser, log_in, user};
use crate::app::App;

const SCRAPE: &str = "/api/scrape";

#[tokio::test]
async fn without_the_session_s_own_token_nothing_is_changed() {
    let app = App::start().await;
    let (ada, bob) = (
        browser(&app, "ada@example.com", "owner", &[]).await,
        browser(&app, "bob@example.com", "owner", &[]).await,
    );
    let new = json!({ "name": "New", "domain": "new.example" });
    let create = || app.post("/api/customers", &new).header("cookie", &ada.cookie);
    for (what, call) in [
        ("no token", create()),
        ("an empty one", create().header("x-csrf-token", "")),
        ("another session's", create().header("x-csrf-token", &bob.csrf)),
        (
            "the cookie's own",
            create().header("x-csrf-token", ada.cookie.split_once('=').unwrap().1),
        ),
        ("garbage", create().header("x-csrf-token", "a.b")),
    ] {
        assert_eq!(call.send().await.problem(403), "csrf", "{what}");
    }
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "https://shop.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let got = create()
            .header("x-csrf-token", &ada.csrf)
            .header(name, value)
            .send()
            .await;
        assert_eq!(got.problem(403), "cross_site", "{name}: {value}");
    }
    assert_eq!(
        app.kit
            .count("SELECT count(*) FROM customer_configs WHERE domain = 'new.example'")
            .await,
        0
    );
    let own = create()
        .header("x-csrf-token", &ada.csrf)
        .header("sec-fetch-site", "same-origin");
    own.send().await.expect(201);
    let form = app
        .call(Method::POST, "/api/admin/logout")
        .header("cookie", &ada.cookie)
        .raw("text/plain", "");
    assert_eq!(form.send().await.problem(403), "csrf", "nobody is logged out by others");
}

#[tokio::test]
async fn another_page_can_not_log_a_browser_in() {
    let app = App::start().await;
    user(&app, "ada@example.com", "owner", &[]).await;
    for (name, value) in [("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")] {
        let got = log_in(&app, "ada@example.com", PASSWORD)
            .header(name, value)
            .send()
            .await;
        assert_eq!(
            (got.problem(403).as_str(), got.header("set-cookie")),
            ("cross_site", "")
        );
    }
    let preflight = app
        .call(Method::OPTIONS, "/api/users")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-csrf-token");
    let got = preflight.send().await;
    assert!(
        !got.header("access-control-allow-headers").contains("csrf"),
        "{:?}",
        got.headers
    );
    assert_eq!(got.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn a_session_that_somebody_put_into_a_browser_ends_when_its_user_logs_in() {
    let app = App::start().await;
    let eve = browser(&app, "eve@example.com", "viewer", &[app.shop.id]).await;
    user(&app, "ada@example.com", "owner", &[]).await;
    let fixed = log_in(&app, "ada@example.com", PASSWORD).header("cookie", &eve.cookie);
    let ada = Browser::of(&fixed.send().await);
    assert_ne!(ada.cookie, eve.cookie);
    assert_eq!(
        eve.get(&app, "/api/admin/me").send().await.problem(401),
        "session_ended"
    );
    let both = format!("{}; {}", ada.cookie, eve.cookie);
    let got = app.get("/api/admin/me").header("cookie", &both).send().await;
    assert_eq!(got.problem(401), "missing_credential", "two sessions are none");
    let made_up = app.get("/api/admin/me").header("cookie", "omniops_local=made-up");
    assert_eq!(made_up.send().await.problem(401), "session_ended");
}

#[tokio::test]
async fn where_a_bearer_token_is_given_the_cookie_is_silent() {
    let app = App::start().await;
    let ada = browser(&app, "ada@example.com", "owner", &[]).await;
    let both = |token: &str| ada.get(&app, "/api/customers").bearer(token);
    assert_eq!(
        both("omni_wrong").send().await.problem(401),
        "invalid_key",
        "a wrong token is not filled up"
    );
    assert_eq!(
        both(&app.key).send().await.problem(403),
        "admin_only",
        "a key stays a key"
    );
    let new = json!({ "url": "https://shop.example/" });
    let scrape = ada.on(app.post(SCRAPE, &new)).bearer(&app.other_key);
    let got = scrape.send().await;
    assert_ne!(
        got.status.as_u16(),
        202,
        "a key acts for its own customer alone: {}",
        got.text
    );
}

#[tokio::test]
async fn a_session_ends_with_its_account_and_with_every_change_of_its_role() {
    let app = App::start().await;
    let owner = browser(&app, "ada@example.com", "owner", &[]).await;
    let bob = browser(&app, "bob@example.com", "editor", &[app.shop.id]).await;
    let path = format!("/api/users/{}", bob.user);
    let change = |body: Value| {
        let (owner, app, path) = (&owner, &app, &path);
        async move { owner.call(app, Method::PATCH, path, &body).send().await.expect(200) }
    };
    let shop = format!("/api/settings?customer_id={}", app.shop.id);
    bob.call(&app, Method::PATCH, &shop, &json!({ "tone": "formal" }))
        .send()
        .await
        .expect(200);

    change(json!({ "role": "viewer" })).await;
    let late = bob
        .call(&app, Method::PATCH, &shop, &json!({ "tone": "friendly" }))
        .send()
        .await;
    assert_eq!(late.problem(401), "session_ended", "the old role is nowhere left");
    let bob = Browser::of(&log_in(&app, "bob@example.com", PASSWORD).send().await);
    let refused = bob
        .call(&app, Method::PATCH, &shop, &json!({ "tone": "friendly" }))
        .send()
        .await;
    assert_eq!(refused.problem(403), "missing_role");

    let closed = change(json!({ "disabled": true })).await;
    assert!(closed["disabled_at"].is_string());
    assert_eq!(bob.get(&app, &shop).send().await.problem(401), "session_ended");
    assert_eq!(
        log_in(&app, "bob@example.com", PASSWORD).send().await.problem(401),
        "invalid_login"
    );
    change(json!({ "disabled": false })).await;
    let bob = Browser::of(&log_in(&app, "bob@example.com", PASSWORD).send().await);
    owner
        .call(&app, Method::DELETE, &path, &Value::Null)
        .send()
        .await
        .expect(204);
    assert_eq!(
        bob.get(&app, "/api/admin/me").send().await.problem(401),
        "session_ended"
    );
    assert_eq!(
        app.kit.count("SELECT count(*) FROM admin_sessions").await,
        1,
        "the owner's own"
    );
}

#[tokio::test]
async fn a_thousand_logins_at_once_are_all_answered_and_an_account_gets_no_more_than_its_five() {
    let app = App::start().await;
    user(&app, "ada@example.com", "owner", &[]).await;
    let tries = join_all((0..1000).map(|_| log_in(&app, "ada@example.com", "not the password").send())).await;
    let count = |status: u16| tries.iter().filter(|got| got.status.as_u16() == status).count();
    // Whoever finds no connection to the database in time is told so, counted or not.
    assert_eq!(count(401) + count(429) + count(503), 1000);
    assert!(count(401) <= 5 && count(429) > 0, "{} and {}", count(401), count(429));
    let blocked = tries.iter().find(|got| got.status.as_u16() == 429).unwrap();
    assert_eq!(blocked.problem(429), "login_blocked");
    assert!(!blocked.header("retry-after").is_empty());
}

#[tokio::test]
async fn nothing_secret_is_written_down() {
    let app = App::start().await;
    let ada = browser(&app, "ada@example.com", "owner", &[]).await;
    ada.post(&app, "/api/admin/second-factor", &json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(200);
    log_in(&app, "eve@example.com", "not the password")
        .send()
        .await
        .expect(401);
    let token = ada.cookie.split_once('=').unwrap().1;
    let plain = format!("{:02x?}", domain::secrets::sha256(b"eve@example.com"));
    let plain = plain.replace(['[', ']', ',', ' '], "");
    for text in [
        token,
        // What anybody could compute of what was typed.
        &plain[..16],
        PASSWORD,
        "ada@example.com",
        "eve@example.com",
        "not the password",
        &ada.csrf,
    ] {
        let lines = format!("SELECT count(*) FROM audit_logs l WHERE l::text LIKE '%{text}%'");
        assert_eq!(app.kit.count(&lines).await, 0, "{text}");
        let sessions = format!("SELECT count(*) FROM admin_sessions s WHERE s::text LIKE '%{text}%'");
        assert_eq!(app.kit.count(&sessions).await, 0, "{text}");
    }
}
