//! A conversation in Chromium, by keyboard: a question that the widget offers, and a follow-up.
use fantoccini::key::Key;
use futures::FutureExt;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, resume_unwind};
use testkit::eventually;

use crate::{
    browser::Browser,
    up::{Installation, Up},
    widget::{seen_by, tab_to_widget},
};

/// What a visitor sees of the conversation, read from the widget's shadow root; null before it is there.
const LOOK: &str = "
    const shadow = document.querySelector('omniops-widget')?.shadowRoot;
    if (!shadow) return null;
    const answer = [...shadow.querySelectorAll('.msg.bot')].at(-1);
    return {
        busy: !shadow.querySelector('.stop').hidden || !!shadow.querySelector('.dots'),
        trouble: shadow.querySelector('.bad')?.textContent ?? '',
        asked: [...shadow.querySelectorAll('.msg.user span[dir]')].map((turn) => turn.textContent),
        offered: [...shadow.querySelectorAll('.chips button')].map((chip) => chip.textContent),
        group: shadow.querySelector('.chips')?.getAttribute('aria-label') ?? '',
        focus: shadow.activeElement?.textContent ?? '',
        text: answer?.querySelector('.text')?.textContent ?? '',
        refused: !!answer?.querySelector('.text.calm'),
        sources: [...(answer?.querySelectorAll('.list a') ?? [])].map((link) => link.href),
    };";

#[tokio::test]
async fn a_visitor_takes_an_offered_question_by_keyboard_and_asks_on() {
    let installation = Installation::new();
    let up = installation.up().await;
    up.crawled().await;
    eventually("questions to start with", || async { offered(&up).await.then_some(()) }).await;
    let browser = Browser::start().await;
    let visit = AssertUnwindSafe(visit(&browser, &up)).catch_unwind().await;
    if let Err(failure) = visit {
        println!("screenshot: {:?}", browser.screenshot().await);
        resume_unwind(failure);
    }
    browser.close().await;
    up.stop(Signal::SIGTERM).await;
}

/// Whether a session on the demo page brings questions; they are chosen when the last page has been indexed.
async fn offered(up: &Up<'_>) -> bool {
    let client = reqwest::Client::builder().build().expect("a client");
    let begin = client.post(up.url("/api/widget/session")).header("origin", up.url(""));
    let answer = begin
        .json(&json!({ "domain": up.dev("domain") }))
        .send()
        .await
        .expect("an answer");
    let session: Value = answer.json().await.expect("JSON");
    session["suggestions"]
        .as_array()
        .is_some_and(|questions| !questions.is_empty())
}

async fn visit(browser: &Browser, up: &Up<'_>) {
    browser.goto(&up.url("/demo")).await;
    seen_by(browser, LOOK, "the launcher", |_| true).await;
    tab_to_widget(browser).await;
    browser.press([Key::Enter.into()]).await;
    let open = seen_by(browser, LOOK, "questions to start with", |look| {
        look["offered"].as_array().is_some_and(|offered| !offered.is_empty())
    })
    .await;
    assert_eq!(
        (&open["group"], &open["trouble"]),
        (&"Suggested questions".into(), &"".into()),
        "{open}"
    );

    let last = open["offered"]
        .as_array()
        .and_then(|offered| offered.last())
        .cloned()
        .expect("a question");
    browser.press_with_shift(Key::Tab.into()).await;
    seen_by(browser, LOOK, "the last question's focus", |look| look["focus"] == last).await;
    browser.press([Key::Enter.into()]).await;
    let look = answered(browser, 1).await;
    assert_eq!((&look["asked"][0], &look["refused"]), (&last, &false.into()), "{look}");
    assert_eq!(
        look["offered"],
        Value::Array(Vec::new()),
        "they go with the first question"
    );

    for (turn, question) in ["How heavy is the Sognefjord 14?", "how long is it?"]
        .into_iter()
        .enumerate()
    {
        browser.press(question.chars()).await;
        browser.press([Key::Enter.into()]).await;
        let look = answered(browser, turn + 2).await;
        assert_eq!(
            (&look["trouble"], &look["refused"]),
            (&"".into(), &false.into()),
            "{look}"
        );
        let first = look["sources"][0].as_str().unwrap_or_default();
        assert!(first.ends_with("/kayak-sognefjord.html"), "{look}");
    }
}

async fn answered(browser: &Browser, turns: usize) -> Value {
    seen_by(browser, LOOK, "the answer", |look| {
        look["asked"].as_array().is_some_and(|asked| asked.len() == turns) && look["busy"] == false
    })
    .await
}
