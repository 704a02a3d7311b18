//! Logging in and out, the own password and second factor.
use domain::tenancy::code_at;
use poem::http::Method;
use serde_json::{Value, json};

use super::{Browser, PASSWORD, browser, log_in, user};
use crate::app::App;

fn code(secret: &str, steps: i64) -> String {
    let now = domain::clock::Clock::system().now().unix_timestamp();
    code_at(secret, now + 30 * steps).unwrap()
}

#[tokio::test]
async fn the_token_makes_the_first_owner_who_does_the_rest() {
    let app = App::start().await;
    let owner = browser(&app, "Ada@Example.com", "owner", &[]).await;
    let me = owner.get(&app, "/api/admin/me").send().await.expect(200);
    assert_eq!(
        (&me["user"]["email"], &me["user"]["installation"]),
        (&json!("ada@example.com"), &json!(true))
    );
    assert_eq!(me["csrf_token"], owner.csrf.as_str());
    let bob = json!({ "email": "bob@example.com", "name": "Bob", "password": PASSWORD, "role": "editor", "customers": [app.shop.id] });
    let got = owner.post(&app, "/api/users", &bob).send().await;
    let made = got.expect(201);
    assert!(
        !got.text.contains("argon2") && !got.text.contains(PASSWORD),
        "{}",
        got.text
    );
    assert_eq!(
        got.header("location"),
        format!("/api/users/{}", made["id"].as_str().unwrap())
    );
    assert_eq!(
        owner.post(&app, "/api/users", &bob).send().await.problem(409),
        "email_taken"
    );
    let listed = owner.get(&app, "/api/users").send().await;
    assert_eq!(listed.expect(200)["items"].as_array().unwrap().len(), 2);
    assert!(!listed.text.contains("argon2"), "{}", listed.text);
    let new = json!({ "name": "New", "domain": "new.example" });
    owner.post(&app, "/api/customers", &new).send().await.expect(201);
    owner.get(&app, "/api/queue/stats").send().await.expect(200);
    let path = format!("/api/jobs?customer_id={}", app.shop.id);
    owner.get(&app, &path).send().await.expect(200);

    let lines = "SELECT count(*) FROM audit_logs WHERE actor = 'user:";
    let own = format!(
        "{lines}{}' AND action IN ('admin.login', 'user.created', 'customer.created')",
        owner.user
    );
    assert_eq!(app.kit.count(&own).await, 3);
}

#[tokio::test]
async fn what_is_no_account_to_be_is_refused() {
    let app = App::start().await;
    let good = json!({ "email": "ada@example.com", "name": "Ada", "password": PASSWORD, "role": "owner", "installation": true });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (field, value) in [
        ("email", json!("ada")),
        ("email", json!("ada@example.com\r\nBcc: eve@example.com")),
        ("name", json!("Ada\r\nSet-Cookie: omniops_local=x")),
        ("name", json!(" ")),
        ("password", json!("short")),
        ("password", json!("Password12345")),
        ("password", json!("ada@example.com")),
        ("role", json!("admin")),
        ("role", json!("editor")),
        ("installation", json!(false)),
        ("customers", json!([app.shop.id])),
    ] {
        let got = app.post("/api/users", &with(field, value.clone())).admin().send().await;
        assert_eq!(got.problem(400), "invalid_request", "{field}: {value}");
        let secret = got.text.contains("Password12345") || got.text.contains("short\"");
        assert!(!secret, "{}", got.text);
    }
    let nobody = json!({ "email": "a@b.example", "name": "A", "password": PASSWORD, "role": "viewer", "customers": [uuid::Uuid::nil()] });
    assert_eq!(
        app.post("/api/users", &nobody).admin().send().await.problem(404),
        "not_found"
    );
    assert_eq!(app.kit.count("SELECT count(*) FROM admin_users").await, 0);
}

#[tokio::test]
async fn the_cookie_is_out_of_scripts_reach_and_logging_out_ends_the_session() {
    let app = App::start().await;
    user(&app, "ada@example.com", "owner", &[]).await;
    let got = log_in(&app, "ada@example.com", PASSWORD).send().await;
    let cookie = got.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert_eq!(got.header("cache-control"), "no-store, must-revalidate");
    let ada = Browser::of(&got);
    assert!(
        !got.text.contains(ada.cookie.split_once('=').unwrap().1),
        "the token stands in the cookie alone"
    );
    let out = ada.post(&app, "/api/admin/logout", &Value::Null).send().await;
    out.expect(204);
    assert!(out.header("set-cookie").starts_with("omniops_local=; ") && out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(
        ada.get(&app, "/api/admin/me").send().await.problem(401),
        "session_ended"
    );

    let app = App::with(&[("PUBLIC_URL", "https://help.example")]).await;
    user(&app, "ada@example.com", "owner", &[]).await;
    let got = log_in(&app, "ada@example.com", PASSWORD)
        .header("origin", "https://help.example")
        .send()
        .await;
    got.expect(200);
    assert!(got.header("set-cookie").starts_with("__Host-omniops=") && got.header("set-cookie").contains("Secure"));
}

#[tokio::test]
async fn over_plain_http_people_log_in_on_this_machine_only() {
    let app = App::with(&[("PUBLIC_URL", "http://help.example")]).await;
    user(&app, "ada@example.com", "owner", &[]).await;
    let got = log_in(&app, "ada@example.com", PASSWORD).send().await;
    assert_eq!(got.problem(403), "https_required");
    assert_eq!(got.header("set-cookie"), "");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_second_factor_is_turned_on_asked_for_in_one_step_or_two_and_turned_off() {
    let app = App::start().await;
    let ada = browser(&app, "ada@example.com", "owner", &[]).await;
    let again = json!({ "password": PASSWORD });
    let wrong = ada
        .post(
            &app,
            "/api/admin/second-factor",
            &json!({ "password": "not the password" }),
        )
        .send()
        .await;
    assert_eq!(wrong.problem(403), "wrong_password");
    let begun = ada
        .post(&app, "/api/admin/second-factor", &again)
        .send()
        .await
        .expect(200);
    let secret = begun["secret"].as_str().unwrap();
    assert!(begun["uri"].as_str().unwrap().contains(secret));
    let wrong = ada
        .post(&app, "/api/admin/second-factor/confirm", &json!({ "code": "000 000" }))
        .send()
        .await;
    assert_eq!(wrong.problem(403), "wrong_code");
    let noted = format!(
        "SELECT count(*) FROM audit_logs WHERE action = 'admin.login_failed' AND metadata->>'wrong' = 'code' AND resource = '{}'",
        ada.user
    );
    assert_eq!(app.kit.count(&noted).await, 1, "a wrong code is in the log");
    // The code of the next step is taken as well, so that the two codes of this test differ.
    let confirm = json!({ "code": code(secret, 0) });
    let on = ada
        .post(&app, "/api/admin/second-factor/confirm", &confirm)
        .send()
        .await;
    assert_eq!(on.expect(200)["recovery_codes"].as_array().unwrap().len(), 10);
    let recovery = on.expect(200)["recovery_codes"][3].clone();
    assert_eq!(
        ada.get(&app, "/api/admin/me").send().await.problem(401),
        "session_ended",
        "the session is a new one"
    );

    let first = log_in(&app, "ada@example.com", PASSWORD).send().await;
    let challenge = first.expect(202)["challenge"].clone();
    assert_eq!(first.header("set-cookie"), "", "no session before the code");
    let second = json!({ "challenge": challenge, "code": code(secret, 1) });
    let inside = Browser::of(&app.post("/api/admin/login", &second).send().await);
    assert_eq!(
        app.post("/api/admin/login", &second).send().await.problem(401),
        "invalid_login",
        "a code is good once"
    );
    let at_once = json!({ "email": "ada@example.com", "password": PASSWORD, "code": recovery });
    Browser::of(&app.post("/api/admin/login", &at_once).send().await);
    assert_eq!(
        inside
            .post(&app, "/api/admin/second-factor", &again)
            .send()
            .await
            .problem(409),
        "second_factor_on"
    );
    for odd in [
        json!({}),
        json!({ "email": "ada@example.com" }),
        json!({ "challenge": "x", "code": "1", "email": "a@b" }),
    ] {
        assert_eq!(
            app.post("/api/admin/login", &odd).send().await.problem(400),
            "invalid_request"
        );
    }

    let codes = on.expect(200)["recovery_codes"].clone();
    let off = json!({ "password": PASSWORD, "code": "000 000" });
    let got = inside.call(&app, Method::DELETE, "/api/admin/second-factor", &off);
    assert_eq!(got.send().await.problem(403), "wrong_code");
    assert_eq!(app.kit.count(&noted).await, 3, "this one, and the used one of a login");
    let off = json!({ "password": PASSWORD, "code": codes[4] });
    let got = inside
        .call(&app, Method::DELETE, "/api/admin/second-factor", &off)
        .send()
        .await;
    let inside = Browser::of(&got);
    assert_eq!(
        inside.get(&app, "/api/admin/me").send().await.expect(200)["user"]["second_factor"],
        false
    );
    Browser::of(&log_in(&app, "ada@example.com", PASSWORD).send().await);
    let kept = "SELECT count(*) FROM admin_users WHERE totp_secret IS NOT NULL";
    assert_eq!(
        app.kit.count(kept).await + app.kit.count("SELECT count(*) FROM admin_recovery_codes").await,
        0
    );
}

#[tokio::test]
async fn an_owner_helps_somebody_who_has_lost_the_app() {
    let app = App::start().await;
    let (ada, bob) = (
        browser(&app, "ada@example.com", "owner", &[]).await,
        browser(&app, "bob@example.com", "viewer", &[app.shop.id]).await,
    );
    let begun = bob
        .post(&app, "/api/admin/second-factor", &json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(200);
    let confirm = json!({ "code": code(begun["secret"].as_str().unwrap(), 0) });
    bob.post(&app, "/api/admin/second-factor/confirm", &confirm)
        .send()
        .await
        .expect(200);
    let path = format!("/api/users/{}/second-factor", bob.user);
    let helped = ada
        .call(&app, Method::DELETE, &path, &Value::Null)
        .send()
        .await
        .expect(200);
    assert_eq!(helped["second_factor"], false);
    log_in(&app, "bob@example.com", PASSWORD).send().await.expect(200);
    for (method, path, body) in [
        (
            Method::DELETE,
            format!("/api/users/{}/second-factor", ada.user),
            Value::Null,
        ),
        (Method::DELETE, format!("/api/users/{}", ada.user), Value::Null),
        (
            Method::PATCH,
            format!("/api/users/{}", ada.user),
            json!({ "disabled": true }),
        ),
        (
            Method::PATCH,
            format!("/api/users/{}", ada.user),
            json!({ "password": "another kayak upstairs" }),
        ),
    ] {
        let got = ada.call(&app, method, &path, &body).send().await;
        assert_eq!(got.problem(409), "own_account", "{path}");
    }
}

#[tokio::test]
async fn the_own_password_is_changed_with_the_old_one() {
    let app = App::start().await;
    let ada = browser(&app, "ada@example.com", "owner", &[]).await;
    let elsewhere = Browser::of(&log_in(&app, "ada@example.com", PASSWORD).send().await);
    let change = |old: &str, new: &str| json!({ "old_password": old, "new_password": new });
    let next = "another kayak upstairs";
    let wrong = ada
        .post(&app, "/api/admin/password", &change("not the password", next))
        .send()
        .await;
    assert_eq!(wrong.problem(403), "wrong_password");
    let weak = ada
        .post(&app, "/api/admin/password", &change(PASSWORD, "short"))
        .send()
        .await
        .expect(400);
    assert_eq!(weak["errors"][0]["field"], "new_password");
    let changed = ada
        .post(&app, "/api/admin/password", &change(PASSWORD, next))
        .send()
        .await;
    let ada_after = Browser::of(&changed);
    for (gone, what) in [(&ada, "the session before"), (&elsewhere, "the other one")] {
        assert_eq!(
            gone.get(&app, "/api/admin/me").send().await.problem(401),
            "session_ended",
            "{what}"
        );
    }
    ada_after.get(&app, "/api/admin/me").send().await.expect(200);
    assert_eq!(
        log_in(&app, "ada@example.com", PASSWORD).send().await.problem(401),
        "invalid_login"
    );
    Browser::of(&log_in(&app, "ada@example.com", next).send().await);
}
