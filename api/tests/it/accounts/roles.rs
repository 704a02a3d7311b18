//! What each role may do, tried on every call of the contract; a call that it gains is tried here as well.
use poem::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

use super::{Browser, browser, other, user};
use crate::app::App;

/// A call that a person's session is taken for.
struct Operation {
    id: String,
    method: Method,
    path: String,
    /// Whether keys of customers may make it as well.
    keys: bool,
    /// Whether `?customer_id=` says whose things are meant.
    names_customer: bool,
}

/// All but those about the own account.
fn operations() -> Vec<Operation> {
    let contract: Value = serde_yaml::from_str(&api::openapi_yaml()).unwrap();
    let mut all = Vec::new();
    for (path, methods) in contract["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = operation["security"].as_array().cloned().unwrap_or_default();
            let takes = |scheme: &str| security.iter().any(|one| one.get(scheme).is_some());
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            if takes("admin_session") && !path.starts_with("/api/admin/") {
                all.push(Operation {
                    id: operation["operationId"].as_str().unwrap().to_owned(),
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.clone(),
                    keys: takes("api_key"),
                    names_customer: parameters.iter().any(|one| one["name"] == "customer_id"),
                });
            }
        }
    }
    assert!(all.len() > 50, "{}", all.len());
    all
}

/// The least role, by what the call is about: the table of docs/API.md, said once more.
fn least(operation: &Operation) -> &'static str {
    let reads = operation.method == Method::GET;
    let path = operation.path.as_str();
    let within = |prefix: &str| path == prefix || path.starts_with(&format!("{prefix}/"));
    if within("/api/keys") || within("/api/users") || within("/api/audit") || within("/api/gdpr") {
        return "owner";
    }
    if operation.keys {
        let owners = within("/api/outbound-webhooks") || within("/api/connections") || path.contains("/domains");
        return match (reads, owners) {
            (true, _) => "viewer",
            (false, true) => "owner",
            (false, false) => "editor",
        };
    }
    match operation.id.as_str() {
        "list_customers" | "get_customer" => "viewer",
        "change_customer" => "owner",
        _ => "installation",
    }
}

/// The call with ids of nobody and a body that is right for none, so that nothing but the permission decides.
async fn outcome(app: &App, browser: &Browser, operation: &Operation, customer: Uuid) -> (u16, String) {
    let nobody = Uuid::nil().to_string();
    let mut path = operation.path.clone();
    for (name, value) in [
        ("{host}", "nobody.example"),
        ("{name}", "scrape"),
        ("{delivery}", &nobody),
        ("{n}", "1"),
    ] {
        path = path.replace(name, value);
    }
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, &nobody);
    }
    let path = format!("{path}?customer_id={customer}&q=x");
    let call = browser.call(app, operation.method.clone(), &path, &json!({ "nonsense": 1 }));
    let got = call.send().await;
    let problem: Value = serde_json::from_str(&got.text).unwrap_or_default();
    (
        got.status.as_u16(),
        problem["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn every_call_is_for_its_least_role_and_those_above() {
    let app = App::with(&[("LIMITS", "off")]).await;
    let shop = app.shop.id;
    let people = [
        ("viewer", browser(&app, "viewer@example.com", "viewer", &[shop]).await),
        ("editor", browser(&app, "editor@example.com", "editor", &[shop]).await),
        ("owner", browser(&app, "owner@example.com", "owner", &[shop]).await),
        ("installation", browser(&app, "all@example.com", "owner", &[]).await),
    ];
    let ranks = people.each_ref().map(|(role, _)| *role);
    let rank = |role: &str| ranks.iter().position(|one| *one == role).unwrap();
    let mut seen = BTreeSet::new();
    for operation in operations() {
        let least = least(&operation);
        seen.insert(least);
        for (role, browser) in &people {
            let (status, code) = outcome(&app, browser, &operation, shop).await;
            let refused = code == "missing_role";
            assert_eq!(
                refused,
                rank(role) < rank(least),
                "{} as {role}: {status} {code}",
                operation.id
            );
            assert!(!refused || status == 403, "{}: {status}", operation.id);
            assert!(
                status != 401 && status < 500,
                "{} as {role}: {status} {code}",
                operation.id
            );
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[tokio::test]
async fn a_person_of_one_customer_finds_nothing_of_another() {
    let app = App::with(&[("LIMITS", "off")]).await;
    let other = other(&app).await;
    let bob = browser(&app, "bob@example.com", "owner", &[other]).await;
    let mut stewards = BTreeSet::new();
    for operation in operations().iter().filter(|one| one.keys || one.names_customer) {
        let (status, code) = outcome(&app, &bob, operation, app.shop.id).await;
        let by_path = operation.path.starts_with("/api/customers/");
        // What is the installation's own he may not do for anybody.
        let above = least(operation) == "installation" && code == "missing_role";
        assert!(
            status == 404 && code == "not_found" || by_path && status == 400 || above,
            "{}: {status} {code}",
            operation.id
        );
        if !operation.keys && !above {
            stewards.insert(operation.id.clone());
        }
    }
    assert_eq!(stewards, BTreeSet::from(["list_audit", "list_keys"].map(str::to_owned)));
    let customers = bob.get(&app, "/api/customers").send().await.expect(200);
    let hosts: Vec<_> = customers["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["domain"].as_str().unwrap())
        .collect();
    assert_eq!(hosts, ["other.example"]);
    let foreign = format!("/api/customers/{}", app.shop.id);
    assert_eq!(bob.get(&app, &foreign).send().await.problem(404), "not_found");
    let renamed = bob
        .call(&app, Method::PATCH, &foreign, &json!({ "name": "Mine" }))
        .send()
        .await;
    assert_eq!(renamed.problem(404), "not_found");
    let domains = bob
        .post(
            &app,
            &format!("{foreign}/domains"),
            &json!({ "domain": "more.example" }),
        )
        .send()
        .await;
    assert_eq!(domains.problem(404), "not_found");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn an_owner_of_one_customer_rules_over_its_keys_and_people_alone() {
    let app = App::with(&[("LIMITS", "off")]).await;
    let (shop, other) = (app.shop.id, other(&app).await);
    let bob = browser(&app, "bob@example.com", "owner", &[other]).await;
    let owner = user(&app, "ada@example.com", "owner", &[]).await;
    let both = user(&app, "both@example.com", "viewer", &[shop, other]).await;
    let own = user(&app, "own@example.com", "viewer", &[other]).await;

    let listed = bob.get(&app, "/api/users").send().await.expect(200);
    let ids: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    // Whoever may read what is the customer's is shown to its owner, without a word of other customers.
    assert_eq!(ids, [bob.user.to_string(), both.to_string(), own.to_string()]);
    let shared = format!("/api/users/{both}");
    for seen in [&listed["items"][1], &bob.get(&app, &shared).send().await.expect(200)] {
        assert_eq!(
            (&seen["email"], &seen["customers"]),
            (&json!("both@example.com"), &json!([other]))
        );
    }
    for change in [
        json!({ "role": "viewer" }),
        json!({ "password": "another kayak upstairs" }),
        json!({ "disabled": true }),
    ] {
        let got = bob.call(&app, Method::PATCH, &shared, &change).send().await;
        assert_eq!(got.problem(409), "shared_account", "{change}");
    }
    let remove = async || bob.call(&app, Method::DELETE, &shared, &Value::Null).send().await;
    remove().await.expect(204);
    assert_eq!(remove().await.problem(404), "not_found");
    let left = app.get(&shared).admin().send().await.expect(200);
    assert_eq!(left["customers"], json!([shop]), "it goes on for the other customer");
    {
        let foreign = owner;
        let path = format!("/api/users/{foreign}");
        assert_eq!(bob.get(&app, &path).send().await.problem(404), "not_found");
        for change in [
            json!({ "role": "viewer" }),
            json!({ "password": "another kayak upstairs" }),
            json!({ "disabled": true }),
        ] {
            let got = bob.call(&app, Method::PATCH, &path, &change).send().await;
            assert_eq!(got.problem(404), "not_found", "{change}");
        }
        assert_eq!(
            bob.call(&app, Method::DELETE, &path, &Value::Null)
                .send()
                .await
                .problem(404),
            "not_found"
        );
        let path = format!("{path}/second-factor");
        assert_eq!(
            bob.call(&app, Method::DELETE, &path, &Value::Null)
                .send()
                .await
                .problem(404),
            "not_found"
        );
    }
    let path = format!("/api/users/{own}");
    for (change, status) in [
        (json!({ "customers": [shop] }), 404),
        (json!({ "customers": [other, shop] }), 404),
        (json!({ "role": "owner", "installation": true }), 400),
        (json!({ "role": "owner" }), 200),
    ] {
        let got = bob.call(&app, Method::PATCH, &path, &change).send().await;
        assert_eq!(got.status.as_u16(), status, "{change}: {}", got.text);
    }
    let new = |customers: Value| json!({ "email": "new@example.com", "name": "New", "password": super::PASSWORD, "role": "viewer", "customers": customers });
    assert_eq!(
        bob.post(&app, "/api/users", &new(json!([shop])))
            .send()
            .await
            .problem(404),
        "not_found"
    );
    bob.post(&app, "/api/users", &new(json!([other])))
        .send()
        .await
        .expect(201);

    let keys = bob.get(&app, "/api/keys").send().await.expect(200);
    let owners: BTreeSet<_> = keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["customer_id"].as_str().unwrap())
        .collect();
    assert_eq!(owners, BTreeSet::from([other.to_string().as_str()]));
    let foreign = app
        .get(&format!("/api/keys?customer_id={shop}"))
        .admin()
        .send()
        .await
        .expect(200);
    let id = foreign["items"][0]["id"].as_str().unwrap();
    let key = json!({ "customer_id": shop, "name": "stolen", "scopes": ["*"] });
    assert_eq!(bob.post(&app, "/api/keys", &key).send().await.problem(404), "not_found");
    assert_eq!(
        bob.post(&app, &format!("/api/keys/{id}/rotate"), &Value::Null)
            .send()
            .await
            .problem(404),
        "not_found"
    );
    let revoke = bob
        .call(&app, Method::DELETE, &format!("/api/keys/{id}"), &Value::Null)
        .send()
        .await;
    assert_eq!(revoke.problem(404), "not_found");
    app.get("/api/jobs").bearer(&app.key).send().await.expect(200);
    let key = json!({ "customer_id": other, "name": "own", "scopes": ["chat"] });
    bob.post(&app, "/api/keys", &key).send().await.expect(201);
}
