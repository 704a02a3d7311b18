//! Prints the chunks of one HTML file, tokens counted as words: `chunks FILE [markdown]`.

use std::{env, error::Error, fs};

use extract::{
    chunk::{Limit, chunks},
    page::{Input, extract_guarded},
};

#[expect(clippy::print_stdout, reason = "the output of a command-line tool")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("usage: chunks FILE [markdown]")?;
    let url = url::Url::parse("https://example.com/")?;
    let page = extract_guarded(&Input {
        url: &url,
        body: &fs::read(path)?,
        content_type: None,
    })?;
    if env::args().nth(2).is_some() {
        println!("{}", page.markdown);
        return Ok(());
    }
    // A word is about 1.3 tokens of a WordPiece vocabulary.
    let count = |text: &str| text.split_whitespace().count() * 4 / 3;
    for chunk in chunks(
        &page.markdown,
        &page.title,
        Limit {
            max_tokens: 256,
            target_tokens: 200,
            merge_tokens: 80,
        },
        &count,
    ) {
        println!(
            "──── {} [{}] {}\n{}\n",
            chunk.ordinal, chunk.tokens, chunk.heading_path, chunk.text
        );
    }
    Ok(())
}
