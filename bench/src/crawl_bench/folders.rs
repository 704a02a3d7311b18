//! Whether a crawl finds all that there is: folders of documentation, each compared with the pages that links lead to by Python's own
//! HTML parser (`peers/reachable.py`), so that one parser's mistakes do not hide the other's.
use anyhow::{Context as _, Result, ensure};
use std::{collections::HashSet, fmt::Write as _, path::PathBuf, process::Command, str::FromStr};

use super::{
    CONCURRENCY, PATIENCE, Worker, command,
    site::{Folder, Visits},
};
use crate::{
    CrawlArgs,
    process::Process,
    protocol::{Crawled, Order},
    queue_bench::{Contender as Ledger, Stores},
    stats::number,
};

/// Most pages that are named when they were not found.
const NAMED: usize = 5;

/// A folder of HTML, and the path that its crawl begins with.
#[derive(Clone, Debug)]
pub struct Docs {
    folder: PathBuf,
    start: String,
}

impl FromStr for Docs {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (folder, start) = text.rsplit_once('=').unwrap_or((text, "/index.html"));
        if !start.starts_with('/') {
            return Err("the start page is a path from the folder on: FOLDER=/index.html".to_owned());
        }
        Ok(Self {
            folder: folder.into(),
            start: start.to_owned(),
        })
    }
}

impl Docs {
    /// The last part of the folder's name that says something.
    fn name(&self) -> String {
        let mut parts = self.folder.iter().rev().map(|part| part.to_string_lossy().into_owned());
        parts.find(|part| part != "html").unwrap_or_default()
    }
}

/// A table of all folders; nothing without folders.
pub async fn table(args: &CrawlArgs, stores: &Stores, failures: &mut Vec<String>) -> String {
    if args.docs.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\n## Whether all pages are found\n\n| | pages that links lead to | found of them | pages/s |\n|---|---:|---:|---:|\n",
    );
    let mut missed = String::new();
    for docs in &args.docs {
        let name = docs.name();
        println!("a folder: {name}");
        match Box::pin(one(args, stores, docs)).await {
            Ok((row, missing)) => {
                let _ = writeln!(text, "| {name} | {row} |");
                if !missing.is_empty() {
                    let _ = writeln!(missed, "\nNot found in {name}: {}", missing.join(", "));
                }
            }
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    text + &missed
}

/// Crawls one folder: its figures, and pages that were not found.
async fn one(args: &CrawlArgs, stores: &Stores, docs: &Docs) -> Result<(String, Vec<String>)> {
    let reachable = reachable(args, docs)?;
    let site = Folder::start(&docs.folder).await?;
    stores.flush().await?;
    let cell = stores.cell(Ledger::Ledger, 30_000).await?;
    let order = Order {
        site: site.url(&docs.start),
        mode: "static".to_owned(),
        concurrency: CONCURRENCY,
        ..cell.order.clone()
    };
    let (program, crawl) = command(args, Worker, &order)?;
    let log = args.state.with_extension("log");
    let mut process = Process::start(&program, &crawl, &args.peers, &log, docs.name())?;
    let told: Crawled = process.next(PATIENCE).await?;
    process.stop().await?;
    let Visits { first, pages, .. } = site.visits();
    let missing: Vec<String> = reachable.difference(&pages).take(NAMED).cloned().collect();
    let found = reachable.intersection(&pages).count();
    let rate = pages.len() as f64 / ((told.at - first) / 1e6);
    Ok((format!("{} | {found} | {}", reachable.len(), number(rate)), missing))
}

/// The paths of the pages that links lead to.
fn reachable(args: &CrawlArgs, docs: &Docs) -> Result<HashSet<String>> {
    let script = args.peers.join("reachable.py");
    let mut python = Command::new("python3");
    let found = python.arg(script).arg(&docs.folder).arg(&docs.start).output();
    let found = found.context("starting python3")?;
    ensure!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let found = String::from_utf8(found.stdout)?;
    Ok(found.lines().map(str::to_owned).collect())
}
