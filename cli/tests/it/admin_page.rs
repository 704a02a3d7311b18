//! The admin page in Chromium: from the admin token to a crawl that is done and a visitor who is answered, and what a viewer is not offered.
use fantoccini::{Locator, elements::Element};
use futures::FutureExt;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, resume_unwind};
use testkit::{Page, Site, eventually};

use crate::{
    browser::Browser,
    policies::STOPPED,
    up::{Installation, Up},
};

const PASSWORD: &str = "correct horse battery";
/// What must stay text wherever it is shown.
const MARKUP: &str = "<img src=x onerror=window.broken=1>";

/// Keeps what goes wrong in the page from now on.
const WATCH: &str = "
    window.faults = [];
    addEventListener('error', (event) => faults.push(String(event.message)));
    addEventListener('unhandledrejection', (event) => faults.push(String(event.reason)));
    console.error = (...told) => faults.push(told.map(String).join(' '));";

#[tokio::test]
async fn an_owner_works_with_the_page_and_a_viewer_looks() {
    let escaped = MARKUP.replace('<', "&lt;");
    let site = Site::start([("/", Page::html(&escaped, "<p>We sell kayaks and paddles.</p>"))]).await;
    let installation = Installation::new().site(&site);
    let up = installation.up().await;
    up.crawled().await;
    let browser = Browser::start().await;
    let visit = AssertUnwindSafe(visit(&browser, &up)).catch_unwind().await;
    if let Err(failure) = visit {
        println!("screenshot: {:?}", browser.screenshot().await);
        println!("{}", browser.eval("return document.body.innerText").await);
        resume_unwind(failure);
    }
    browser.close().await;
    up.stop(Signal::SIGTERM).await;
}

async fn visit(browser: &Browser, up: &Up<'_>) {
    // Wide enough for the navigation to stand beside the view.
    browser.client.set_window_size(1280, 900).await.expect("a window");
    browser.goto(&up.url("/admin/conversations")).await;
    shows(browser, "Sign in to Omniops").await;
    browser.eval(WATCH).await;
    make_the_first_owner(browser, up).await;
    turn_on_the_second_factor(browser).await;
    crawl(browser).await;
    answer(browser, up).await;
    assert_eq!(faults(browser).await, json!([[], [], null]));
    look_as_a_viewer(browser, up).await;
    assert_eq!(faults(browser).await, json!([[], [], null]));
}

async fn make_the_first_owner(browser: &Browser, up: &Up<'_>) {
    follow(browser, "Make the first owner").await;
    fill(browser, "token", "not the token").await;
    fill(browser, "name", "Olga").await;
    fill(browser, "email", "olga@example.com").await;
    fill(browser, "password", PASSWORD).await;
    press(browser, "Make the account and sign in").await;
    eventually("the refusal", || async {
        let told = browser
            .eval("return document.querySelector('form [role=alert]').innerText")
            .await;
        told.as_str().is_some_and(|told| !told.is_empty()).then_some(())
    })
    .await;
    fill(browser, "token", up.dev("admin_token")).await;
    press(browser, "Make the account and sign in").await;
    shows(browser, "Waiting for a person").await;
    assert_eq!(
        browser.eval("return document.activeElement.localName").await,
        "h1",
        "a new view is read from its beginning"
    );
}

/// Sets the second factor up, and signs in again with one of its recovery codes: the app's code is taken once.
async fn turn_on_the_second_factor(browser: &Browser) {
    follow(browser, "Account").await;
    element(
        browser,
        "//form[@aria-label='Begin with a second factor']//input[@name='password']",
    )
    .await
    .send_keys(PASSWORD)
    .await
    .expect("typing");
    press(browser, "Set it up").await;
    let secret = element(browser, "//code[@aria-label='secret']").await;
    assert!(
        browser.client.find(Locator::Css("svg.qr path")).await.is_ok(),
        "the secret as a picture"
    );
    let secret = secret.text().await.expect("the secret");
    let now = domain::clock::Clock::system().now().unix_timestamp();
    fill(
        browser,
        "code",
        &domain::tenancy::code_at(&secret, now).expect("a code"),
    )
    .await;
    press(browser, "Turn it on").await;
    let code = element(browser, "//ol/li[1]/code")
        .await
        .text()
        .await
        .expect("a recovery code");
    press(browser, "Sign out").await;
    sign_in(browser, "olga@example.com").await;
    shows(browser, "Six digits of your authenticator app").await;
    fill(browser, "code", &code).await;
    press(browser, "Sign in").await;
    shows(browser, "Sign out").await;
}

/// Starts a crawl from the page and follows it to its end; the stored title is text.
async fn crawl(browser: &Browser) {
    follow(browser, "Scraping").await;
    press(browser, "Start").await;
    shows(browser, "All jobs").await;
    element(browser, "//main//*[contains(@class, 'badge')][.='done']").await;
    shows(browser, "Decisions, counted").await;
    follow(browser, "Pages").await;
    follow(browser, MARKUP).await;
    shows(browser, "We sell kayaks").await;
    assert_eq!(
        browser
            .eval("return document.querySelectorAll('main img').length")
            .await,
        0
    );
}

/// A visitor asks for a person, and gets one.
async fn answer(browser: &Browser, up: &Up<'_>) {
    let first = ask(up, MARKUP, None).await;
    let asked = ask(up, "I want to talk to a human", Some(&first["session_id"])).await;
    assert_eq!(asked["state"], "waiting", "{asked}");
    follow(browser, "Conversations").await;
    let waiting = format!(
        "//a[contains(@href, '{}')]",
        asked["conversation_id"].as_str().expect("an id")
    );
    click(browser, &waiting).await;
    shows(browser, MARKUP).await;
    press(browser, "Take it").await;
    shows(browser, "Olga has the word").await;
    fill(browser, "text", "We open at nine.").await;
    press(browser, "Send").await;
    element(
        browser,
        "//li[contains(@class, 'human')][contains(., 'We open at nine.')]",
    )
    .await;
    // What the visitor writes now is shown as it comes.
    ask(up, "Thank you, Olga", Some(&first["session_id"])).await;
    element(
        browser,
        "//li[contains(@class, 'visitor')][contains(., 'Thank you, Olga')]",
    )
    .await;
    press(browser, "Close").await;
    element(browser, "//main//*[contains(@class, 'badge')][.='closed']").await;
    let path = format!(
        "/api/conversations/{}/messages",
        asked["conversation_id"].as_str().expect("an id")
    );
    let turns = up.get(&path).await;
    let said = turns["items"]
        .as_array()
        .expect("turns")
        .iter()
        .find(|turn| turn["role"] == "human");
    assert_eq!(
        said.map(|turn| (&turn["name"], &turn["text"])),
        Some((&json!("Olga"), &json!("We open at nine.")))
    );
}

/// Whoever looks is offered nothing that would be refused.
async fn look_as_a_viewer(browser: &Browser, up: &Up<'_>) {
    let viewer = json!({ "email": "vic@example.com", "name": MARKUP, "password": PASSWORD, "role": "viewer", "customers": [up.dev("customer_id")] });
    let request = up
        .client()
        .post(up.url("/api/users"))
        .bearer_auth(up.dev("admin_token"));
    assert_eq!(request.json(&viewer).send().await.expect("an answer").status(), 201);
    press(browser, "Sign out").await;
    sign_in(browser, "vic@example.com").await;
    shows(browser, "Waiting for a person").await;
    let links =
        "return [...document.querySelectorAll('nav[aria-label=Main] a')].map((link) => link.firstChild.textContent)";
    let offered = browser.eval(links).await;
    let offered = offered.as_array().expect("links");
    for missing in [
        "Keys",
        "People",
        "Audit log",
        "Queues",
        "Dead letters",
        "Blocked addresses",
        "Health",
    ] {
        assert!(!offered.contains(&json!(missing)), "{missing}: {offered:?}");
    }
    for (view, text) in [
        ("Scraping", "Took"),
        ("Schedules", "Nothing is crawled by itself yet."),
        ("Domains", "The widget answers on pages of proved domains only"),
        ("Assistant", "Kept for"),
        ("Webhooks", "Nobody is told of anything yet."),
        ("Golden questions", "There is none yet."),
    ] {
        follow(browser, view).await;
        shows(browser, text).await;
        let forms = browser
            .eval("return document.querySelectorAll('main form:not([role=search])').length")
            .await;
        assert_eq!(forms, 0, "{view}");
    }
    assert_eq!(faults(browser).await, json!([[], [], null]));
    let keys = format!("/admin/keys?customer_id={}", up.dev("customer_id"));
    browser.goto(&up.url(&keys)).await;
    browser.eval(WATCH).await;
    shows(browser, "Your role does not allow this").await;
}

/// What went wrong, what the policy has stopped, and what markup has done.
async fn faults(browser: &Browser) -> Value {
    let stopped = browser.eval(STOPPED).await;
    json!([
        browser.eval("return window.faults").await,
        stopped,
        browser.eval("return window.broken ?? null").await
    ])
}

async fn sign_in(browser: &Browser, email: &str) {
    shows(browser, "Sign in to Omniops").await;
    fill(browser, "email", email).await;
    fill(browser, "password", PASSWORD).await;
    press(browser, "Sign in").await;
}

async fn ask(up: &Up<'_>, message: &str, session: Option<&Value>) -> Value {
    let mut body = json!({ "message": message });
    if let Some(session) = session {
        body["session_id"] = session.clone();
    }
    let request = up.client().post(up.url("/api/chat")).bearer_auth(up.dev("api_key"));
    request
        .json(&body)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON")
}

/// The element that an `XPath` names, once it is there and can be used.
async fn element(browser: &Browser, path: &str) -> Element {
    eventually(path, || async {
        let found = browser.client.find(Locator::XPath(path)).await.ok()?;
        found.is_displayed().await.is_ok_and(|shown| shown).then_some(found)
    })
    .await
}

async fn shows(browser: &Browser, text: &str) {
    let script = format!("return document.body.innerText.includes({})", json!(text));
    eventually(text, || async { (browser.eval(&script).await == true).then_some(()) }).await;
}

/// Clicks a thing that a view may draw anew at that moment.
async fn click(browser: &Browser, path: &str) {
    eventually(path, || async {
        let found = browser.client.find(Locator::XPath(path)).await.ok()?;
        found.click().await.ok()
    })
    .await;
}

async fn press(browser: &Browser, text: &str) {
    click(browser, &format!("//button[normalize-space()='{text}']")).await;
}

async fn follow(browser: &Browser, text: &str) {
    click(browser, &format!("//a[starts-with(normalize-space(), '{text}')]")).await;
}

/// Types into a field in the place of what stands there, which a view may draw anew at that moment.
async fn fill(browser: &Browser, name: &str, text: &str) {
    let path = format!("//*[@name='{name}']");
    eventually(&path, || async {
        let field = browser.client.find(Locator::XPath(&path)).await.ok()?;
        field.clear().await.ok()?;
        field.send_keys(text).await.ok()?;
        (field.prop("value").await.ok()?.as_deref() == Some(text)).then_some(())
    })
    .await;
}
