//! API and worker as processes of their own behind a pooler in transaction mode.
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::Path;
use testkit::{Page, Pooler, Process, Site, eventually};

use crate::{
    process::{Folder, omniops},
    up::Installation,
};

#[tokio::test]
async fn a_crawl_and_an_answer_go_through_a_pooler() {
    let page = Page::html(
        "Shipping",
        "<main><h1>Shipping</h1><p>Shipping of the zebra costs 4.90 EUR.</p></main>",
    );
    let site = Site::start([("/", page)]).await;
    let installation = Installation::new().site(&site).arg("--no-worker");
    let up = installation.up().await;
    let url = up.dev("database_url").to_owned();
    let (_, host) = url.split_once("host=").expect("a socket");
    let pooler = Pooler::before(Path::new(host.split('&').next().expect("a folder"))).await;
    let variables = pooler.variables("omniops");
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut worker = up.worker(&variables);
    up.crawled().await;

    let folder = Folder::new();
    let mut command = omniops();
    command
        .arg("api")
        .envs(up.variables())
        .envs(variables.iter().copied())
        .env("PORT", "0");
    let mut api = Process::spawn(command, folder.path().join("api.log"));
    let line = api.says("api_listening").await;
    let address = line.split("127.0.0.1:").nth(1).expect("a port");
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let ask = serde_json::json!({ "message": "How much does shipping of the zebra cost?" });
    let answer: Value = eventually("an answer", || async {
        let asked = client
            .post(format!("http://127.0.0.1:{port}/api/chat"))
            .bearer_auth(up.dev("api_key"))
            .json(&ask);
        let answer: Value = asked.send().await.ok()?.json().await.ok()?;
        (answer["refused"] == false).then_some(answer)
    })
    .await;
    assert!(
        answer["answer"].as_str().is_some_and(|text| text.contains("4.90")),
        "{answer}"
    );
    for process in [&mut api, &mut worker] {
        assert_eq!(process.end_by(Signal::SIGTERM).await.code(), Some(0));
    }
    up.stop(Signal::SIGTERM).await;
}
