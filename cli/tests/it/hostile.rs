//! The widget before a server that answers with all that an attacker would like to see rendered: text stays text.
use futures::FutureExt;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, resume_unwind};
use testkit::{Page, Site, eventually};

use crate::{browser::Browser, up::Installation};

/// What the answer became.
const LOOK: &str = "
    const shadow = document.querySelector('omniops-widget')?.shadowRoot;
    const answer = [...(shadow?.querySelectorAll('.msg.bot') ?? [])].at(-1);
    if (!answer || !shadow.querySelector('.msg.user') || shadow.querySelector('.dots') || !shadow.querySelector('.stop').hidden) return null;
    const links = [...answer.querySelectorAll('.text a')];
    return {
        text: answer.querySelector('.text').textContent,
        active: [...answer.querySelectorAll('img,script,iframe,object,embed,form,style,meta,svg image,video')].length,
        handlers: [...answer.querySelectorAll('*')].flatMap((node) => node.getAttributeNames()).filter((name) => name.startsWith('on')),
        links: links.map((link) => link.href),
        rels: [...new Set([...answer.querySelectorAll('a')].map((link) => link.rel))],
        sources: [...answer.querySelectorAll('.list a')].map((link) => link.href),
        hacked: window.hacked === true,
    };";

const HOSTILE: &str = "<script>window.hacked = true</script> <img src=x onerror=\"window.hacked = true\"> ![i](https://evil.example/i.png)\n\
    [click](javascript:window.hacked=true) [out](https://evil.example/x) <https://evil.example/a> https://evil.example/b \
    [user](https://shop@evil.example/) <iframe src=https://evil.example></iframe>\n\n\
    - <b onclick=\"window.hacked = true\">item</b> **[bold](https://evil.example/c)** `<svg onload=window.hacked=true>`\n\n\
    ```\n<script>window.hacked = true</script>\n```\n[good](SOURCE) [own](OWN) [1] [2]";

#[tokio::test]
async fn nothing_in_an_answer_runs_loads_or_leads_astray() {
    let installation = Installation::new();
    let up = installation.up().await;
    let browser = Browser::start().await;
    let site = site().await;
    let visit = AssertUnwindSafe(visit(&browser, &up.url("/demo"), &site))
        .catch_unwind()
        .await;
    if let Err(failure) = visit {
        println!("screenshot: {:?}", browser.screenshot().await);
        resume_unwind(failure);
    }
    browser.close().await;
    up.stop(Signal::SIGTERM).await;
}

/// A page with the widget, and the calls that it makes.
async fn site() -> Site {
    let none: [(&str, Page); 0] = [];
    let site = Site::start(none).await;
    let session = json!({ "token": "t", "session_id": "019aa000-0000-7000-8000-000000000009", "expires_at": "2099-01-01T00:00:00Z", "expires_in": 3600,
        "greeting": "Hi <img src=x onerror=\"window.hacked = true\">", "theme": {}, "suggestions": [] });
    let page = format!("<script src=\"/embed.js\" data-domain=\"{}\"></script>", site.host());
    let text = HOSTILE
        .replace("SOURCE", "https://docs.example/ok")
        .replace("OWN", &site.url("/own"));
    let sources = json!([
        { "n": 1, "title": "<b>Ok</b>", "url": "https://docs.example/ok", "snippet": "", "score": 1.0 },
        { "n": 2, "title": "Bad", "url": "javascript:window.hacked=true", "snippet": "", "score": 1.0 },
    ]);
    let done =
        json!({ "conversation_id": "c", "message_id": null, "sources": sources, "products": [], "refused": false });
    let events = format!(
        "event: token\ndata: {}\n\nevent: done\ndata: {done}\n\n",
        json!({ "text": text })
    );
    site.set("/", Page::html("Shop", &page));
    site.set(
        "/api/widget/session",
        Page::raw("application/json", session.to_string()),
    );
    site.set("/api/chat", Page::raw("text/event-stream", events));
    site
}

async fn visit(browser: &Browser, demo: &str, site: &Site) {
    browser.goto(demo).await;
    let script = "const call = new XMLHttpRequest(); call.open('GET', '/embed.js', false); call.send(); return call.responseText;";
    let script = browser.eval(script).await;
    site.set(
        "/embed.js",
        Page::raw("text/javascript", script.as_str().expect("the widget")),
    );
    browser.goto(&site.url("/")).await;
    browser.eval("window.Omniops.ask('Is it safe?');").await;
    let look: Value = eventually("the answer", || async {
        let look = browser.eval(LOOK).await;
        (!look.is_null()).then_some(look)
    })
    .await;
    assert_eq!(
        (&look["active"], &look["handlers"], &look["hacked"]),
        (&json!(0), &json!([]), &json!(false)),
        "{look}"
    );
    let good = "https://docs.example/ok";
    assert_eq!(look["links"], json!([good, site.url("/own"), good]), "{look}");
    assert_eq!(
        (&look["sources"], &look["rels"]),
        (&json!([good]), &json!(["noopener nofollow"])),
        "{look}"
    );
    let text = look["text"].as_str().unwrap_or_default();
    assert!(
        text.contains("<script>window.hacked = true</script>"),
        "markup is text: {text}"
    );
}
