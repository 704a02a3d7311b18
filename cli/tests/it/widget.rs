//! The widget on the demo page, in Chromium, by keyboard.
use fantoccini::key::Key;
use futures::FutureExt;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, resume_unwind};
use testkit::eventually;

use crate::{answers::questions, browser::Browser, up::Installation};

/// What a visitor sees of the widget, read from its shadow root; null before it is there.
pub const LOOK: &str = "
    const shadow = document.querySelector('omniops-widget')?.shadowRoot;
    if (!shadow) return null;
    const answer = [...shadow.querySelectorAll('.msg.bot')].at(-1);
    return {
        open: !shadow.querySelector('.panel').hidden,
        expanded: shadow.querySelector('.launch').getAttribute('aria-expanded'),
        focus: shadow.activeElement?.localName ?? '',
        focusClass: shadow.activeElement?.className ?? '',
        asked: [...shadow.querySelectorAll('.msg.user span[dir]')].map((turn) => turn.textContent),
        busy: !shadow.querySelector('.stop').hidden || !!shadow.querySelector('.dots'),
        text: answer?.querySelector('.text')?.textContent ?? '',
        trouble: shadow.querySelector('.bad')?.textContent ?? '',
        sources: [...(answer?.querySelectorAll('.list a') ?? [])].map((link) => link.href),
    };";

#[tokio::test]
async fn a_visitor_opens_the_widget_asks_by_keyboard_and_reads_the_answer_and_its_sources() {
    let installation = Installation::new();
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
    browser.goto(demo).await;
    let closed = seen(browser, "the launcher", |_| true).await;
    assert_eq!((&closed["open"], &closed["expanded"]), (&false.into(), &"false".into()));

    tab_to_widget(browser).await;
    browser.press([Key::Enter.into()]).await;
    let open = seen(browser, "the greeting", |look| {
        look["open"] == true && look["busy"] == false
    })
    .await;
    assert_eq!(
        (&open["focus"], &open["trouble"]),
        (&"textarea".into(), &"".into()),
        "{open}"
    );

    let case = &questions()["answerable"][0];
    let question = case["question"].as_str().expect("a question");
    browser.press(question.chars()).await;
    browser.press([Key::Enter.into()]).await;
    let look = seen(browser, "the answer", |look| {
        look["asked"].as_array().is_some_and(|turns| !turns.is_empty()) && look["busy"] == false
    })
    .await;
    assert_eq!(look["trouble"], "", "{look}");
    assert_eq!(look["asked"], serde_json::json!([question]));
    let phrase = case["phrase"].as_str().expect("a phrase");
    assert!(
        look["text"].as_str().is_some_and(|text| text.contains(phrase)),
        "{look}"
    );
    let page = format!("/{}", case["page"].as_str().expect("a page"));
    let first = look["sources"][0].as_str().unwrap_or_default();
    assert!(
        first.starts_with("http://127.0.0.1:") && first.ends_with(&page),
        "{look}"
    );

    browser.press([Key::Escape.into()]).await;
    let closed = seen(browser, "the closed panel", |look| look["open"] == false).await;
    assert_eq!(
        (&closed["focusClass"], &closed["expanded"]),
        (&"launch".into(), &"false".into())
    );
}

/// Waits until the widget looks as it should.
pub async fn seen(browser: &Browser, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    seen_by(browser, LOOK, what, condition).await
}

/// The same by another look.
pub async fn seen_by(browser: &Browser, look: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || async {
        let look = browser.eval(look).await;
        Some(look).filter(|look| !look.is_null() && condition(look))
    })
    .await
}

/// Tabs through the page until the focus is in the widget.
pub async fn tab_to_widget(browser: &Browser) {
    const STOPS: usize = 60;
    for _ in 0..STOPS {
        browser.press([Key::Tab.into()]).await;
        let focus = browser.eval("return document.activeElement?.localName").await;
        if focus == "omniops-widget" {
            return;
        }
    }
    panic!("the launcher is not among the first {STOPS} stops of the Tab key");
}
