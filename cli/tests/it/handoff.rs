//! The walk from the bot to a person and back, in Chromium, by keyboard, with a real mail server.
use fantoccini::key::Key;
use futures::FutureExt;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, resume_unwind};
use testkit::{Mailbox, Reception, eventually};

use crate::{
    answers::questions,
    browser::Browser,
    up::{Installation, Up},
    widget::{seen_by, tab_to_widget},
};

/// What a visitor sees of people, read from the widget's shadow root; null before it is there.
const LOOK: &str = "
    const shadow = document.querySelector('omniops-widget')?.shadowRoot;
    if (!shadow) return null;
    const desk = shadow.querySelector('.desk');
    const text = (node) => node.textContent;
    return {
        busy: !shadow.querySelector('.stop').hidden || !!shadow.querySelector('.dots'),
        trouble: shadow.querySelector('.bad')?.textContent ?? '',
        asked: [...shadow.querySelectorAll('.msg.user span[dir]')].map(text),
        desk: desk.hidden ? null : [...desk.querySelectorAll('p')].map(text).join(' '),
        buttons: desk.hidden ? [] : [...desk.querySelectorAll('button')].map((b) => b.textContent || b.getAttribute('aria-label')),
        input: desk.querySelector('input')?.getAttribute('aria-label') ?? '',
        said: shadow.querySelector('[role=status]').textContent,
        notices: [...shadow.querySelectorAll('.notice')].map(text),
        replies: [...shadow.querySelectorAll('.msg.human')].map((m) => m.querySelector('.who').textContent + ': ' + m.querySelector('.text').textContent),
        heard: [...shadow.querySelectorAll('.msg.human > .sr')].map(text),
        focus: shadow.activeElement?.localName ?? '',
        focusText: shadow.activeElement?.textContent ?? '',
    };";

const PEOPLE: &str = "people@shop.example";

#[tokio::test]
async fn a_visitor_asks_for_a_person_by_keyboard_who_answers_and_closes() {
    let mailbox = Mailbox::start(Reception::Take).await;
    let installation = Installation::new()
        .env("SMTP_URL", &mailbox.url())
        .env("MAIL_FROM", "Omniops <bot@omniops.example>");
    let up = installation.up().await;
    up.crawled().await;
    let browser = Browser::start().await;
    let visit = AssertUnwindSafe(visit(&browser, &up, &mailbox)).catch_unwind().await;
    if let Err(failure) = visit {
        println!("screenshot: {:?}", browser.screenshot().await);
        resume_unwind(failure);
    }
    browser.close().await;
    up.stop(Signal::SIGTERM).await;
}

async fn visit(browser: &Browser, up: &Up<'_>, mailbox: &Mailbox) {
    let settings = json!({ "settings": { "handoff": { "email": PEOPLE } } });
    let customer = format!("/api/customers/{}", up.dev("customer_id"));
    call(up, reqwest::Method::PATCH, up.dev("admin_token"), &customer, &settings).await;

    browser.goto(&up.url("/demo")).await;
    look(browser, "the launcher", |_| true).await;
    tab_to_widget(browser).await;
    browser.press([Key::Enter.into()]).await;
    let greeted = look(browser, "the greeting", |look| look["busy"] == false).await;
    assert_eq!(
        greeted["desk"],
        Value::Null,
        "nobody is offered before anything is asked: {greeted}"
    );
    say(
        browser,
        questions()["answerable"][0]["question"].as_str().expect("a question"),
    )
    .await;
    let answered = look(browser, "the answer", |look| {
        look["asked"].as_array().is_some_and(|a| a.len() == 1) && look["busy"] == false
    })
    .await;
    assert_eq!(
        (&answered["trouble"], &answered["buttons"]),
        (&json!(""), &json!(["Talk to a person"])),
        "{answered}"
    );

    // From the question's field back to the button.
    press_button(browser, "Talk to a person").await;
    let waiting = look(browser, "the wait", |look| look["input"] == "Your e-mail").await;
    assert_eq!(
        waiting["notices"],
        json!(["We are looking for a person. You can go on writing."]),
        "{waiting}"
    );
    assert_eq!(
        (&waiting["said"], &waiting["focus"]),
        (&waiting["notices"][0], &json!("textarea"))
    );
    let mail = eventually("the mail to people", || async { mailbox.taken().pop() }).await;
    assert_eq!(mail.to, [PEOPLE]);

    // What is written meanwhile is for people, and the bot is silent.
    say(browser, "My order has not come.").await;
    look(browser, "the turn", |look| {
        look["asked"].as_array().is_some_and(|a| a.len() == 2) && look["busy"] == false
    })
    .await;
    let list = up.get("/api/conversations?state=waiting").await;
    let row = &list["items"][0];
    assert_eq!(
        (&row["last_message"]["role"], &row["last_message"]["text"]),
        (&json!("visitor"), &json!("My order has not come.")),
        "{list}"
    );
    let conversation = format!("/api/conversations/{}", row["id"].as_str().expect("an id"));
    assert!(
        mail.text
            .replace("=\r\n", "")
            .contains(row["id"].as_str().expect("an id")),
        "{}",
        mail.text
    );
    be_answered(browser, up, &conversation).await;
}

/// The address, the reply, the tab loaded again, and the end.
async fn be_answered(browser: &Browser, up: &Up<'_>, conversation: &str) {
    press_input(browser).await;
    browser.press("vera@visitor.example".chars()).await;
    browser.press([Key::Enter.into()]).await;
    look(browser, "the address to be kept", |look| look["input"] == "").await;
    assert_eq!(
        up.get("/api/conversations?state=waiting").await["items"][0]["email"],
        "vera@visitor.example"
    );

    let reply = json!({ "text": "It comes **tomorrow**.", "name": "Ada" });
    let key = up.dev("api_key");
    call(
        up,
        reqwest::Method::POST,
        key,
        &format!("{conversation}/messages"),
        &reply,
    )
    .await;
    let replied = look(browser, "the reply", |look| {
        look["replies"].as_array().is_some_and(|r| !r.is_empty())
    })
    .await;
    assert_eq!(
        (&replied["replies"], &replied["heard"]),
        (&json!(["Ada: It comes tomorrow."]), &json!(["Ada: "])),
        "{replied}"
    );
    assert_eq!(
        (&replied["desk"], &replied["buttons"]),
        (
            &json!("Ada is here and reads along."),
            &json!(["Back to the assistant"])
        )
    );
    assert_eq!(replied["said"], "Ada: It comes tomorrow.");

    // The tab is loaded again, and all is as it was.
    browser.goto(&up.url("/demo")).await;
    look(browser, "the launcher", |_| true).await;
    tab_to_widget(browser).await;
    browser.press([Key::Enter.into()]).await;
    let again = look(browser, "the conversation", |look| {
        look["replies"].as_array().is_some_and(|r| !r.is_empty()) && look["desk"] != Value::Null
    })
    .await;
    assert_eq!(
        (&again["replies"], &again["desk"]),
        (&replied["replies"], &replied["desk"])
    );
    call(
        up,
        reqwest::Method::POST,
        key,
        &format!("{conversation}/messages"),
        &json!({ "text": "Is that fine?", "name": "Ada" }),
    )
    .await;
    look(browser, "the second reply", |look| {
        look["replies"].as_array().is_some_and(|r| r.len() == 2)
    })
    .await;

    call(
        up,
        reqwest::Method::POST,
        key,
        &format!("{conversation}/close"),
        &Value::Null,
    )
    .await;
    let closed = look(browser, "the end", |look| {
        look["desk"].as_str().is_some_and(|desk| desk.contains("closed"))
    })
    .await;
    assert_eq!(closed["said"], closed["desk"], "{closed}");
}

async fn look(browser: &Browser, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    seen_by(browser, LOOK, what, condition).await
}

/// Writes into the field, where the focus is brought first.
async fn say(browser: &Browser, text: &str) {
    browser
        .eval("document.querySelector('omniops-widget').shadowRoot.querySelector('textarea').focus()")
        .await;
    browser.press(text.chars()).await;
    browser.press([Key::Enter.into()]).await;
}

/// Goes back with the Tab key to the button with this text, and presses it.
async fn press_button(browser: &Browser, text: &str) {
    back_to(browser, |look| look["focus"] == "button" && look["focusText"] == text).await;
    browser.press([Key::Enter.into()]).await;
}

async fn press_input(browser: &Browser) {
    back_to(browser, |look| look["focus"] == "input").await;
}

async fn back_to(browser: &Browser, there: impl Fn(&Value) -> bool) {
    const STOPS: usize = 40;
    for _ in 0..STOPS {
        if there(&browser.eval(LOOK).await) {
            return;
        }
        browser.press_with_shift(Key::Tab.into()).await;
    }
    panic!("not among the {STOPS} stops before the question's field");
}

async fn call(up: &Up<'_>, method: reqwest::Method, credential: &str, path: &str, body: &Value) -> Value {
    let request = reqwest::Client::builder()
        .build()
        .expect("a client")
        .request(method, up.url(path));
    let request = request
        .bearer_auth(credential)
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = request.send().await.expect("an answer");
    let (status, text) = (answer.status(), answer.text().await.expect("a body"));
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}
