//! Our extraction, page by page on one thread, and our chunks.
use anyhow::Result;
use extract::{
    chunk::{Characters, Limit, chunks},
    page::{Input, extract_guarded},
};
use std::{io::BufRead as _, path::Path};
use url::Url;

use crate::{
    cpu,
    extract_bench::CHUNK_CHARS,
    protocol::{Extracted, Split, say},
};

/// Reads file names from standard input and tells the main content of each; the processor time is that of the whole process,
/// since the extraction has a thread of its own.
pub fn extract() -> Result<()> {
    let url = Url::parse("https://example.com/")?;
    for line in std::io::stdin().lock().lines() {
        let file = line?;
        let body = std::fs::read(&file)?;
        let begun = cpu::precise();
        let input = Input {
            url: &url,
            body: &body,
            content_type: Some("text/html"),
        };
        let page = extract_guarded(&input);
        let ms = (cpu::precise() - begun) / 1000.0;
        let id = Path::new(&file)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        say(&Extracted {
            id,
            text: page.map(|page| page.markdown).unwrap_or_default(),
            ms,
        });
    }
    Ok(())
}

/// Reads file names from standard input and tells in how many chunks each is cut.
pub fn split() -> Result<()> {
    let limit = Limit {
        max_tokens: CHUNK_CHARS,
        target_tokens: CHUNK_CHARS * 4 / 5,
        merge_tokens: CHUNK_CHARS / 5,
    };
    for line in std::io::stdin().lock().lines() {
        let text = std::fs::read_to_string(line?)?;
        let begun = cpu::precise();
        let chunks = chunks(&text, "", limit, &Characters).len();
        let ms = (cpu::precise() - begun) / 1000.0;
        say(&Split { chunks, ms });
    }
    Ok(())
}
