//! Reading the audit log: who may, what it tells, and that deeds are in it.
use domain::tenancy::Scope;
use poem::http::Method;
use serde_json::{Value, json};

use crate::{accounts, app::App};

async fn lines(app: &App, query: &str) -> Vec<Value> {
    let got = app.get(&format!("/api/audit?{query}")).admin().send().await.expect(200);
    got["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_deed_is_found_with_who_when_where_and_by_which_request() {
    let app = App::start().await;
    let new = json!({ "name": "New", "domain": "new.example" });
    let made = app.post("/api/customers", &new).header("x-request-id", "deed-17");
    let made = made.admin().send().await.expect(201);
    let id = made["id"].as_str().unwrap();
    let found = lines(&app, &format!("customer_id={id}&action=customer.*")).await;
    let [line] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (&line["actor"], &line["action"], &line["resource"], &line["request_id"]),
        (
            &json!("admin"),
            &json!("customer.created"),
            &json!(id),
            &json!("deed-17")
        )
    );
    // What a change changed.
    let path = format!("/api/customers/{id}");
    let change = json!({ "name": "Newer", "settings": { "tone": "formal" } });
    let changed = app.call(Method::PATCH, &path).json(&change).admin().send().await;
    changed.expect(200);
    let found = lines(&app, &format!("resource={id}&action=customer.changed")).await;
    assert_eq!(
        found[0]["changes"]["name"],
        json!({ "from": "New", "to": "Newer" }),
        "{found:?}"
    );
    assert_eq!(found[0]["details"].get("changes"), None);
    // What was refused changed nothing, and there is no line of it.
    let before = lines(&app, "").await.len();
    app.post("/api/customers", &new).admin().send().await.problem(409);
    assert_eq!(lines(&app, "").await.len(), before);
}

#[tokio::test]
async fn the_log_is_read_in_pages_and_by_what_is_looked_for() {
    let app = App::start().await;
    for n in 0..5 {
        let new = json!({ "customer_id": app.shop.id, "name": format!("key {n}"), "scopes": ["jobs"] });
        app.post("/api/keys", &new).admin().send().await.expect(201);
    }
    let query = format!("action=key.created&customer_id={}&limit=2", app.shop.id);
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app
            .get(&format!("/api/audit?{query}{cursor}"))
            .admin()
            .send()
            .await
            .expect(200);
        ids.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line["id"].as_i64().unwrap()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    // The kit's own key is the first of these.
    assert_eq!(ids.len(), 6);
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
    assert_eq!(lines(&app, "action=key.created&actor=nobody").await.len(), 0);
    assert_eq!(lines(&app, "until=2001-01-01T00:00:00Z").await.len(), 0);
    let recent = lines(&app, "since=2001-01-01T00:00:00Z&action=key.*&limit=100").await;
    assert_eq!(recent.len(), 7);
    for wrong in ["cursor=x", "limit=0", "customer_id=x", "since=yesterday"] {
        app.get(&format!("/api/audit?{wrong}"))
            .admin()
            .send()
            .await
            .problem(400);
    }
}

#[tokio::test]
async fn an_owner_of_one_customer_reads_the_lines_of_that_customer_alone() {
    let app = App::with(&[("LIMITS", "off")]).await;
    let (shop, other) = (app.shop.id, app.other.id);
    let bob = accounts::browser(&app, "bob@example.com", "owner", &[other]).await;
    // Whose line is the installation's.
    accounts::user(&app, "ada@example.com", "owner", &[]).await;
    for customer in [shop, other] {
        let new = json!({ "customer_id": customer, "name": "one more", "scopes": ["jobs"] });
        app.post("/api/keys", &new).admin().send().await.expect(201);
    }
    let all = lines(&app, "limit=100").await;
    for others in [json!(shop), Value::Null] {
        assert!(all.iter().any(|line| line["customer_id"] == others), "{all:?}");
    }
    let own: Vec<_> = all.iter().filter(|line| line["customer_id"] == json!(other)).collect();
    let newest = all[0]["id"].as_i64().unwrap() + 1;
    let cursor = app.get("/api/audit?limit=1").admin().send().await.expect(200)["next_cursor"].clone();
    for (query, told) in [
        ("limit=100".to_owned(), own.len()),
        (format!("limit=100&customer_id={other}"), own.len()),
        ("limit=100&action=key.created&actor=admin".to_owned(), 1),
        (format!("limit=100&resource={shop}"), 0),
    ] {
        let got = bob.get(&app, &format!("/api/audit?{query}")).send().await.expect(200);
        let got = got["items"].as_array().unwrap();
        assert_eq!(got.len(), told, "{query}: {got:?}");
        assert!(got.iter().all(|line| own.contains(&line)), "{query}: {got:?}");
    }
    // The operator's place in the list leads to nothing else, and another customer's log is not found.
    let path = format!("/api/audit?limit=100&cursor={}", cursor.as_str().unwrap());
    let after = bob.get(&app, &path).send().await.expect(200);
    let after = after["items"].as_array().unwrap().clone();
    assert!(
        after
            .iter()
            .all(|line| own.contains(&line) && line["id"].as_i64() < Some(newest)),
        "{after:?}"
    );
    let foreign = bob.get(&app, &format!("/api/audit?customer_id={shop}")).send().await;
    assert_eq!(foreign.problem(404), "not_found");
}

#[tokio::test]
async fn keys_and_strangers_read_nothing() {
    let app = App::start().await;
    let key = app.kit.key(&app.shop, &[Scope::All]).await;
    assert_eq!(
        app.get("/api/audit").bearer(&key).send().await.problem(403),
        "admin_only"
    );
    app.get("/api/audit").send().await.problem(401);
}
