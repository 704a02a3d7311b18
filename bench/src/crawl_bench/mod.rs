//! `bench crawl`: a whole crawl by the product's worker beside a plain loop over the same modules, scrapy with trafilatura,
//! and crawlee; and, of pages that a script makes, beside crawl4ai with the same Chromium.
//!
//! The site is generated and served by the driver, which counts which pages were asked for, and takes the time from the first
//! request to the contender's word that it is through.
mod folders;
mod site;

use anyhow::{Context as _, Result};
use entity::packed;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Write as _,
    path::PathBuf,
    time::{Duration, SystemTime},
};
use tokio::time::sleep;

use crate::{
    CrawlArgs, cpu,
    machine::{self, npm_version, pip_versions},
    process::Process,
    protocol::{Crawled, Order},
    queue_bench::{Contender as Ledger, Stores},
    stats::{self, summarize},
};
pub use folders::Docs;
use site::{Hostile, LATENCY, Site, Style, Vice};

/// Requests at once.
const CONCURRENCY: usize = 16;
/// Requests at once to a site that is asked politely, and crawls at once.
const POLITE: usize = 4;
/// Browser sessions at once.
const SESSIONS: usize = 2;
/// A crawl that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(20);
/// What the product has stored.
const TEXTS: &str = "SELECT markdown FROM scraped_pages";
/// Heaps of the C library, as the image sets them.
const HEAPS: &str = "MALLOC_ARENA_MAX=2";
/// How often a contender's memory is looked at.
const SAMPLE: Duration = Duration::from_millis(500);

/// Who crawls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Crawler {
    /// The product's worker, with Postgres and Valkey.
    Worker,
    /// A loop over the same modules that keeps nothing.
    Plain,
    /// scrapy with trafilatura.
    Scrapy,
    /// crawlee's `CheerioCrawler`.
    Crawlee,
    /// crawl4ai with Chromium.
    Crawl4ai,
    /// The product's worker, while it crawls hostile sites too.
    Crowded,
}

use Crawler::{Crawl4ai, Crawlee, Crowded, Plain, Scrapy, Worker};

/// What kind of site; a table of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Part {
    /// Pages with their text in the HTML.
    Static,
    /// Pages that a script makes.
    Browser,
    /// A site beside hostile ones, at the same worker.
    Neighbours,
    /// The same as `static`, and larger: whether memory grows with the site.
    Large,
}

impl Part {
    fn title(self) -> &'static str {
        match self {
            Self::Static => "Pages with their text in the HTML",
            Self::Browser => "Pages that a script makes",
            Self::Neighbours => {
                "A site while the same worker crawls one that drips, one without end, and one that is always busy"
            }
            Self::Large => "A large site",
        }
    }

    fn crawlers(self) -> &'static [Crawler] {
        match self {
            Self::Static => &[Worker, Plain, Scrapy, Crawlee],
            Self::Browser => &[Worker, Crawl4ai],
            Self::Neighbours => &[Crowded, Worker],
            Self::Large => &[Worker],
        }
    }
}

impl Crawler {
    fn label(self) -> &'static str {
        match self {
            Worker => "ours (worker)",
            Plain => "plain loop",
            Scrapy => "scrapy + trafilatura",
            Crawlee => "crawlee Cheerio",
            Crawl4ai => "crawl4ai",
            Crowded => "beside hostile sites",
        }
    }
}

/// A row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Measure {
    Rate,
    Cpu,
    CpuStores,
    Peak,
    Early,
    Half,
    Most,
    Late,
    Own,
    Files,
    Coverage,
    Requests,
    Words,
}

impl Measure {
    fn label(self) -> &'static str {
        match self {
            Self::Rate => "pages/s",
            Self::Cpu => "CPU of the crawler a page (ms)",
            Self::CpuStores => "CPU of Postgres and Valkey a page (ms)",
            Self::Peak => "peak memory (MiB)",
            Self::Early => "memory after a quarter (MiB)",
            Self::Half => "memory after a half (MiB)",
            Self::Most => "memory after three quarters (MiB)",
            Self::Late => "memory at the end (MiB)",
            Self::Own => "of it the process's own (MiB)",
            Self::Files => "of it pages of executables and libraries (MiB)",
            Self::Coverage => "different pages found",
            Self::Requests => "requests",
            Self::Words => "words of content a page",
        }
    }
}

type Figures = BTreeMap<(Part, Measure), BTreeMap<Crawler, Vec<f64>>>;

/// Measures, prints the tables and writes the report.
pub async fn run(args: CrawlArgs) -> Result<()> {
    let begun = SystemTime::now();
    let load = machine::load();
    match std::fs::remove_dir_all(&args.state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("removing old data"),
        _ => {}
    }
    std::fs::create_dir_all(args.state.parent().context("the state needs a folder")?)?;
    let stores = Stores::start(&args.state).await?;
    let parts = args.only.map_or_else(
        || vec![Part::Static, Part::Browser, Part::Neighbours, Part::Large],
        |part| vec![part],
    );
    let (mut figures, mut failures, mut about) = (Figures::new(), Vec::new(), Vec::new());
    for part in &parts {
        let (pages, style) = match part {
            Part::Static => (args.pages, Style::Static),
            Part::Browser => (args.browser_pages, Style::Script),
            Part::Neighbours => (args.distant_pages, Style::Distant),
            Part::Large => (args.large_pages, Style::Static),
        };
        let site = Site::start(pages, style).await?;
        about.push(match part {
            Part::Static | Part::Large => format!(
                "{pages} static pages, {} KiB each, concurrency {CONCURRENCY}",
                site.page_bytes() / 1024
            ),
            Part::Browser => {
                format!("{pages} pages made by a script that waits 150 ms for its text, {SESSIONS} at once")
            }
            Part::Neighbours => format!(
                "{pages} static pages that take {} ms each, {POLITE} at once",
                LATENCY.as_millis()
            ),
        });
        let rounds = if *part == Part::Large { 1 } else { args.rounds };
        for round in 0..rounds {
            let mut order = part.crawlers().to_vec();
            order.retain(|crawler| args.crawler.is_empty() || args.crawler.contains(crawler));
            let turn = round as usize % order.len().max(1);
            order.rotate_left(turn);
            for crawler in order {
                println!("round {} of {rounds}, {part:?}: {}", round + 1, crawler.label());
                if let Err(error) = cell(&args, &stores, &site, *part, crawler, &mut figures).await {
                    println!("  {error:#}");
                    failures.push(format!("{}: {error:#}", crawler.label()));
                }
            }
        }
    }
    let found = folders::table(&args, &stores, &mut failures).await;
    let (valkey, postgres) = stores.versions().await?;
    stores.stop().await?;
    let mut lines = machine::head(begun, &format!("{} rounds", args.rounds), &load)?.to_vec();
    lines.extend(about);
    lines.push(format!(
        "Valkey {valkey} (append-only file synced every second), PostgreSQL {postgres} (fsync on, synchronous commits)"
    ));
    lines.push(format!(
        "{}; @crawlee/cheerio {}; Node.js {}",
        pip_versions(&args.peers)?,
        npm_version(&args.peers, "@crawlee/cheerio"),
        machine::node().await?
    ));
    let tables = tables(&parts, &figures) + &found;
    println!("{tables}");
    let report = document(&lines, &tables, &failures);
    std::fs::create_dir_all(args.report.parent().context("the report needs a folder")?)?;
    std::fs::write(&args.report, report).context("writing the report")?;
    println!("written to {}", args.report.display());
    Ok(())
}

/// One crawl.
async fn cell(
    args: &CrawlArgs,
    stores: &Stores,
    site: &Site,
    part: Part,
    crawler: Crawler,
    figures: &mut Figures,
) -> Result<()> {
    stores.flush().await?;
    let cell = stores.cell(Ledger::Ledger, 30_000).await?;
    let (concurrency, mode) = match part {
        Part::Static | Part::Large => (CONCURRENCY, "static"),
        Part::Browser => (SESSIONS, "browser"),
        Part::Neighbours => (POLITE, "static"),
    };
    let mut hostile = Vec::new();
    if crawler == Crowded {
        for vice in [Vice::Drips, Vice::Endless, Vice::Busy] {
            hostile.push(Hostile::start(vice).await?);
        }
    }
    let order = Order {
        site: site.url(),
        mode: mode.to_owned(),
        concurrency,
        beside: hostile.iter().map(Hostile::url).collect(),
        ..cell.order.clone()
    };
    let (program, crawl) = command(args, crawler, &order)?;
    let log = args.state.with_extension("log");
    site.visits();
    let before = stores.cpu();
    let mut process = Process::start(&program, &crawl, &args.peers, &log, crawler.label().to_owned())?;
    let pid = process.pid().context("it ended at once")?;
    let mut sizes = Vec::new();
    let told: Crawled = {
        let mut said = std::pin::pin!(process.next(PATIENCE));
        loop {
            tokio::select! {
                said = &mut said => break said?,
                () = sleep(SAMPLE) => sizes.push(cpu::memory(pid).0),
            }
        }
    };
    let (last, peak) = cpu::memory(pid);
    let (own, files) = cpu::own_and_files(pid);
    let used = cpu::of(pid);
    let used_by_servers = stores.cpu() - before;
    let ours = matches!(crawler, Worker | Crowded);
    let words = if ours {
        words(cell.texts(TEXTS).await?)? as f64
    } else {
        told.words as f64
    };
    process.stop().await?;
    let visits = site.visits();
    let pages = told.pages.max(1) as f64;
    let mut add = |measure, value| {
        figures
            .entry((part, measure))
            .or_default()
            .entry(crawler)
            .or_default()
            .push(value);
    };
    add(Measure::Rate, pages / ((told.at - visits.first) / 1e6));
    add(Measure::Coverage, visits.pages.len() as f64);
    add(Measure::Requests, visits.requests as f64);
    if part != Part::Neighbours {
        add(Measure::Words, words / pages);
    }
    if matches!(part, Part::Static | Part::Large) {
        let after = |quarters: usize| sizes.get(sizes.len() * quarters / 4).copied().unwrap_or(last);
        add(Measure::Cpu, used / pages / 1000.0);
        add(Measure::Peak, peak);
        add(Measure::Early, after(1));
        add(Measure::Half, after(2));
        add(Measure::Most, after(3));
        add(Measure::Late, last);
        add(Measure::Own, own);
        add(Measure::Files, files);
    }
    if crawler == Worker && part != Part::Neighbours {
        add(Measure::CpuStores, used_by_servers / pages / 1000.0);
    }
    Ok(())
}

fn command(args: &CrawlArgs, crawler: Crawler, order: &Order) -> Result<(PathBuf, Vec<OsString>)> {
    let json: OsString = serde_json::to_string(order)?.into();
    let python = |file: &str| {
        (
            args.peers.join("venv/bin/python"),
            vec![args.peers.join(file).into(), json.clone()],
        )
    };
    Ok(match crawler {
        Worker | Plain | Crowded => {
            let name = if crawler == Plain { "plain" } else { "worker" };
            let own = std::env::current_exe()?;
            (
                "env".into(),
                vec![HEAPS.into(), own.into(), "crawler".into(), name.into(), json],
            )
        }
        Scrapy => python("scrapy_site.py"),
        Crawl4ai => python("crawl4ai_site.py"),
        Crawlee => ("node".into(), vec![args.peers.join("crawlee_site.mjs").into(), json]),
    })
}

/// A table for each part.
fn tables(parts: &[Part], figures: &Figures) -> String {
    let table = |part: &Part| {
        let crawlers = part.crawlers();
        let labels: Vec<&str> = crawlers.iter().map(|crawler| crawler.label()).collect();
        let rows = figures.iter().filter(|((of, _), _)| of == part);
        let rows = rows.map(|((_, measure), row)| {
            let of = |crawler: &Crawler| row.get(crawler).and_then(|samples| summarize(samples));
            (measure.label().to_owned(), crawlers.iter().map(of).collect())
        });
        stats::table(part.title(), &labels, rows)
    };
    parts.iter().map(table).collect()
}

fn document(lines: &[String], tables: &str, failures: &[String]) -> String {
    let mut text = String::from("# Crawling beside peers\n\nWritten by `cargo xtask bench crawl`.\n\n");
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
    text.push_str(tables);
    text.push_str(&stats::ending(failures, include_str!("reading.md")));
    text
}

/// The words of stored texts.
fn words(stored: Vec<Vec<u8>>) -> Result<usize> {
    let mut words = 0;
    for text in stored {
        words += packed::unpack(text)?.split_whitespace().count();
    }
    Ok(words)
}
