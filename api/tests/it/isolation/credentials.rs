//! Every call with every kind of credential. What is to come of it follows from the call's own `security` in the contract: 401 for
//! what is no credential, 403 for one of another kind or without the scope, and no refusal for those that it lists.
use domain::{
    clock::Clock,
    tenancy::{HostName, Scope, VisitorTokens},
};
use poem::Response;
use sea_orm::ConnectionTrait;
use std::collections::BTreeSet;
use testkit::{ADMIN_TOKEN, CRON_SECRET};

use super::{
    contract::{CONTRACT, Operation},
    scene::{ORIGIN, OTHER_ORIGIN, SCOPES, unlimited},
};
use crate::{
    accounts::browser,
    app::{App, Call},
};

/// A credential as it is presented.
struct Presented {
    what: &'static str,
    /// The scheme that it is valid for; none for what is no credential.
    valid_for: Option<&'static str>,
    headers: Vec<(&'static str, String)>,
}

impl Presented {
    fn new(what: &'static str, valid_for: Option<&'static str>, bearer: &str) -> Self {
        Self {
            what,
            valid_for,
            headers: vec![("authorization", format!("Bearer {bearer}"))],
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn on<'a>(&self, call: Call<'a>) -> Call<'a> {
        self.headers
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value))
    }
}

/// What is no credential, whatever it looks like.
async fn invalid(app: &App) -> Vec<Presented> {
    let tokens = |clock| VisitorTokens::new(&app.kit.config.security.keys, clock);
    let shop: HostName = "shop.example".parse().unwrap();
    let past = Clock::fixed(Clock::system().now() - time::Duration::days(30));
    let (ended, _) = tokens(past).issue(app.shop.id, None, &shop, &shop, None).unwrap();
    let other_installation = VisitorTokens::new(b"another installation's", Clock::system());
    let (forged, _) = other_installation.issue(app.shop.id, None, &shop, &shop, None).unwrap();
    let (good, _) = tokens(Clock::system())
        .issue(app.shop.id, None, &shop, &shop, None)
        .unwrap();
    let [expired, revoked] = [ended_key(app, "expires_at").await, ended_key(app, "revoked_at").await];
    let none = |what| Presented {
        what,
        valid_for: None,
        headers: vec![],
    };
    vec![
        none("nothing"),
        none("a token outside of its header")
            .with("cookie", &format!("admin_token={ADMIN_TOKEN}; api_key={}", app.key))
            .with("x-api-key", &app.key),
        none("a session that never was").with("cookie", "omniops_local=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        none("another scheme").with("authorization", &format!("Basic {ADMIN_TOKEN}")),
        Presented::new("nothing after the scheme", None, ""),
        Presented::new("garbage", None, "garbage"),
        Presented::new("a key that never was", None, &format!("omni_{}", "A".repeat(43))),
        Presented::new("the beginning of a key", None, &app.key[..app.key.len() - 1]),
        Presented::new("the admin token and more", None, &format!("{ADMIN_TOKEN}x")),
        Presented::new("an expired key", None, &expired),
        Presented::new("a revoked key", None, &revoked),
        Presented::new("a visitor's token that has ended", None, &ended).with("origin", ORIGIN),
        Presented::new("a visitor's token of another installation", None, &forged).with("origin", ORIGIN),
        Presented::new("a visitor's token at another customer's site", None, &good).with("origin", OTHER_ORIGIN),
        Presented::new("a visitor's token at a stranger's site", None, &good).with("origin", "https://evil.example"),
        Presented::new("a visitor's token without a site", None, &good),
    ]
}

/// A key of `shop` whose end, by this column, was an hour ago.
async fn ended_key(app: &App, column: &str) -> String {
    let key = app.kit.key(&app.shop, &[Scope::All]).await;
    let end = format!("UPDATE api_keys SET {column} = now() - interval '1 hour' WHERE secret_hash = sha256('{key}')");
    let tx = app.kit.db.system().await.unwrap();
    let done = tx.execute_unprepared(&end).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    tx.commit().await.unwrap();
    key
}

/// One of each kind that is good for something.
async fn valid(app: &App) -> Vec<Presented> {
    let session = app.session().await;
    vec![
        owner(app).await,
        Presented::new("the admin token", Some("admin_token"), ADMIN_TOKEN),
        Presented::new("the cron secret", Some("cron_secret"), CRON_SECRET),
        Presented::new("a key for everything", Some("api_key"), &app.key),
        Presented::new(
            "a visitor's token",
            Some("widget_session"),
            session["token"].as_str().unwrap(),
        )
        .with("origin", ORIGIN),
    ]
}

/// A session of somebody who owns the installation.
async fn owner(app: &App) -> Presented {
    let email = format!("owner-{}@installation.example", uuid::Uuid::now_v7().simple());
    let owner = browser(app, &email, "owner", &[]).await;
    Presented {
        what: "an owner's session",
        valid_for: Some("admin_session"),
        headers: vec![("cookie", owner.cookie), ("x-csrf-token", owner.csrf)],
    }
}

/// The call with ids of nothing, so that whoever gets in changes nothing.
async fn send(app: &App, operation: &Operation, presented: &Presented) -> (u16, String) {
    let customer = app.shop.id.to_string();
    let url = operation.asking(&operation.unknown(), &[("customer_id", &customer)]);
    let call = presented.on(app.call(operation.method.clone(), &url).json(&operation.body()));
    let response = call.open().await;
    (response.status().as_u16(), code(response).await)
}

/// The problem's code; nothing for other answers, whose bodies may never end.
async fn code(response: Response) -> String {
    if response.content_type() != Some("application/problem+json") {
        return String::new();
    }
    let body = response.into_body().into_json::<serde_json::Value>().await.unwrap();
    body["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_call_takes_what_is_no_credential() {
    let app = unlimited().await;
    let presented = invalid(&app).await;
    let mut tried = 0;
    for operation in CONTRACT.operations.iter().filter(|operation| !operation.is_public()) {
        for presented in &presented {
            let (status, code) = send(&app, operation, presented).await;
            assert_eq!(status, 401, "{} with {}: {code}", operation.id, presented.what);
            tried += 1;
        }
    }
    assert!(tried >= 60 * presented.len(), "{tried}");
}

#[tokio::test]
async fn every_call_takes_the_credentials_that_the_contract_lists_and_no_other() {
    let app = unlimited().await;
    let mut presented = valid(&app).await;
    for operation in &CONTRACT.operations {
        for presented in &mut presented {
            let (mut status, mut code) = send(&app, operation, presented).await;
            if code == "session_ended" {
                // By the last call, such as logging out; a new one must do.
                *presented = owner(&app).await;
                (status, code) = send(&app, operation, presented).await;
            }
            let told = format!("{} with {}: {status} {code}", operation.id, presented.what);
            assert!(
                status < 500 && code != "no_such_route" && code != "method_not_allowed",
                "{told}"
            );
            let scheme = presented.valid_for.unwrap();
            if operation.takes(scheme) {
                // A made-up password or code is wrong for whoever is logged in.
                let confirmed = !["wrong_password", "wrong_code"].contains(&code.as_str());
                assert!(![401, 403].contains(&status) || !confirmed, "{told}");
            } else if !operation.is_public() {
                let other_kind = scheme == "cron_secret" || operation.is_signed();
                assert!(status == 403 || (status == 401 && other_kind), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn each_call_with_a_key_needs_one_of_few_scopes() {
    let app = unlimited().await;
    let mut keys = Vec::new();
    for scope in SCOPES {
        keys.push(app.kit.key(&app.shop, &[scope]).await);
    }
    for operation in CONTRACT
        .operations
        .iter()
        .filter(|operation| operation.takes("api_key"))
    {
        let mut granting = 0;
        for key in &keys {
            let presented = Presented::new("a key with one scope", Some("api_key"), key);
            let (status, code) = send(&app, operation, &presented).await;
            assert!(status < 500 && status != 401, "{}: {status} {code}", operation.id);
            if status == 403 {
                assert_eq!(code, "missing_scope", "{}", operation.id);
            } else {
                granting += 1;
            }
        }
        assert!(granting <= 2, "{} is open to {granting} scopes", operation.id);
    }
}

#[test]
fn the_contract_names_the_credentials_that_are_tried_here() {
    let tried = [
        "admin_session",
        "admin_token",
        "api_key",
        "cron_secret",
        "widget_session",
        // Of bodies, which are signed one by one: `shops` tries these.
        "shopify_signature",
        "woocommerce_signature",
    ];
    let untried: Vec<_> = CONTRACT
        .schemes
        .iter()
        .filter(|scheme| !tried.contains(&scheme.as_str()))
        .collect();
    assert!(untried.is_empty(), "{untried:?}");
    let operations = CONTRACT.operations.iter();
    let public: BTreeSet<&str> = operations.filter(|o| o.is_public()).map(|o| o.id.as_str()).collect();
    let reviewed = ["begin_session", "health", "log_in", "ready"].into();
    assert_eq!(public, reviewed, "calls that need no credential");
}
