//! Main content of labelled pages, as the crawler would store it.
use anyhow::{Context as _, Result};
use extract::page::{Input, extract_guarded};
use std::{
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::Path,
    time::{Duration, Instant},
};
use url::Url;

/// Extracts every page of `dir` into `out`.
pub fn run(dir: &Path, out: &Path) -> Result<()> {
    let html = dir.join("html");
    let mut paths = fs::read_dir(&html)
        .with_context(|| format!("reading {}", html.display()))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    let mut writer = BufWriter::new(File::create(out).with_context(|| format!("writing {}", out.display()))?);
    let mut times: Vec<Duration> = Vec::new();
    for path in &paths {
        let Some(id) = path
            .file_name()
            .and_then(|n| n.to_str())
            .and_then(|n| n.strip_suffix(".html.gz"))
        else {
            continue;
        };
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(File::open(path)?)
            .read_to_end(&mut body)
            .with_context(|| path.display().to_string())?;
        let url = page_url(dir, id)?;
        let began = Instant::now();
        let page = extract_guarded(&Input {
            url: &url,
            body: &body,
            content_type: Some("text/html"),
        });
        times.push(began.elapsed());
        let text = page.map(|p| p.markdown).unwrap_or_default();
        writeln!(writer, "{}", serde_json::json!({ "id": id, "text": text }))?;
    }
    writer.flush()?;
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!("{} pages, median {median:?} a page -> {}", times.len(), out.display());
    Ok(())
}

fn page_url(dir: &Path, id: &str) -> Result<Url> {
    let truth = fs::read(dir.join("truth").join(format!("{id}.json"))).unwrap_or_default();
    let known: serde_json::Value = serde_json::from_slice(&truth).unwrap_or_default();
    Ok(Url::parse(known["url"].as_str().unwrap_or("https://example.com/"))?)
}
