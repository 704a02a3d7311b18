//! Health beyond "it answers": a schema that is older than the process, and disks that are full.
use poem::{Endpoint, Request, endpoint::BoxEndpoint, http::StatusCode};
use serde_json::Value;
use testkit::ADMIN_TOKEN;

use crate::app::App;

/// One call to a process of the installation that differs from the test's own.
async fn get(context: api::Context, path: &str) -> (StatusCode, Value) {
    let endpoint: BoxEndpoint<'static, _> = poem::EndpointExt::boxed(api::endpoint(context));
    let request = Request::builder()
        .uri_str(path)
        .header("authorization", format!("Bearer {ADMIN_TOKEN}"));
    let answer = endpoint.get_response(request.finish()).await;
    let status = answer.status();
    let body = answer.into_body().into_string().await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

fn part<'a>(health: &'a Value, name: &str) -> &'a Value {
    let mut parts = health["parts"].as_array().unwrap().iter();
    parts.find(|part| part["name"] == name).unwrap()
}

#[tokio::test]
async fn a_process_that_is_newer_than_the_schema_is_not_ready_and_says_what_is_missing() {
    let app = App::start().await;
    let all = "/api/health/comprehensive?verbose=true";
    let (_, health) = get(app.context.clone(), all).await;
    assert_eq!(part(&health, "migrations")["state"], "ok", "{health}");

    let mut names = testkit::migrations();
    names.push("m29990101_000001_future".into());
    let newer = app.context.clone().with_migrations(names.clone());
    let (status, ready) = get(newer.clone(), "/api/health/ready").await;
    assert_eq!(
        (status.as_u16(), &ready["status"]),
        (503, &Value::from("migrations_pending"))
    );
    let (_, health) = get(newer, all).await;
    assert_eq!(health["status"], "degraded");
    assert_eq!(
        part(&health, "migrations")["detail"],
        "run `omniops migrate` for m29990101_000001_future"
    );

    // A schema that is newer than the process: the others have been replaced already.
    let older = app.context.clone().with_migrations(names[..3].to_vec());
    assert_eq!(get(older, "/api/health/ready").await.0.as_u16(), 200);
}

#[tokio::test]
async fn health_tells_how_much_room_the_folders_have() {
    let app = App::start().await;
    let (_, health) = get(app.context.clone(), "/api/health/comprehensive?verbose=true").await;
    let disk = part(&health, "disk");
    let told = disk["detail"].as_str().unwrap();
    assert!(
        told.contains(&std::env::temp_dir().display().to_string()) && told.contains("GiB free"),
        "{told}"
    );

    // procfs has no room at all.
    let full = app.context.clone().with_folder(std::path::Path::new("/proc"));
    let (_, health) = get(full, "/api/health/comprehensive?verbose=true").await;
    assert_eq!(
        (&health["status"], &part(&health, "disk")["state"]),
        (&"degraded".into(), &"failing".into())
    );
}
