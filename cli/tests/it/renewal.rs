//! A visitor who was away for longer than a token lives: the conversation goes on, and nobody notices.
use domain::{
    clock::Clock,
    secrets::MasterKeys,
    tenancy::{HostName, VisitorSession, VisitorTokens},
};
use fantoccini::key::Key;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testkit::eventually;

use crate::{
    answers::questions,
    browser::Browser,
    up::{Installation, Up},
    widget::{LOOK, seen_by, tab_to_widget},
};

const KEPT: &str = "
    const key = Object.keys(sessionStorage).find((name) => name.startsWith('omniops:'));
    return key ? { key, ...JSON.parse(sessionStorage.getItem(key)) } : null;";

/// Whose the turns are, from the top.
const TURNS: &str = "
    const shadow = document.querySelector('omniops-widget').shadowRoot;
    return [...shadow.querySelectorAll('.msg')].map((turn) => turn.classList.contains('user') ? 'visitor' : 'bot');";

#[tokio::test]
async fn a_session_goes_on_after_its_token_has_ended() {
    let installation = Installation::new();
    let up = installation.up().await;
    up.crawled().await;
    let browser = Browser::start().await;
    browser.goto(&up.url("/demo")).await;
    ask(&browser, 0).await;
    let first = kept(&browser).await;

    // By the device's clock the token is over.
    change(&browser, &first, &first["session"]["token"], 0).await;
    browser.goto(&up.url("/demo")).await;
    ask(&browser, 1).await;
    let second = kept(&browser).await;
    assert_eq!(second["session"]["session_id"], first["session"]["session_id"]);
    assert_ne!(second["session"]["token"], first["session"]["token"]);
    assert_eq!(second["conversation"], first["conversation"]);

    // By the server's, which the device's clock knows nothing of.
    let ended = ended_token(&up, second["session"]["token"].as_str().expect("a token"));
    change(&browser, &second, &json!(ended), 4_000_000_000_000_i64).await;
    browser.goto(&up.url("/demo")).await;
    ask(&browser, 2).await;
    let third = kept(&browser).await;
    assert_eq!(third["session"]["session_id"], first["session"]["session_id"]);
    assert_ne!(third["session"]["token"], json!(ended));
    assert_eq!(third["conversation"], first["conversation"]);
    browser.close().await;
    up.stop(Signal::SIGTERM).await;
}

/// Opens the widget, which shows what was asked before, and asks once more.
async fn ask(browser: &Browser, before: usize) {
    let turns = |look: &Value| look["asked"].as_array().map_or(0, Vec::len);
    seen_by(browser, LOOK, "the launcher", |_| true).await;
    tab_to_widget(browser).await;
    browser.press([Key::Enter.into()]).await;
    let open = seen_by(browser, LOOK, "the earlier turns", |look| {
        look["open"] == true && look["busy"] == false && turns(look) == before
    });
    assert_eq!(open.await["trouble"], "");
    let mut whose = vec!["bot"];
    whose.extend(["visitor", "bot"].repeat(before));
    assert_eq!(
        browser.eval(TURNS).await,
        json!(whose),
        "the greeting, and each question before its answer"
    );
    let question = questions()["answerable"][before]["question"]
        .as_str()
        .expect("a question")
        .to_owned();
    browser.press(question.chars()).await;
    browser.press([Key::Enter.into()]).await;
    let answered = seen_by(browser, LOOK, "the answer", |look| {
        turns(look) == before + 1 && look["busy"] == false
    });
    let look = answered.await;
    assert_eq!(look["trouble"], "", "{look}");
}

async fn kept(browser: &Browser) -> Value {
    eventually("the kept session", || async {
        let kept = browser.eval(KEPT).await;
        Some(kept).filter(|kept| kept["conversation"].is_string())
    })
    .await
}

async fn change(browser: &Browser, kept: &Value, token: &Value, until: i64) {
    let mut changed = kept.clone();
    changed["session"]["token"] = token.clone();
    changed["session"]["until"] = until.into();
    let (key, text) = (&kept["key"], Value::String(changed.to_string()));
    browser.eval(&format!("sessionStorage.setItem({key}, {text});")).await;
}

/// The same session's token as it was given out three hours ago.
fn ended_token(up: &Up<'_>, token: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let (payload, _) = token.split_once('.').expect("a payload");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64");
    let mut had: VisitorSession = serde_json::from_slice(&payload).expect("a session");
    let (_, key) = up
        .variables()
        .find(|(name, _)| *name == "ENCRYPTION_KEY")
        .expect("the key");
    let key: Vec<u8> = (0..key.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&key[at..at + 2], 16).expect("hex"))
        .collect();
    let then = Clock::system().now() - time::Duration::hours(3);
    had.began = then.unix_timestamp();
    let host = |text: &str| text.parse::<HostName>().expect("a host");
    let tokens = VisitorTokens::new(MasterKeys::new(&key, []), Clock::fixed(then));
    let issued = tokens.issue(had.customer, Some(&had), &host(&had.origin), &host(&had.domain), None);
    issued.expect("a token").0
}
