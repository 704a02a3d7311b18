//! The contract drives these tests: a call that it gains is tried here without anybody writing a test for it.
use poem::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;

struct Operation {
    method: Method,
    path: String,
    id: String,
    credentials: Vec<String>,
}

fn operations() -> Vec<Operation> {
    let contract: Value = serde_yaml::from_str(&api::openapi_yaml()).unwrap();
    let paths = contract["paths"].as_object().unwrap();
    let of = |path: &String, method: &String, operation: &Value| Operation {
        method: method.to_uppercase().parse().unwrap(),
        path: path.clone(),
        id: operation["operationId"]
            .as_str()
            .expect("every call has an operationId")
            .to_owned(),
        credentials: operation["security"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|alternative| alternative.as_object().unwrap().keys().cloned())
            .collect(),
    };
    paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |(m, o)| of(path, m, o)))
        .collect()
}

/// A body that is right in form, so that only the permission can refuse it.
fn body(operation: &str, ids: &Ids) -> Value {
    match operation {
        "begin_session" => json!({ "domain": "shop.example" }),
        "chat" => json!({ "message": "How much is shipping?", "domain": "shop.example" }),
        "change_settings" => json!({ "tone": "rude" }),
        "rate_message" => json!({ "rating": "up" }),
        "ask_for_human" | "take_conversation" | "replay_dead_letters" => json!({}),
        "reply" => json!({ "text": "A person is here." }),
        "create_webhook" => json!({ "url": "https://10.0.0.1/hook", "events": ["handoff.requested"] }),
        "scrape" => json!({ "url": "https://shop.example/" }),
        "embed" => json!({ "page_ids": [ids.page] }),
        "replace_schedules" => json!({ "schedules": [
            { "name": "stolen", "cron": "0 3 * * *", "scrape": { "url": "https://shop.example/" } }] }),
        "limit_queue" => json!({ "max_running": 1 }),
        "create_customer" => json!({ "name": "New", "domain": "new.example" }),
        "change_customer" => json!({ "name": "Changed" }),
        "set_budget" => json!({ "hard_usd": 0 }),
        "add_domain" => json!({ "domain": "more.example" }),
        "create_key" => json!({ "customer_id": ids.customer, "name": "stolen", "scopes": ["*"] }),
        _ => Value::Null,
    }
}

/// Things of `shop` by the path that names them.
struct Ids {
    customer: Uuid,
    page: Uuid,
    job: String,
    conversation: String,
    message: String,
}

impl Ids {
    async fn of(app: &App) -> Self {
        let page = app.page("Shipping", "Shipping of the zebra costs 4.90 EUR.").await;
        let greeting = json!({ "greeting": { "en": "The zebra costs nothing to pat." } });
        let settings = app.call(Method::PATCH, "/api/settings").json(&greeting);
        settings.bearer(&app.key).send().await.expect(200);
        let chat = json!({ "message": "What does shipping of the zebra cost?" });
        let answer = app.post("/api/chat", &chat).bearer(&app.key).send().await.expect(200);
        let scrape = json!({ "url": "https://shop.example/" });
        let scrape = app
            .post("/api/scrape", &scrape)
            .bearer(&app.key)
            .send()
            .await
            .expect(202);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            customer: app.shop.id,
            page,
            job: text(&scrape["job_id"]),
            conversation: text(&answer["conversation_id"]),
            message: text(&answer["message_id"]),
        }
    }

    fn fill(&self, path: &str) -> String {
        let id = match path.split('/').nth(2).unwrap() {
            "customers" => self.customer.to_string(),
            "pages" => self.page.to_string(),
            "jobs" => self.job.clone(),
            "conversations" => self.conversation.clone(),
            "messages" => self.message.clone(),
            _ => Uuid::nil().to_string(),
        };
        path.replace("{id}", &id)
            .replace("{host}", "shop.example")
            .replace("{delivery}", &Uuid::nil().to_string())
            .replace("{name}", "scrape")
    }
}

const PUBLIC: [&str; 3] = ["begin_session", "health", "ready"];

#[tokio::test]
async fn every_call_but_the_public_ones_needs_a_credential() {
    let app = App::start().await;
    let ids = Ids::of(&app).await;
    for operation in operations() {
        let call = app
            .call(operation.method, &ids.fill(&operation.path))
            .json(&body(&operation.id, &ids));
        let got = call.send().await;
        assert_eq!(
            operation.credentials.is_empty(),
            PUBLIC.contains(&operation.id.as_str()),
            "{}",
            operation.id
        );
        if operation.credentials.is_empty() {
            assert_ne!(got.status.as_u16(), 401, "{}", operation.id);
        } else {
            assert_eq!(got.problem(401), "missing_credential", "{}", operation.id);
            assert_eq!(got.header("www-authenticate"), "Bearer", "{}", operation.id);
        }
    }
}

#[tokio::test]
async fn another_customers_key_finds_nothing_and_changes_nothing() {
    let app = App::start().await;
    let ids = Ids::of(&app).await;
    let before = state(&app).await;
    for operation in operations() {
        let path = format!("{}?customer_id={}&q=zebra", ids.fill(&operation.path), ids.customer);
        let call = app
            .call(operation.method.clone(), &path)
            .json(&body(&operation.id, &ids));
        let got = call.bearer(&app.other_key).send().await;
        let status = got.status.as_u16();
        assert!(
            !got.text.contains("zebra costs"),
            "{} leaks: {}",
            operation.id,
            got.text
        );
        if operation.credentials.is_empty() {
            continue;
        }
        if !operation.credentials.iter().any(|c| c == "api_key") {
            assert_eq!(status, 403, "{}: {}", operation.id, got.text);
        } else if operation.path.contains("{id}") {
            assert_eq!(got.problem(404), "not_found", "{}", operation.id);
        } else if operation.method == Method::GET {
            let own = got.expect(200);
            match operation.id.as_str() {
                "get_settings" => assert_eq!(own["greeting"], json!({})),
                "usage" => assert_eq!(own["total"]["chats"], 0),
                _ => assert_eq!(own["items"], json!([]), "{}", operation.id),
            }
        } else {
            assert!([400, 404].contains(&status), "{}: {status} {}", operation.id, got.text);
        }
    }
    assert_eq!(state(&app).await, before);
}

/// What `other` could have changed.
async fn state(app: &App) -> Vec<i64> {
    let mut counts = Vec::new();
    for query in [
        "SELECT count(*) FROM jobs",
        "SELECT count(*) FROM jobs WHERE cancel_requested",
        "SELECT count(*) FROM scraped_pages WHERE tombstoned_at IS NOT NULL",
        "SELECT count(*) FROM messages",
        "SELECT count(*) FROM messages WHERE feedback IS NOT NULL",
        "SELECT count(*) FROM customer_configs",
        "SELECT count(*) FROM customer_domains",
        "SELECT count(*) FROM conversations WHERE state <> 'bot'",
        "SELECT count(*) FROM conversation_events",
        "SELECT count(*) FROM outbound_webhooks",
        "SELECT count(*) FROM api_keys",
        "SELECT count(*) FROM schedules",
        "SELECT count(*) FROM queue_controls",
    ] {
        counts.push(app.kit.count(query).await);
    }
    counts
}

#[tokio::test]
async fn a_key_does_only_what_its_scopes_say() {
    use domain::tenancy::Scope;
    let app = App::start().await;
    let key = app.kit.key(&app.shop, &[Scope::Search]).await;
    app.get("/api/search?q=shipping").bearer(&key).send().await.expect(200);
    assert_eq!(
        app.get("/api/jobs").bearer(&key).send().await.problem(403),
        "missing_scope"
    );
    let chat = app.post("/api/chat", &json!({ "message": "Hello?" })).bearer(&key);
    assert_eq!(chat.send().await.problem(403), "missing_scope");
}

#[test]
fn the_checked_in_contract_is_the_code_s() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.yaml");
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(
        checked_in == api::openapi_yaml(),
        "openapi.yaml is out of date: cargo run -p api --example openapi > openapi.yaml"
    );
}
