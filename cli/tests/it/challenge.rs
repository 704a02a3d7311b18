//! The widget behind an address that the server has doubts about, in Chromium: it proves some work, and its visitor sees an answer.
use fantoccini::key::Key;
use futures::FutureExt;
use nix::sys::signal::Signal;
use std::panic::{AssertUnwindSafe, resume_unwind};

use crate::{
    answers::questions,
    browser::Browser,
    up::{Installation, Up},
    widget::{seen, tab_to_widget},
};

#[tokio::test]
async fn a_visitor_behind_a_busy_address_is_answered_after_some_work() {
    // Half of each limit is one request, so the second one of each kind needs a proof.
    let installation = Installation::new()
        .env("LIMIT_EXEMPT", "none")
        .env("LIMIT_SESSION_IP", "2/1d")
        .env("LIMIT_CHAT_IP", "2/1d")
        .env("LIMIT_CONNECTIONS", "1000")
        .env("LIMITS_REDIS_MS", "10000");
    let up = installation.up().await;
    up.crawled().await;
    let browser = Browser::start().await;
    let visit = AssertUnwindSafe(visit(&browser, &up)).catch_unwind().await;
    if let Err(failure) = visit {
        println!("screenshot: {:?}", browser.screenshot().await);
        resume_unwind(failure);
    }
    browser.close().await;
    up.stop(Signal::SIGTERM).await;
}

async fn visit(browser: &Browser, up: &Up<'_>) {
    // Somebody else behind the same address.
    let other = up
        .client()
        .post(up.url("/api/widget/session"))
        .header("origin", up.dev("base_url"));
    let other = other
        .json(&serde_json::json!({ "domain": up.dev("domain") }))
        .send()
        .await
        .expect("an answer");
    assert_eq!(other.status(), 200, "{:?}", other.text().await);

    browser.goto(&up.url("/demo")).await;
    seen(browser, "the launcher", |_| true).await;
    tab_to_widget(browser).await;
    browser.press([Key::Enter.into()]).await;
    let open = seen(browser, "the greeting", |look| {
        look["open"] == true && look["busy"] == false
    })
    .await;
    assert_eq!(open["trouble"], "", "{open}");
    let cases = questions();
    for (turn, case) in cases["answerable"]
        .as_array()
        .expect("questions")
        .iter()
        .take(2)
        .enumerate()
    {
        browser
            .press(case["question"].as_str().expect("a question").chars())
            .await;
        browser.press([Key::Enter.into()]).await;
        let look = seen(browser, "the answer", |look| {
            look["asked"].as_array().is_some_and(|turns| turns.len() > turn) && look["busy"] == false
        })
        .await;
        assert_eq!(look["trouble"], "", "{look}");
        let phrase = case["phrase"].as_str().expect("a phrase");
        assert!(
            look["text"].as_str().is_some_and(|text| text.contains(phrase)),
            "{look}"
        );
    }
    let metrics = up
        .client()
        .get(up.url("/api/metrics"))
        .bearer_auth(up.dev("admin_token"))
        .send()
        .await;
    let metrics = metrics.expect("an answer").text().await.expect("a text");
    for class in ["session", "chat"] {
        let line = format!("omniops_rate_limited_total{{class=\"{class}\",reason=\"challenge\"}} 1");
        assert!(metrics.contains(&line), "{line} is missing");
    }
}
