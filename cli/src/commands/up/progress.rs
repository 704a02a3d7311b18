//! Shows how the crawl moves: one line that is rewritten on a terminal, one line a change elsewhere.
use domain::{
    jobs::{self, state},
    lifecycle::Lifecycle,
    tenancy::{Customer, Db},
};
use std::io::{IsTerminal, Write};
use url::Url;
use uuid::Uuid;

/// Shows the job until it ends.
pub fn show(db: &Db, customer: &Customer, job: Uuid, site: &Url, life: &Lifecycle, no_worker: bool) {
    let (db, customer, site, stopping) = (db.clone(), customer.clone(), site.clone(), life.stopping());
    if no_worker {
        println!("crawl             {site} is queued; start `omniops worker` with the env of dev.json");
        return;
    }
    life.spawn(async move {
        let mut shown = Line::default();
        while stopping
            .run_until_cancelled(tokio::time::sleep(super::LOOK))
            .await
            .is_some()
        {
            let Ok(tx) = db.tenant(&customer).await else { continue };
            let Ok(job) = jobs::get(&tx, job).await else { continue };
            if state::is_final(&job.state) {
                shown.end(&ending(&job, &site));
                return;
            }
            shown.update(&moving(&job, &site));
        }
    });
}

fn moving(job: &entity::job::Model, site: &Url) -> String {
    let number = |name: &str| job.progress.get(name).and_then(serde_json::Value::as_i64).unwrap_or(0);
    let phase = job
        .progress
        .get("phase")
        .and_then(serde_json::Value::as_str)
        .unwrap_or(&job.state);
    let (done, total) = (number("done"), number("total"));
    format!(
        "crawl             {site} {phase}: {done} of {total} URLs{}",
        outlook(job)
    )
}

/// How fast it goes and when it will be through, as far as that is known; or what it waits for.
fn outlook(job: &entity::job::Model) -> String {
    let told = |name: &str| job.progress.get(name).filter(|value| !value.is_null());
    if let Some(waits) = told("waits").filter(|_| job.state != state::RUNNING) {
        let text = |name: &str| waits[name].as_str().unwrap_or_default();
        return format!(", waits until {} ({})", text("until"), text("reason"));
    }
    let pace = told("pages_per_second").map(|pace| format!(", {pace} a second"));
    let left = told("eta_seconds").map(|seconds| format!(", about {seconds} s to go"));
    format!("{}{}", pace.unwrap_or_default(), left.unwrap_or_default())
}

fn ending(job: &entity::job::Model, site: &Url) -> String {
    let result = job.result.clone().unwrap_or_default();
    match job.state.as_str() {
        state::DONE => format!(
            "crawl             {site} done: {} pages, {} chunks, {} embedded, {} ms",
            result["pages"], result["chunks"], result["chunks_embedded"], result["ms"]
        ),
        other => {
            let error = job.error.clone().unwrap_or_default();
            format!(
                "crawl             {site} {other}: {}",
                error["message"].as_str().unwrap_or("no reason was given")
            )
        }
    }
}

#[derive(Default)]
struct Line {
    last: String,
}

impl Line {
    fn update(&mut self, text: &str) {
        if text == self.last {
            return;
        }
        let mut out = std::io::stdout();
        // A closed terminal is no reason to stop serving.
        let _ = if out.is_terminal() {
            write!(out, "\r\x1b[2K{text}")
        } else {
            writeln!(out, "{text}")
        };
        let _ = out.flush();
        text.clone_into(&mut self.last);
    }

    fn end(&mut self, text: &str) {
        self.update(text);
        if std::io::stdout().is_terminal() {
            println!();
        }
    }
}
