//! Writes predictions for the extraction scorer: `predict DIR > PRED.jsonl`, where `DIR` has `html/ID.html.gz` and
//! `truth/ID.json` (for the page's URL). Also prints the time on stderr.

use std::{env, error::Error, fs, io::Read, path::Path, time::Instant};

use extract::page::{Input, extract_guarded};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output of a command-line tool"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::args().nth(1).ok_or("usage: predict DIR")?;
    let dir = Path::new(&dir);
    let mut paths: Vec<_> = fs::read_dir(dir.join("html"))?
        .map(|entry| entry.map(|it| it.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let mut times = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let id = name.trim_end_matches(".html.gz");
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(fs::File::open(&path)?).read_to_end(&mut body)?;
        let truth: serde_json::Value =
            serde_json::from_slice(&fs::read(dir.join("truth").join(format!("{id}.json")))?)?;
        let url = url::Url::parse(truth["url"].as_str().unwrap_or("https://example.com/"))?;
        let start = Instant::now();
        let page = extract_guarded(&Input {
            url: &url,
            body: &body,
            content_type: None,
        })?;
        times.push(start.elapsed());
        println!("{}", serde_json::json!({ "id": id, "text": page.markdown }));
    }
    times.sort();
    eprintln!(
        "{} pages, median {:?}, largest {:?}",
        times.len(),
        times[times.len() / 2],
        times[times.len() - 1]
    );
    Ok(())
}
