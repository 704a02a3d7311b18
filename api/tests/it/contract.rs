//! The contract as it is checked in, and keys within it. What the contract says of credentials and customers is tried in `isolation`.
use serde_json::json;

use crate::app::App;

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
