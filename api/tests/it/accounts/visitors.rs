//! Sessions of the widget: renewed, bound, and ended with what they stand on.
use domain::{
    clock::Clock,
    tenancy::{HostName, VisitorTokens},
};
use poem::http::Method;
use serde_json::{Value, json};

use crate::app::{App, Got};

async fn begin(app: &App, origin: &str, token: Option<&str>) -> Got {
    let call = app
        .post("/api/widget/session", &json!({ "domain": "shop.example" }))
        .header("origin", origin);
    match token {
        Some(token) => call.bearer(token).send().await,
        None => call.send().await,
    }
}

async fn ask(app: &App, session: &Value, origin: &str) -> Got {
    let question = json!({ "message": "Do you rent boats?" });
    let call = app.post("/api/chat", &question).header("origin", origin);
    call.bearer(session["token"].as_str().unwrap()).send().await
}

/// A token that was given out some hours ago, of the session `of`.
fn given(app: &App, hours_ago: i64, of: &Value) -> (String, String) {
    let then = Clock::system().now() - time::Duration::hours(hours_ago);
    let tokens = VisitorTokens::new(&app.kit.config.security.keys, Clock::fixed(then));
    let shop: HostName = "shop.example".parse().unwrap();
    let had = tokens.renewable(of["token"].as_str().unwrap(), &shop).map(|mut had| {
        had.began = then.unix_timestamp();
        had
    });
    let (token, session) = tokens.issue(app.shop.id, had.as_ref(), &shop, &shop, None).unwrap();
    (token, session.session.to_string())
}

const SHOP: &str = "https://shop.example";

#[tokio::test]
async fn a_session_goes_on_under_a_fresh_token_and_the_conversation_with_it() {
    let app = App::start().await;
    let first = begin(&app, SHOP, None).await.expect(200);
    let life = first["expires_in"].as_i64().unwrap();
    assert!((3500..=3600).contains(&life), "{life}");
    let asked = ask(&app, &first, SHOP).await.expect(200);
    let next = begin(&app, SHOP, first["token"].as_str()).await.expect(200);
    assert_eq!(next["session_id"], first["session_id"]);
    assert_eq!(
        next["ends_at"], first["ends_at"],
        "the day is counted from the beginning"
    );
    let path = format!(
        "/api/conversations/{}/messages",
        asked["conversation_id"].as_str().unwrap()
    );
    let turns = app
        .get(&path)
        .header("origin", SHOP)
        .bearer(next["token"].as_str().unwrap())
        .send()
        .await
        .expect(200);
    assert_eq!(turns["items"].as_array().unwrap().len(), 2);

    let (ended, session) = given(&app, 2, &first);
    assert_eq!(
        ask(&app, &json!({ "token": ended }), SHOP).await.problem(401),
        "invalid_session"
    );
    let renewed = begin(&app, SHOP, Some(&ended)).await.expect(200);
    assert_eq!(
        renewed["session_id"].as_str(),
        Some(session.as_str()),
        "who was away for two hours goes on"
    );
    ask(&app, &renewed, SHOP).await.expect(200);
    let (over, session) = given(&app, 25, &first);
    let anew = begin(&app, SHOP, Some(&over)).await.expect(200);
    assert_ne!(
        anew["session_id"].as_str(),
        Some(session.as_str()),
        "after a day it is another session"
    );
}

#[tokio::test]
async fn nobody_goes_on_with_a_session_of_another_page_or_customer() {
    let app = App::start().await;
    let first = begin(&app, SHOP, None).await.expect(200);
    let token = first["token"].as_str().unwrap();
    let foreign = app
        .post("/api/widget/session", &json!({ "domain": "other.example" }))
        .header("origin", "https://other.example");
    let foreign = foreign.bearer(token).send().await.expect(200);
    assert_ne!(foreign["session_id"], first["session_id"]);
    let forged = begin(&app, SHOP, Some(&format!("{token}x"))).await.expect(200);
    assert_ne!(forged["session_id"], first["session_id"]);
    let evil = begin(&app, "https://evil.example", Some(token)).await;
    assert_eq!(evil.problem(403), "origin_not_allowed");
    assert_eq!(
        ask(&app, &first, "https://other.example").await.problem(401),
        "invalid_session"
    );
}

#[tokio::test]
async fn a_session_ends_with_its_domain_and_with_its_customer() {
    let app = App::start().await;
    let add = json!({ "domain": "help.shop.example" });
    let domains = format!("/api/customers/{}/domains", app.shop.id);
    app.post(&domains, &add).admin().send().await.expect(201);
    let vouch = format!("{domains}/help.shop.example/verify?vouch=true");
    app.post(&vouch, &Value::Null).admin().send().await.expect(200);
    let help = "https://help.shop.example";
    let (on_help, on_shop) = (
        begin(&app, help, None).await.expect(200),
        begin(&app, SHOP, None).await.expect(200),
    );
    ask(&app, &on_help, help).await.expect(200);

    unverify(&app, "help.shop.example").await;
    assert_eq!(
        ask(&app, &on_help, help).await.problem(401),
        "invalid_session",
        "its page is no longer the customer's"
    );
    ask(&app, &on_shop, SHOP).await.expect(200);
    assert_eq!(
        begin(&app, help, on_help["token"].as_str()).await.problem(403),
        "origin_not_allowed"
    );

    let gone = app.call(Method::DELETE, &format!("/api/customers/{}", app.shop.id));
    gone.admin().send().await.expect(204);
    assert_eq!(ask(&app, &on_shop, SHOP).await.problem(401), "invalid_session");
}

async fn unverify(app: &App, host: &str) {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};
    let tx = app.kit.db.system().await.unwrap();
    let statement = format!("UPDATE customer_domains SET verified_at = NULL WHERE host = '{host}'");
    tx.execute_raw(Statement::from_string(DbBackend::Postgres, statement))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
