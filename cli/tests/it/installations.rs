//! Installations side by side, on each other's folder, and of an ordinary user.
use nix::sys::signal::Signal;

use crate::{
    process::{omniops, run, stderr},
    up::Installation,
};

#[tokio::test]
async fn two_installations_live_side_by_side_and_keep_apart() {
    let (one, other) = (
        Installation::new().arg("--no-worker"),
        Installation::new().arg("--no-worker"),
    );
    let (one, other) = tokio::join!(one.up(), other.up());
    one.assert_healthy().await;
    other.assert_healthy().await;
    assert_ne!(one.dev("base_url"), other.dev("base_url"));
    let (status, problem) = one.get_with(other.dev("api_key"), "/api/pages").await;
    assert_eq!(status, 401, "{problem}");
    let (status, problem) = other.get_with(one.dev("admin_token"), "/api/queue/stats").await;
    assert_eq!(status, 401, "{problem}");
    one.stop(Signal::SIGTERM).await;
    other.assert_healthy().await;
    other.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_its_owner_is_named() {
    let installation = Installation::new().arg("--no-worker");
    let up = installation.up().await;
    let mut second = omniops();
    second.args(["up", "--port", "0", "--state"]).arg(installation.state());
    let output = run(second).await;
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&up.process.pid().to_string()), "{told}");
    up.assert_healthy().await;
    up.get("/api/pages").await;
    up.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn an_ordinary_user_needs_no_flags_and_no_rights() {
    let installation = Installation::of_an_ordinary_user().arg("--no-worker");
    let up = installation.up().await;
    up.assert_healthy().await;
    let (status, health) = up.get_as("admin_token", "/api/health/comprehensive?verbose=true").await;
    assert_eq!(status, 200, "{health}");
    up.stop(Signal::SIGINT).await;
}
