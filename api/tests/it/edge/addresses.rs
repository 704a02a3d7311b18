//! Where requests come from, behind a proxy and without one, over real sockets.
use serde_json::json;

use super::slow::{Wire, head_of};
use crate::app::App;

/// What the audit log has as the address of a claim that was sent with these headers.
async fn recorded(app: &App, wire: &mut Wire, domain: &str, headers: &str) -> (String, String) {
    let body = json!({ "domain": domain }).to_string();
    let request = format!(
        "POST /api/customers/{}/domains HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        app.shop.id,
        app.key,
        body.len()
    );
    wire.write(request.as_bytes()).await;
    let answer = wire.answer().await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let count = |ip: &str| format!("SELECT count(*) FROM audit_logs WHERE resource = '{domain}' AND ip = '{ip}'");
    for ip in ["127.0.0.1", "203.0.113.7", "2001:db8::7", "8.8.8.8"] {
        if app.kit.count(&count(ip)).await == 1 {
            return (ip.to_owned(), head_of(&answer));
        }
    }
    panic!("no address was recorded: {answer}");
}

#[tokio::test]
async fn the_audit_log_has_the_address_that_the_trusted_proxy_saw() {
    let app = App::with(&[("TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8")]).await;
    let mut wire = Wire::to(&app).await;
    let spoofed = "x-forwarded-for: 8.8.8.8, 203.0.113.7, 10.1.1.1\r\nx-forwarded-proto: https\r\n";
    let (ip, head) = recorded(&app, &mut wire, "one.example", spoofed).await;
    assert_eq!(ip, "203.0.113.7");
    assert!(head.contains("strict-transport-security"), "behind TLS: {head}");
    let (ip, head) = recorded(&app, &mut wire, "two.example", "x-forwarded-for: [2001:db8::7]:443\r\n").await;
    assert_eq!(
        (ip.as_str(), head.contains("strict-transport-security")),
        ("2001:db8::7", false)
    );
    let broken = recorded(
        &app,
        &mut wire,
        "three.example",
        "x-forwarded-for: 8.8.8.8, nonsense\r\n",
    )
    .await;
    assert_eq!(broken.0, "127.0.0.1");
    let other = recorded(&app, &mut wire, "four.example", "forwarded: for=8.8.8.8\r\n").await;
    assert_eq!(other.0, "127.0.0.1", "this proxy does not set that header");
}

#[tokio::test]
async fn a_stranger_is_not_believed() {
    let app = App::with(&[("TRUSTED_PROXIES", "10.0.0.0/8")]).await;
    let mut wire = Wire::to(&app).await;
    let (ip, head) = recorded(
        &app,
        &mut wire,
        "one.example",
        "x-forwarded-for: 8.8.8.8\r\nx-forwarded-proto: https\r\n",
    )
    .await;
    assert_eq!(
        (ip.as_str(), head.contains("strict-transport-security")),
        ("127.0.0.1", false)
    );
}
