//! What the widget says of how an answer came to be, in Chromium, by keyboard: at once, to screen readers, and on the next page.
use fantoccini::key::Key;
use futures::FutureExt;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, resume_unwind};
use testkit::{Provider, Script};

use crate::{
    browser::Browser,
    up::Installation,
    widget::{seen_by, tab_to_widget},
};

const LOOK: &str = "
    const shadow = document.querySelector('omniops-widget')?.shadowRoot;
    if (!shadow) return null;
    return {
        open: !shadow.querySelector('.panel').hidden,
        busy: !shadow.querySelector('.stop').hidden || !!shadow.querySelector('.dots'),
        text: [...shadow.querySelectorAll('.msg.bot')].map((turn) => turn.textContent).join(' '),
        notes: [...shadow.querySelectorAll('[role=note]')].map((note) => note.textContent),
        heard: [...shadow.querySelectorAll('[role=status]')].map((status) => status.textContent).join(' '),
    };";
const QUOTED: &str = "This is quoted from our pages.";

#[tokio::test]
async fn a_visitor_reads_and_hears_that_an_answer_is_quoted_and_reads_it_again_on_the_next_page() {
    let provider = Provider::start(Script::Fail(401)).await;
    let installation = Installation::new()
        .env("OPENAI_API_KEY", "stub")
        .env("OPENAI_BASE_URL", &provider.base_url());
    let up = installation.up().await;
    up.crawled().await;
    let browser = Browser::start().await;
    let visit = AssertUnwindSafe(visit(&browser, &up.url("/demo"))).catch_unwind().await;
    if let Err(failure) = visit {
        println!("screenshot: {:?}", browser.screenshot().await);
        resume_unwind(failure);
    }
    browser.close().await;
    up.stop(Signal::SIGTERM).await;
}

async fn visit(browser: &Browser, demo: &str) {
    let told = |look: &Value| {
        let notes = look["notes"].as_array();
        notes.is_some_and(|notes| notes.len() == 1 && notes[0].as_str().is_some_and(|note| note.ends_with(QUOTED)))
    };
    browser.goto(demo).await;
    seen_by(browser, LOOK, "the launcher", |_| true).await;
    tab_to_widget(browser).await;
    browser.press([Key::Enter.into()]).await;
    seen_by(browser, LOOK, "the greeting", |look| {
        look["open"] == true && look["busy"] == false
    })
    .await;
    browser.press("How much does shipping cost?".chars()).await;
    browser.press([Key::Enter.into()]).await;
    let look = seen_by(browser, LOOK, "the answer with its note", |look| {
        look["busy"] == false && told(look)
    })
    .await;
    assert!(
        look["text"].as_str().is_some_and(|text| text.contains("4.90 EUR")),
        "{look}"
    );
    assert!(
        look["heard"].as_str().is_some_and(|heard| heard.contains(QUOTED)),
        "{look}"
    );

    browser.goto(demo).await;
    seen_by(browser, LOOK, "the launcher again", |_| true).await;
    tab_to_widget(browser).await;
    browser.press([Key::Enter.into()]).await;
    seen_by(browser, LOOK, "the earlier answer with its note", told).await;
}
