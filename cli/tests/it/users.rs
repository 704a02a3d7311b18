//! `omniops users`: the way in for people, on a running installation.
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::process::Output;

use crate::{
    process::{omniops, run, stderr, stdout},
    up::{Installation, Up},
};

async fn users(up: &Up<'_>, args: &[&str]) -> Output {
    let mut command = omniops();
    command.arg("users").args(args).envs(up.variables());
    run(command).await
}

async fn told(up: &Up<'_>, args: &[&str]) -> String {
    let output = users(up, args).await;
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

fn password(told: &str) -> &str {
    told.lines()
        .find_map(|line| line.strip_prefix("password: "))
        .expect("a password")
}

async fn log_in(up: &Up<'_>, password: &str) -> u16 {
    let body: Value = json!({ "email": "ada@example.com", "password": password });
    let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let answer = client
        .post(up.url("/api/admin/login"))
        .json(&body)
        .send()
        .await
        .expect("an answer");
    answer.status().as_u16()
}

#[tokio::test]
async fn a_person_is_let_in_and_let_in_again() {
    let installation = Installation::new().arg("--no-worker");
    let up = installation.up().await;
    let made = told(&up, &["create", "ada@example.com", "--name", "Ada"]).await;
    assert!(made.contains("ada@example.com is owner now."), "{made}");
    let first = password(&made).to_owned();
    assert_eq!(log_in(&up, &first).await, 200);
    for _ in 0..6 {
        log_in(&up, "not the password").await;
    }
    assert_eq!(log_in(&up, &first).await, 429, "others keep the account locked");
    let reset = told(&up, &["reset", "ada@example.com", "--second-factor"]).await;
    assert_ne!(password(&reset), first);
    assert_eq!(log_in(&up, &first).await, 401);
    assert_eq!(log_in(&up, password(&reset)).await, 200);

    let listed = told(&up, &["list"]).await;
    let line = listed
        .lines()
        .find(|line| line.starts_with("ada@example.com"))
        .expect("a line");
    assert!(
        line.contains("owner") && line.contains("all") && !listed.contains("argon2"),
        "{listed}"
    );
    let bob = ["create", "bob@example.com", "--name", "Bob", "--role", "viewer"];
    let refused = users(&up, &bob).await;
    assert_eq!(refused.status.code(), Some(1), "a viewer is of customers");
    let domain = up.dev["domain"].as_str().expect("a domain");
    told(&up, &[&bob[..], &["--customer", domain]].concat()).await;
    let unknown = users(
        &up,
        &[
            "create",
            "eve@example.com",
            "--name",
            "Eve",
            "--customer",
            "nobody.example",
        ],
    )
    .await;
    assert!(
        stderr(&unknown).contains("no customer has the domain nobody.example"),
        "{}",
        stderr(&unknown)
    );
    up.stop(Signal::SIGTERM).await;
}
