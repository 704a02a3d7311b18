use proptest::prelude::*;

use super::*;

const LIMIT: Limit = Limit {
    max_tokens: 40,
    target_tokens: 30,
    merge_tokens: 30,
};

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn cut(markdown: &str, title: &str) -> Vec<Chunk> {
    chunks(markdown, title, LIMIT, &words)
}

fn repeat(times: usize, line: &mut dyn FnMut(usize) -> String) -> String {
    (0..times).map(line).collect()
}

fn paths(chunks: &[Chunk]) -> Vec<&str> {
    chunks.iter().map(|chunk| chunk.heading_path.as_str()).collect()
}

#[test]
fn a_question_stays_with_its_answer_and_apart_from_others() {
    let chunks = cut(
        "# FAQ\n\n## Why?\n\nBecause.\n\n## How?\n\nLike this:\n\n- a\n- b\n",
        "FAQ",
    );
    assert_eq!(paths(&chunks), ["FAQ > Why?", "FAQ > How?"]);
    assert_eq!(chunks[1].text, "Like this:\n\n- a\n- b");
    assert_eq!(chunks[0].embedding_input(), "FAQ > Why?\nBecause.");
}

#[test]
fn small_siblings_share_a_chunk_under_their_parent() {
    let chunks = cut(
        "intro\n\n## One\n\nfirst\n\n## Two\n\nsecond\n\n### Deep\n\nthird",
        "Page",
    );
    assert_eq!(paths(&chunks), ["Page", "Page > Two > Deep"]);
    insta::assert_snapshot!(chunks[0].text, @"
    intro

    ## One

    first

    ## Two

    second
    ");
}

#[test]
fn tables_are_cut_between_rows_with_their_header() {
    let rows = repeat(20, &mut |row| format!("| name{row} | value{row} |\n"));
    let chunks = cut(&format!("# Sizes\n\n| Name | Value |\n| --- | --- |\n{rows}"), "Sizes");
    assert!(chunks.len() > 2);
    for chunk in &chunks {
        assert!(
            chunk.text.starts_with("| Name | Value |\n| --- | --- |\n| name"),
            "{}",
            chunk.text
        );
        assert!(chunk.text.ends_with('|'));
    }
}

#[test]
fn code_is_cut_between_lines_and_stays_fenced() {
    let code = repeat(30, &mut |line| format!("    call({line}, x)\n"));
    let chunks = cut(&format!("```python\n{code}```\n\nafter"), "Code");
    assert!(chunks.len() > 1);
    let fenced = chunks.iter().filter(|chunk| chunk.text.contains("call"));
    for chunk in fenced {
        assert!(
            chunk.text.starts_with("```") && chunk.text.matches("```").count() == 2,
            "{}",
            chunk.text
        );
        assert!(chunk.text.contains("\n    call("));
    }
    assert_eq!(
        chunks.iter().filter(|chunk| chunk.text.contains("```python")).count(),
        1
    );
}

#[test]
fn headings_in_code_are_code() {
    let chunks = cut("```sh\n# comment\nls\n```", "T");
    assert_eq!(paths(&chunks), ["T"]);
}

#[test]
fn monsters_are_cut_anywhere() {
    let by_chars = |text: &str| text.chars().count();
    let limit = Limit {
        max_tokens: 64,
        target_tokens: 50,
        merge_tokens: 50,
    };
    for monster in [
        "x".repeat(5000),
        format!("# {}\n\ntext", "long ".repeat(500)),
        "é".repeat(3000),
    ] {
        let chunks = chunks(&monster, "Title", limit, &by_chars);
        assert!(!chunks.is_empty());
        assert!(chunks.iter().all(|chunk| by_chars(&chunk.embedding_input()) <= 64));
    }
}

#[test]
fn nothing_from_nothing_and_empty_headings_are_kept() {
    assert_eq!(cut("", ""), []);
    let chunks = cut("## Lonely\n\n## Other\n\ntext", "T");
    assert!(chunks[0].embedding_input().contains("Lonely") && chunks[0].text.contains("text"));
}

/// Pieces of Markdown as the renderer writes it, with words that occur once.
fn markdown() -> impl Strategy<Value = String> {
    let block = (0..7usize, 1..60usize, 1..5usize).prop_map(|(kind, length, level)| (kind, length, level));
    prop::collection::vec(block, 0..12).prop_map(|blocks| {
        let mut next = 0;
        let mut word = || {
            next += 1;
            format!("w{next}{}", if next % 7 == 0 { "." } else { "" })
        };
        let mut line = |length: usize| (0..length).map(|_| word()).collect::<Vec<_>>().join(" ");
        let render = |(kind, length, level): (usize, usize, usize)| match kind {
            0 => format!("{} {}", "#".repeat(level), line(length.min(3))),
            1 => repeat(length.min(9), &mut |_| format!("- {}\n", line(level * 3))),
            2 => format!(
                "```\n{}\n```",
                (0..length).map(|_| line(level)).collect::<Vec<_>>().join("\n")
            ),
            3 => {
                let rows = repeat(length, &mut |_| format!("| {} | {} |\n", line(level), line(1)));
                format!("| | |\n| --- | --- |\n{rows}")
            }
            4 => format!("{}\n\n: {}\n\n  {}", line(2), line(length), line(length)),
            _ => line(length * level),
        };
        blocks.into_iter().map(render).collect::<Vec<_>>().join("\n\n")
    })
}

fn marks(text: &str) -> Vec<String> {
    let is_word = |word: &&str| word.starts_with('w') && word[1..].starts_with(|c: char| c.is_ascii_digit());
    text.split_whitespace().filter(is_word).map(str::to_owned).collect()
}

proptest! {
    #[test]
    fn no_word_is_lost_and_no_chunk_is_too_large(markdown in markdown(), title in "[a-z]{0,8}") {
        let chunks = cut(&markdown, &title);
        let body = |text: &str| {
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            marks(&lines.join("\n"))
        };
        let got: Vec<String> = chunks.iter().flat_map(|chunk| body(&chunk.text)).collect();
        prop_assert_eq!(got, body(&markdown));
        for chunk in &chunks {
            prop_assert!(words(&chunk.embedding_input()) <= LIMIT.max_tokens, "{:?}", chunk);
            prop_assert_eq!(chunk.tokens, words(&chunk.embedding_input()));
        }
        let all: String = chunks.iter().map(|chunk| chunk.embedding_input() + "\n").collect();
        for heading in markdown.lines().filter(|line| line.starts_with('#')) {
            for word in marks(heading) {
                prop_assert!(all.contains(&word), "heading word {word} is lost");
            }
        }
    }

    #[test]
    fn what_is_known_to_add_up_is_cut_alike(
        markdown in prop_oneof![markdown(), "(?s).{0,400}", "[#|>`~:a-zé0-9.!? \\-\n]{0,400}"],
        title in "[a-z]{0,8}",
        most in 1..200usize,
    ) {
        let limit = Limit { max_tokens: most, target_tokens: most * 4 / 5, merge_tokens: most / 2 };
        let counted = chunks(&markdown, &title, limit, &|text: &str| text.chars().count());
        prop_assert_eq!(chunks(&markdown, &title, limit, &Characters), counted);
    }

    #[test]
    fn any_text_is_cut_without_panic(text in "(?s).{0,300}", title in ".{0,30}") {
        for chunk in chunks(&text, &title, Limit { max_tokens: 8, target_tokens: 5, merge_tokens: 5 }, &|text: &str| text.chars().count()) {
            prop_assert!(chunk.tokens <= 8 || chunk.text.chars().count() <= 1);
        }
    }
}
