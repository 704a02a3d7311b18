//! `omniops queue` and what `doctor` says about queues, on a running installation.
use nix::sys::signal::Signal;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::Value;
use std::process::Output;
use testkit::eventually;

use crate::{
    process::{omniops, run, stderr, stdout},
    up::{Installation, Up},
};

async fn omniops_with(up: &Up<'_>, args: &[&str]) -> Output {
    let mut command = omniops();
    command.args(args).envs(up.variables());
    run(command).await
}

/// What the command prints when all is well.
async fn told(up: &Up<'_>, args: &[&str]) -> String {
    let output = omniops_with(up, args).await;
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

async fn refused(up: &Up<'_>, args: &[&str], code: i32) -> String {
    let output = omniops_with(up, args).await;
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    stderr(&output)
}

async fn stats(up: &Up<'_>) -> Value {
    serde_json::from_str(&told(up, &["queue", "stats", "--json"]).await).expect("JSON")
}

async fn superuser(up: &Up<'_>) -> DatabaseConnection {
    let mut variables = up.variables();
    let (_, url) = variables
        .find(|(name, _)| *name == "DATABASE_OWNER_URL")
        .expect("DATABASE_OWNER_URL");
    Database::connect(url).await.expect("the database")
}

/// The line of a table that begins with this word.
fn line<'a>(table: &'a str, begins: &str) -> &'a str {
    let found = table.lines().find(|line| line.starts_with(begins));
    found.unwrap_or_else(|| panic!("no line of {begins} in\n{table}"))
}

#[tokio::test]
async fn queues_are_seen_paused_limited_and_resumed() {
    let installation = Installation::new().arg("--no-worker");
    let up = installation.up().await;
    let table = told(&up, &["queue", "stats"]).await;
    let heading: Vec<&str> = line(&table, "queue").split_whitespace().collect();
    assert_eq!(heading[..3], ["queue", "waiting", "oldest"], "{table}");
    assert_eq!(line(&table, "scrape").split_whitespace().nth(1), Some("1"), "{table}");
    assert!(table.contains("No worker"), "{table}");
    let shared = line(&table, "Of all kinds: express ");
    assert!(shared.contains("; quarantine 0 waiting, 0 held."), "{table}");
    let domain = up.dev("domain");
    let of_one = told(&up, &["queue", "stats", "--customer", domain]).await;
    assert!(line(&of_one, domain).contains("scrape"), "{of_one}");
    refused(&up, &["queue", "stats", "--customer", "nobody.example"], 1).await;
    let (status, api) = up.get_as("admin_token", "/api/queue/stats").await;
    let cli = stats(&up).await;
    assert_eq!(
        (status, &cli["queues"][0]["depth"], &cli["queues"][0]["lag"]),
        (200, &1.into(), &api["queues"][0]["lag"])
    );
    let names = |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>());
    assert_eq!(names(&cli), names(&api));

    assert_eq!(told(&up, &["queue", "pause", "scrape"]).await, "scrape: paused\n");
    assert_eq!(stats(&up).await["queues"][0]["paused"], true);
    let limited = told(&up, &["queue", "limits", "scrape", "--max-running", "3"]).await;
    assert_eq!(limited, "scrape: paused, at most 3\n");
    let limited = told(&up, &["queue", "limits", "scrape", "--per-customer", "1"]).await;
    assert_eq!(limited, "scrape: paused, at most 3, at most 1 a customer\n");
    let table = told(&up, &["queue", "stats"]).await;
    assert!(
        line(&table, "scrape").ends_with("paused, at most 3, at most 1 a customer"),
        "{table}"
    );
    told(
        &up,
        &[
            "queue",
            "limits",
            "scrape",
            "--max-running",
            "none",
            "--per-customer",
            "none",
        ],
    )
    .await;
    assert_eq!(
        told(&up, &["queue", "resume", "scrape"]).await,
        "scrape: nothing holds it back\n"
    );

    // A reader that has seen enough, such as `head`.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = omniops();
    command.args(["queue", "stats"]).envs(up.variables()).stdout(writer);
    let status = tokio::process::Command::from(command).status().await.expect("an end");
    assert_eq!(status.code(), Some(0));

    for wrong in [
        &["queue", "pause", "scrapes"][..],
        &["queue", "limits", "scrape"],
        &["queue", "limits", "scrape", "--max-running", "0"],
        &["queue", "replay"],
    ] {
        refused(&up, wrong, 2).await;
    }

    let mut worker = up.worker(&[]);
    up.crawled().await;
    let table = told(&up, &["queue", "stats"]).await;
    let pid = worker.pid().to_string();
    let row = table
        .lines()
        .find(|line| line.split_whitespace().any(|cell| cell == pid));
    assert!(row.is_some_and(|row| row.contains("alive")), "{table}");
    assert_eq!(worker.end_by(Signal::SIGTERM).await.code(), Some(0));
    assert!(told(&up, &["queue", "stats"]).await.contains("No worker"));
    up.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn dead_letters_are_listed_and_run_again() {
    let installation = Installation::new().arg("--no-worker");
    let up = installation.up().await;
    let domain = up.dev("domain").to_owned();
    assert_eq!(told(&up, &["queue", "dead"]).await, "There are no dead letters.\n");
    let db = superuser(&up).await;
    let job = up.crawl().await["id"].as_str().expect("an id").to_owned();
    let die = "UPDATE jobs SET state = 'dead', attempts = 5, finished_at = now(),
        error = '{\"code\": \"site_unavailable\", \"message\": \"503 five times\"}'";
    db.execute_unprepared(die).await.expect("the update");

    let table = told(&up, &["queue", "dead", "--customer", &domain]).await;
    let row = line(&table, &job);
    assert!(
        row.contains(&domain) && row.contains("site_unavailable: 503 five times"),
        "{table}"
    );
    assert_eq!(
        told(&up, &["queue", "dead", "--kind", "embed"]).await,
        "There are no dead letters.\n"
    );
    let unknown = refused(&up, &["queue", "dead", "--customer", "nobody.example"], 1).await;
    assert!(unknown.contains("nobody.example"), "{unknown}");

    let replayed = told(&up, &["queue", "replay", &job]).await;
    assert_eq!(replayed, format!("scrape {job} is queued again\n"));
    let again = refused(&up, &["queue", "replay", &job], 1).await;
    assert!(again.contains("queued"), "{again}");
    db.execute_unprepared(die).await.expect("the update");
    assert_eq!(
        told(&up, &["queue", "replay", "--all", "--kind", "embed"]).await,
        "0 queued again, 0 left\n"
    );
    assert_eq!(
        told(&up, &["queue", "replay", "--all"]).await,
        "1 queued again, 0 left\n"
    );
    let mut worker = up.worker(&[]);
    up.crawled().await;
    assert_eq!(worker.end_by(Signal::SIGTERM).await.code(), Some(0));
    db.close().await.expect("closing");
    up.stop(Signal::SIGTERM).await;
}

#[tokio::test]
async fn doctor_tells_of_missing_workers_pauses_and_dead_letters() {
    let installation = Installation::new().arg("--no-worker");
    let up = installation.up().await;
    let doctor = async || {
        let output = omniops_with(&up, &["doctor"]).await;
        (output.status.code(), stdout(&output))
    };
    let (code, told_first) = doctor().await;
    let workers = line(&told_first, "MEND");
    assert!(
        workers.contains("1 jobs wait and no worker is alive") && workers.contains("omniops worker"),
        "{told_first}"
    );
    assert_eq!(code, Some(1), "{told_first}");

    let db = superuser(&up).await;
    let pause = "INSERT INTO queue_controls (kind, paused_at) VALUES ('embed', now())";
    db.execute_unprepared(pause).await.expect("the pause");
    let die = "UPDATE jobs SET state = 'dead', finished_at = now(), error = '{\"code\": \"x\"}'";
    db.execute_unprepared(die).await.expect("the update");
    let mut worker = up.worker(&[]);
    eventually("the worker", || async {
        (!stats(&up).await["workers"].as_array()?.is_empty()).then_some(())
    })
    .await;
    let (code, told) = doctor().await;
    assert_eq!(code, Some(0), "{told}");
    let notes: Vec<&str> = told.lines().filter(|line| line.starts_with("note")).collect();
    assert!(
        matches!(notes.as_slice(), [dead, paused] if dead.contains("dead letters: 1;") && paused.contains("paused queues: embed;")),
        "{told}"
    );
    assert_eq!(worker.end_by(Signal::SIGTERM).await.code(), Some(0));
    db.close().await.expect("closing");
    up.stop(Signal::SIGTERM).await;
}
