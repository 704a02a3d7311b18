//! What the executable says to wrong input, and its commands that end by themselves.
use nix::sys::signal::Signal;
use std::{fs, net::TcpListener, path::Path};

use crate::{
    process::{Folder, omniops, run, stderr, stdout},
    up::Installation,
};

#[tokio::test]
async fn an_unknown_flag_is_named() {
    let mut command = omniops();
    command.args(["up", "--prot", "0"]);
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.contains("--prot") && told.contains("--port"), "{told}");
}

#[tokio::test]
async fn a_site_that_is_no_web_address_is_refused_before_anything_starts() {
    for site in ["shop.example", "ftp://127.0.0.1/", "http://me:secret@127.0.0.1/"] {
        let told = refused_at_once(&["--port", "0", "--site", site], 2).await;
        assert!(told.contains("--site") && told.contains("URL"), "{site}: {told}");
    }
}

#[tokio::test]
async fn a_taken_port_says_how_to_choose_another_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let told = refused_at_once(&["--port", &port], 1).await;
    assert!(told.contains(&port) && told.contains("--port"), "{told}");
}

#[tokio::test]
async fn up_tells_what_is_wrong_with_a_variable_before_anything_starts() {
    let told = refused_with(&["--port", "0"], &[("ENCRYPTION_KEY", "short")], 78).await;
    assert!(
        told.contains("ENCRYPTION_KEY") && told.contains("32 characters"),
        "{told}"
    );
}

async fn refused_at_once(args: &[&str], code: i32) -> String {
    refused_with(args, &[], code).await
}

/// What `up` says when it ends with this code, without having started services.
async fn refused_with(args: &[&str], variables: &[(&str, &str)], code: i32) -> String {
    let folder = Folder::new();
    let state = folder.path().join("state");
    let mut command = omniops();
    command.arg("up").args(args).arg("--state").arg(&state);
    command.envs(variables.iter().copied());
    let output = run(command).await;
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(!state.join("services").exists(), "services were started: {told}");
    told
}

#[tokio::test]
async fn without_configuration_every_missing_variable_is_told_at_once() {
    for command in ["api", "worker", "doctor"] {
        let mut process = omniops();
        process.arg(command);
        let output = run(process).await;
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{command}: {told}");
        for name in [
            "DATABASE_URL",
            "REDIS_URL",
            "ENCRYPTION_KEY",
            "OMNIOPS_ADMIN_TOKEN",
            "CRON_SECRET",
        ] {
            assert!(told.contains(name), "{command}: {name} is not in {told}");
        }
    }
}

#[tokio::test]
async fn doctor_finds_a_good_installation_good_and_names_a_redis_that_is_away() {
    let installation = Installation::new();
    let up = installation.up().await;
    up.crawled().await;
    let mut command = omniops();
    command.arg("doctor").envs(up.variables());
    let output = run(command).await;
    let told = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.lines().count() > 5 && told.lines().all(|line| line.starts_with("ok ")),
        "{told}"
    );

    let mut command = omniops();
    command
        .arg("doctor")
        .envs(up.variables())
        .env("REDIS_URL", "redis://127.0.0.1:1");
    let output = run(command).await;
    let told = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let mend: Vec<&str> = told.lines().filter(|line| line.starts_with("MEND")).collect();
    assert!(matches!(mend.as_slice(), [line] if line.contains("Redis")), "{told}");

    let mut command = omniops();
    command
        .arg("doctor")
        .envs(up.variables())
        .env("REDIS_CACHE_URL", "redis://127.0.0.1:1");
    let output = run(command).await;
    let told = stdout(&output);
    let mend: Vec<&str> = told.lines().filter(|line| line.starts_with("MEND")).collect();
    assert!(
        matches!(mend.as_slice(), [line] if line.contains("limits and cached answers")),
        "{told}"
    );
    up.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn what_needs_redis_does_not_start_where_it_takes_nothing() {
    let kit = testkit::Kit::start().await;
    kit.fill_redis().await;
    let (full, away) = (None, Some(("REDIS_URL", "redis://127.0.0.1:1")));
    for changed in [full, away] {
        for process in ["worker", "api"] {
            let mut command = omniops();
            command
                .arg(process)
                .envs(&kit.variables)
                .env("DISABLE_VECTOR_SEARCH", "true")
                .env("REQUIRE_REDIS", "true")
                .envs(changed);
            let output = run(command).await;
            assert_eq!(output.status.code(), Some(1), "{process}: {}", stderr(&output));
            assert!(stderr(&output).contains("REQUIRE_REDIS"), "{}", stderr(&output));
        }
    }
}

#[tokio::test]
async fn openapi_prints_the_contract_that_is_checked_in() {
    let mut command = omniops();
    command.arg("openapi");
    let output = run(command).await;
    assert!(output.status.success());
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi.yaml");
    let checked_in = fs::read_to_string(checked_in).expect("openapi.yaml");
    assert!(
        stdout(&output) == checked_in,
        "openapi.yaml is not the present contract; run `cargo xtask openapi`"
    );
}
