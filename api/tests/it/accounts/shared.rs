//! One e-mail address with two customers: neither learns of the other, and neither gets into the other's.
use poem::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Browser, PASSWORD, browser, log_in, other};
use crate::app::App;

const THEIRS: &str = "a heron on the far bank";

fn bob(password: &str, of: Uuid) -> Value {
    json!({ "email": "bob@example.com", "name": "Bob", "password": password, "role": "editor", "customers": [of] })
}

#[tokio::test]
async fn who_adds_a_person_learns_nothing_of_accounts_with_another_customer() {
    let app = App::with(&[("LOGIN_FREE_FAILURES", "3")]).await;
    let other = other(&app).await;
    let ours = browser(&app, "ada@example.com", "owner", &[app.shop.id]).await;
    let theirs = browser(&app, "eve@example.com", "owner", &[other]).await;
    let first = ours.post(&app, "/api/users", &bob(PASSWORD, app.shop.id)).send().await;
    let first = first.expect(201);

    // The same answer as for somebody new, the second one included.
    let second = theirs
        .post(&app, "/api/users", &bob(THEIRS, other))
        .send()
        .await
        .expect(201);
    let fields = |made: &Value| made.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&first), fields(&second));
    assert_eq!(
        (&second["email"], &second["customers"]),
        (&json!("bob@example.com"), &json!([other]))
    );
    assert!(second["last_login_at"].is_null());
    for (owner, of) in [(&ours, app.shop.id), (&theirs, other)] {
        let again = owner.post(&app, "/api/users", &bob(PASSWORD, of)).send().await;
        assert_eq!(again.problem(409), "email_taken", "whoever sees the account is told");
        let listed = owner.get(&app, "/api/users").send().await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    }
    let foreign = format!("/api/users/{}", first["id"].as_str().unwrap());
    assert_eq!(theirs.get(&app, &foreign).send().await.problem(404), "not_found");

    // Each password leads to its own customer alone.
    for (password, own, foreign) in [(PASSWORD, app.shop.id, other), (THEIRS, other, app.shop.id)] {
        let bob = Browser::of(&log_in(&app, "bob@example.com", password).send().await);
        let me = bob.get(&app, "/api/admin/me").send().await.expect(200);
        assert_eq!(me["user"]["customers"], json!([own]));
        let at = |of: Uuid| format!("/api/pages?customer_id={of}");
        bob.get(&app, &at(own)).send().await.expect(200);
        assert_eq!(bob.get(&app, &at(foreign)).send().await.problem(404), "not_found");
    }
    // One computation, and one salt: the time of a login does not tell how many there are.
    let salts =
        "SELECT count(DISTINCT split_part(password_hash, '$', 5)) FROM admin_users WHERE email = 'bob@example.com'";
    assert_eq!(app.kit.count(salts).await, 1);
}

#[tokio::test]
async fn an_owner_s_own_account_of_an_address_buys_no_guesses_at_another_s() {
    let app = App::with(&[("LOGIN_FREE_FAILURES", "3")]).await;
    let other = other(&app).await;
    let ours = browser(&app, "ada@example.com", "owner", &[app.shop.id]).await;
    let theirs = browser(&app, "eve@example.com", "owner", &[other]).await;
    ours.post(&app, "/api/users", &bob(PASSWORD, app.shop.id))
        .send()
        .await
        .expect(201);
    let second = theirs
        .post(&app, "/api/users", &bob(THEIRS, other))
        .send()
        .await
        .expect(201);
    let path = format!("/api/users/{}", second["id"].as_str().unwrap());
    // Guesses, with the own account unlocked in between by its password and by its owner.
    for round in 0..4 {
        log_in(&app, "bob@example.com", "a wrong guess of eve").send().await;
        if round % 2 == 0 {
            let reset = json!({ "password": THEIRS });
            theirs.call(&app, Method::PATCH, &path, &reset).send().await.expect(200);
        }
        log_in(&app, "bob@example.com", THEIRS).send().await.expect(200);
    }
    // The right guess comes too late: the account waits, though the other one of the address does not.
    let late = log_in(&app, "bob@example.com", PASSWORD).send().await;
    assert_eq!(late.problem(401), "invalid_login");
    log_in(&app, "bob@example.com", THEIRS).send().await.expect(200);
}

#[tokio::test]
async fn an_owner_reads_who_changed_whom_and_nothing_of_another_s_people() {
    let app = App::start().await;
    let other = other(&app).await;
    let ours = browser(&app, "ada@example.com", "owner", &[app.shop.id]).await;
    let both = json!({ "email": "bob@example.com", "name": "Bob", "password": PASSWORD, "role": "viewer", "customers": [app.shop.id, other] });
    let made = app.post("/api/users", &both).admin().send().await.expect(201);
    let path = format!("/api/users/{}", made["id"].as_str().unwrap());
    let change = json!({ "role": "editor" });
    app.call(Method::PATCH, &path)
        .json(&change)
        .admin()
        .send()
        .await
        .expect(200);
    let read = format!("/api/audit?customer_id={}&action=user.*", app.shop.id);
    let lines = ours.get(&app, &read).send().await;
    let items = lines.expect(200)["items"].as_array().unwrap().clone();
    let changed = items.iter().find(|line| line["action"] == "user.changed").unwrap();
    assert_eq!(changed["changes"]["role"], json!({ "from": "viewer", "to": "editor" }));
    assert!(!lines.text.contains(&other.to_string()), "{}", lines.text);
    app.call(Method::DELETE, &path).admin().send().await.expect(204);
    let gone = ours.get(&app, &read).send().await.expect(200);
    assert_eq!(gone["items"][0]["action"], "user.deleted");
}

/// The own account of an address, with a second factor that asks for a code each time, tells nothing of another's.
#[tokio::test]
async fn an_owner_s_own_account_of_an_address_tells_of_no_other() {
    let app = App::with(&[("LOGIN_FREE_FAILURES", "3"), ("LIMITS", "off")]).await;
    let other = other(&app).await;
    let ours = browser(&app, "ada@example.com", "owner", &[app.shop.id]).await;
    let theirs = browser(&app, "eve@example.com", "owner", &[other]).await;
    ours.post(&app, "/api/users", &bob(PASSWORD, app.shop.id))
        .send()
        .await
        .expect(201);
    let mut seen = Vec::new();
    for address in ["bob@example.com", "nobody@example.com"] {
        let mut new = bob(THEIRS, other);
        new["email"] = address.into();
        theirs.post(&app, "/api/users", &new).send().await.expect(201);
        let own = Browser::of(&log_in(&app, address, THEIRS).send().await);
        let enrol = json!({ "password": THEIRS });
        let enrolled = own
            .post(&app, "/api/admin/second-factor", &enrol)
            .send()
            .await
            .expect(200);
        let now = domain::clock::Clock::system().now().unix_timestamp();
        let code = domain::tenancy::code_at(enrolled["secret"].as_str().unwrap(), now).unwrap();
        own.post(&app, "/api/admin/second-factor/confirm", &json!({ "code": code }))
            .send()
            .await
            .expect(200);
        if address.starts_with("bob") {
            // Whoever else has the address logs in meanwhile.
            log_in(&app, address, "a wrong guess").send().await.problem(401);
            log_in(&app, address, PASSWORD).send().await.expect(200);
        } else {
            log_in(&app, address, "a wrong guess").send().await.problem(401);
        }
        let mut told = Vec::new();
        for _ in 0..3 {
            told.push(log_in(&app, address, THEIRS).send().await.status.as_u16());
        }
        for code in ["000000", "000001", "000002", "000003"] {
            let body = json!({ "email": address, "password": THEIRS, "code": code });
            told.push(app.post("/api/admin/login", &body).send().await.status.as_u16());
        }
        for _ in 0..4 {
            let wrong = log_in(&app, address, "a wrong guess").send().await;
            told.push(wrong.status.as_u16());
        }
        seen.push(told);
    }
    assert_eq!(seen[0], seen[1], "whether there is another account of the address");
    assert_eq!(seen[0], [202, 202, 202, 401, 401, 401, 429, 401, 401, 429, 429]);
}

#[tokio::test]
async fn a_customer_s_owner_reads_of_its_people_s_logins_and_of_nobody_else_s() {
    let app = App::start().await;
    let other = other(&app).await;
    let ours = browser(&app, "ada@example.com", "owner", &[app.shop.id]).await;
    let theirs = browser(&app, "eve@example.com", "owner", &[other]).await;
    for (owner, password, of) in [(&ours, PASSWORD, app.shop.id), (&theirs, THEIRS, other)] {
        owner
            .post(&app, "/api/users", &bob(password, of))
            .send()
            .await
            .expect(201);
    }
    let first = log_in(&app, "bob@example.com", PASSWORD).send().await;
    let (bob, device) = (Browser::of(&first), first.expect(200)["device"].clone());
    // A wrong password is the address's, which both have; from a known browser it is the account's.
    log_in(&app, "bob@example.com", "a wrong guess")
        .send()
        .await
        .problem(401);
    let known = json!({ "email": "bob@example.com", "password": "a wrong guess", "device": device });
    app.post("/api/admin/login", &known).send().await.problem(401);
    bob.post(&app, "/api/admin/logout", &Value::Null).send().await;
    let lines = async |owner: &Browser, of: Uuid| -> Vec<String> {
        let read = format!("/api/audit?customer_id={of}&action=admin.*");
        let listed = owner.get(&app, &read).send().await.expect(200);
        let items = listed["items"].as_array().unwrap().clone();
        let of_bob = items.iter().filter(|line| line["resource"] == bob.user.to_string());
        of_bob.map(|line| line["action"].as_str().unwrap().to_owned()).collect()
    };
    let seen = lines(&ours, app.shop.id).await;
    assert_eq!(seen, ["admin.logout", "admin.login_failed", "admin.login"]);
    assert!(lines(&theirs, other).await.is_empty());
    let told = theirs
        .get(&app, &format!("/api/audit?customer_id={other}&action=admin.*"))
        .send()
        .await;
    let told = told.expect(200);
    let failures = told["items"].as_array().unwrap().iter();
    assert_eq!(
        failures.filter(|line| line["action"] == "admin.login_failed").count(),
        0
    );
}
