//! Our own pages under their own policies, in Chromium: what a policy stops is a fault of the page.
use futures::FutureExt;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, resume_unwind};
use testkit::eventually;

use crate::{
    browser::Browser,
    up::{Installation, Up},
    widget::seen,
};

/// What the page's policy has stopped since it was loaded.
pub const STOPPED: &str = "
    const observer = new ReportingObserver(() => {}, { types: ['csp-violation'], buffered: true });
    observer.observe();
    const stopped = observer.takeRecords().map(({ body }) =>
      [body.effectiveDirective, body.blockedURL, body.sourceFile, body.lineNumber, body.sample].join(' '));
    observer.disconnect();
    return stopped;";

#[tokio::test]
async fn our_pages_break_no_rule_of_their_own() {
    let installation = Installation::new().arg("--no-worker");
    let up = installation.up().await;
    let browser = Browser::start().await;
    let visits = AssertUnwindSafe(visits(&browser, &up)).catch_unwind().await;
    if let Err(failure) = visits {
        println!("screenshot: {:?}", browser.screenshot().await);
        resume_unwind(failure);
    }
    browser.close().await;
    up.stop(Signal::SIGTERM).await;
}

async fn visits(browser: &Browser, up: &Up<'_>) {
    for page in ["/", "/bot", "/privacy", "/terms", "/accessibility"] {
        browser.goto(&up.url(page)).await;
        assert_eq!(browser.eval(STOPPED).await, json!([]), "{page}");
        let styled = browser.eval("return document.styleSheets.length").await;
        assert_eq!(styled, json!(1), "{page} has its style");
    }

    browser.goto(&up.url("/demo")).await;
    seen(browser, "the launcher", |_| true).await;
    browser.eval("window.Omniops.ask('Do you sell kayaks?')").await;
    seen(browser, "an answer", |look| {
        look["busy"] == false && look["asked"] != json!([])
    })
    .await;
    assert_eq!(browser.eval(STOPPED).await, json!([]), "/demo with its widget");

    browser.goto(&up.url("/docs")).await;
    let unfold = "const tag = document.querySelector('.opblock-summary-control'); tag?.click(); return !!tag";
    eventually("the calls of the contract", || async {
        (browser.eval(unfold).await == true).then_some(())
    })
    .await;
    let shown = "return !!document.querySelector('.opblock.is-open .responses-table')";
    eventually("a call's page", || async {
        (browser.eval(shown).await == true).then_some(())
    })
    .await;
    assert_eq!(browser.eval(STOPPED).await, json!([]), "/docs");

    // The rules are there, and what breaks them is seen.
    for breach in [
        "document.body.innerHTML = '<b>text</b>'",
        "const s = document.createElement('script'); s.append('window.broken = 1'); document.body.append(s)",
        "setTimeout('window.broken = 1', 0)",
    ] {
        browser.goto(&up.url("/demo")).await;
        let tried = format!("try {{ {breach} }} catch {{}} return window.broken ?? null");
        assert_eq!(browser.eval(&tried).await, Value::Null, "{breach}");
        eventually(breach, || async {
            let stopped = browser.eval(STOPPED).await;
            stopped
                .as_array()
                .is_some_and(|stopped| !stopped.is_empty())
                .then_some(())
        })
        .await;
        assert_eq!(
            browser.eval("return window.broken ?? null").await,
            Value::Null,
            "{breach}"
        );
    }
}
