//! `bench extract`: main content of labelled pages beside trafilatura and rs-trafilatura, and chunks beside
//! semantic-text-splitter. One process each, one page after the other, processor time by each process's own clock.
//!
//! The labelled pages are a folder of `html/ID.html.gz` and `truth/ID.json` (`page_type`, `main_content`); the score is the mean
//! over pages of the F1 of their words, as multisets.
use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fmt::Write as _,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use crate::{
    ExtractArgs,
    machine::{self, pip_versions},
    protocol::{Extracted, Split},
    stats::{number, percentile},
};

/// Longest chunk, in characters.
pub const CHUNK_CHARS: usize = 1000;

/// Who extracts: ours first.
const EXTRACTORS: [(&str, &str); 3] = [
    ("ours", ""),
    ("trafilatura", "trafilatura"),
    ("rs-trafilatura", "rs-trafilatura"),
];

#[derive(Deserialize)]
struct Truth {
    page_type: String,
    main_content: String,
}

/// F1 by page type, and the median of the processor time.
struct Score {
    by_type: BTreeMap<String, Vec<f64>>,
    ms: Vec<f64>,
}

/// Measures, prints the tables and writes the report.
pub fn run(args: &ExtractArgs) -> Result<()> {
    let begun = SystemTime::now();
    let load = machine::load();
    let pages = args.state.join("pages");
    let files = unpack(&args.data.join("html"), &pages)?;
    let truths = truths(&args.data.join("truth"))?;
    let mut scores = Vec::new();
    let mut ours = Vec::new();
    for (label, word) in EXTRACTORS {
        println!("extracting {} pages: {label}", files.len());
        let (program, arguments) = if word.is_empty() {
            (std::env::current_exe()?, vec!["extractor".into()])
        } else {
            let script: OsString = args.peers.join("trafilatura_pages.py").into();
            (args.peers.join("venv/bin/python"), vec![script, word.into()])
        };
        let found: Vec<Extracted> = ask(&program, &arguments, &files)?;
        ensure!(
            found.len() == files.len(),
            "{label} answered for {} of {} pages",
            found.len(),
            files.len()
        );
        scores.push((label, score(&found, &truths)));
        if word.is_empty() {
            ours = found;
        }
    }
    let markdown = markdown_files(&ours, &args.state.join("markdown"))?;
    let chunked = chunks(args, &markdown)?;
    let [date, machine] = machine::head(begun, &format!("{} labelled pages", files.len()), &load)?;
    let lines = [date, machine, pip_versions(&args.peers)?];
    let report = document(&lines, &scores, &chunked);
    println!("{report}");
    fs::create_dir_all(args.report.parent().context("the report needs a folder")?)?;
    fs::write(&args.report, &report).context("writing the report")?;
    fs::remove_dir_all(&args.state).context("removing the unpacked pages")
}

/// Writes the pages uncompressed, so that no contender's time has the decompression in it.
fn unpack(from: &Path, to: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(to)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(from).with_context(|| format!("no labelled pages in {}", from.display()))? {
        let entry = entry?;
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_suffix(".html.gz").map(str::to_owned))
        else {
            continue;
        };
        let mut body = Vec::new();
        GzDecoder::new(File::open(entry.path())?).read_to_end(&mut body)?;
        let file = to.join(format!("{id}.html"));
        fs::write(&file, body)?;
        files.push(file);
    }
    files.sort();
    Ok(files)
}

fn truths(folder: &Path) -> Result<HashMap<String, Truth>> {
    let mut truths = HashMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("no labels in {}", folder.display()))? {
        let path = entry?.path();
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        truths.insert(
            id,
            serde_json::from_slice(&fs::read(&path)?).with_context(|| path.display().to_string())?,
        );
    }
    Ok(truths)
}

/// Feeds file names to a contender, one at a time, and reads an answer for each.
fn ask<T: serde::de::DeserializeOwned>(program: &Path, args: &[OsString], files: &[PathBuf]) -> Result<Vec<T>> {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let mut answers = BufReader::new(child.stdout.take().context("no standard output")?).lines();
    let mut found = Vec::new();
    for file in files {
        writeln!(stdin, "{}", file.display())?;
        stdin.flush()?;
        let answer = answers.next().context("it ended early")??;
        found.push(serde_json::from_str(&answer).with_context(|| format!("it said {answer}"))?);
    }
    drop(stdin);
    child.wait()?;
    Ok(found)
}

fn score(found: &[Extracted], truths: &HashMap<String, Truth>) -> Score {
    let mut score = Score {
        by_type: BTreeMap::new(),
        ms: found.iter().map(|page| page.ms).collect(),
    };
    score.ms.sort_by(f64::total_cmp);
    for page in found {
        if let Some(truth) = truths.get(&page.id) {
            let value = f1(&page.text, &truth.main_content);
            score.by_type.entry("all".to_owned()).or_default().push(value);
            score.by_type.entry(truth.page_type.clone()).or_default().push(value);
        }
    }
    score
}

/// The F1 of the words of two texts, as multisets.
fn f1(found: &str, wanted: &str) -> f64 {
    let (found, wanted) = (bag(found), bag(wanted));
    let size = |bag: &HashMap<String, usize>| bag.values().sum::<usize>();
    if size(&found) + size(&wanted) == 0 {
        return 1.0;
    }
    let common = |(word, count): (&String, &usize)| (*count).min(found.get(word).copied().unwrap_or_default());
    let same: usize = wanted.iter().map(common).sum();
    2.0 * same as f64 / (size(&found) + size(&wanted)) as f64
}

fn bag(text: &str) -> HashMap<String, usize> {
    let mut bag = HashMap::new();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    for word in words.filter(|word| !word.is_empty()) {
        *bag.entry(word.to_lowercase()).or_default() += 1;
    }
    bag
}

fn markdown_files(pages: &[Extracted], folder: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let write = |page: &Extracted| -> Result<PathBuf> {
        let file = folder.join(format!("{}.md", page.id));
        fs::write(&file, &page.text)?;
        Ok(file)
    };
    pages.iter().map(write).collect()
}

/// Chunks, and MB a second of processor time, of each chunker.
fn chunks(args: &ExtractArgs, files: &[PathBuf]) -> Result<Vec<(&'static str, usize, f64)>> {
    let bytes: u64 = files
        .iter()
        .map(|file| fs::metadata(file).map_or(0, |data| data.len()))
        .sum();
    let own = (std::env::current_exe()?, vec!["chunker".into()]);
    let script: OsString = args.peers.join("splitter.py").into();
    let peer = (
        args.peers.join("venv/bin/python"),
        vec![script, CHUNK_CHARS.to_string().into()],
    );
    let mut rows = Vec::new();
    for (label, (program, arguments)) in [("ours", own), ("semantic-text-splitter", peer)] {
        let split: Vec<Split> = ask(&program, &arguments, files)?;
        let ms: f64 = split.iter().map(|split| split.ms).sum();
        let chunks = split.iter().map(|split| split.chunks).sum();
        rows.push((label, chunks, bytes as f64 / 1e3 / ms));
    }
    Ok(rows)
}

fn document(lines: &[String], scores: &[(&str, Score)], chunked: &[(&str, usize, f64)]) -> String {
    let mut text =
        String::from("# Extraction and chunks beside peers\n\nWritten by `cargo xtask bench extract --data DIR`.\n\n");
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
    let heads: Vec<&str> = scores.iter().map(|(label, _)| *label).collect();
    let _ = writeln!(
        text,
        "\n## Main content: mean F1 of the words\n\n| | pages | {} |",
        heads.join(" | ")
    );
    let _ = writeln!(text, "|---|---:|{}", "---:|".repeat(heads.len()));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    for (kind, values) in scores.first().map(|(_, ours)| &ours.by_type).into_iter().flatten() {
        let of = |(_, score): &(&str, Score)| {
            score
                .by_type
                .get(kind)
                .map_or_else(String::new, |values| format!("{:.3}", mean(values)))
        };
        let cells: Vec<String> = scores.iter().map(of).collect();
        let _ = writeln!(text, "| {kind} | {} | {} |", values.len(), cells.join(" | "));
    }
    for (label, percent) in [("CPU a page, median (ms)", 50), ("CPU a page, p95 (ms)", 95)] {
        let of = |(_, score): &(&str, Score)| percentile(&score.ms, percent).map_or_else(String::new, number);
        let cells: Vec<String> = scores.iter().map(of).collect();
        let _ = writeln!(text, "| {label} | | {} |", cells.join(" | "));
    }
    let _ = writeln!(
        text,
        "\n## Chunks of at most {CHUNK_CHARS} characters\n\n| | chunks | MB/s |\n|---|---:|---:|"
    );
    for (label, chunks, rate) in chunked {
        let _ = writeln!(text, "| {label} | {chunks} | {} |", number(*rate));
    }
    text.push_str(READING);
    text
}

const READING: &str = "
## How to read it

- Ours was tuned on these pages, and so was the model of page types of rs-trafilatura; pages held out are scored apart.
- Text of ours is Markdown (marks are no words); that of the others is plain text.
- Chunks are made of our own Markdown by both; ours carry their heading path.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_of_words_as_often_as_they_stand() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(f1("One two", "two, one!"), 1.0));
        assert!(near(f1("one one", "one"), 2.0 / 3.0));
        assert!(near(f1("", "one"), 0.0));
        assert!(near(f1("", ""), 1.0));
    }
}
