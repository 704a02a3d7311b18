//! Cuts a page into chunks, and knows which of them still need a vector. Pure: what is stored is told by the caller ([`super::embed`]).
use domain::pages::{
    index::{self, Edition, NewChunk, Pending},
    repeats, statements,
};
use embedding::Embedder;
use extract::chunk::{self, Limit};
use std::collections::HashSet;

/// Tokens kept free for the model's marks and for counting that is not exactly additive.
const MARGIN: usize = 8;
/// Longest input, whatever more a model takes: longer chunks are found worse and cited worse.
const MAX_TOKENS: usize = 256;
/// What long sections are cut into.
const TARGET_TOKENS: usize = 200;
/// What small sections are merged up to: a section of some sentences is found best by its own heading.
const MERGE_TOKENS: usize = 50;

/// A page with its chunks.
pub(super) struct Draft {
    /// The page and its chunks.
    pub edition: Edition,
    /// What the vectors are computed from, chunk by chunk.
    pub inputs: Vec<String>,
    /// Chunks without a stored vector, by position.
    pub missing: Vec<usize>,
    /// Tokens of the chunks that have one.
    pub tokens_saved: i64,
}

impl Draft {
    /// Finds out which chunks have no vector yet: `stored` are the hashes of those that have.
    pub fn new(edition: Edition, inputs: Vec<String>, stored: &HashSet<Vec<u8>>) -> Self {
        let has = |at: &usize| stored.contains(&edition.chunks[*at].hash);
        let tokens_saved = (0..inputs.len())
            .filter(has)
            .map(|at| i64::from(edition.chunks[at].tokens));
        Self {
            tokens_saved: tokens_saved.sum(),
            missing: (0..inputs.len()).filter(|at| !has(at)).collect(),
            edition,
            inputs,
        }
    }
}

/// Cuts a page into chunks, with the inputs of their vectors. What the site repeats, and pages that say nothing, have none.
pub(super) fn cut(page: Pending, embedder: Option<&dyn Embedder>) -> (Edition, Vec<String>) {
    let marks = embedder.map_or(0, |e| e.count_tokens(""));
    let count = |text: &str| match embedder {
        Some(embedder) => embedder.count_tokens(text).saturating_sub(marks),
        None => rough_tokens(text),
    };
    let model_max = embedder.map_or(MAX_TOKENS, |e| e.model().max_tokens);
    let limit = Limit {
        max_tokens: model_max.min(MAX_TOKENS).saturating_sub(marks + MARGIN),
        target_tokens: TARGET_TOKENS,
        merge_tokens: MERGE_TOKENS,
    };
    let text = if page.navigational {
        String::new()
    } else {
        repeats::without(&page.markdown, &page.title, &page.repeated)
    };
    let pieces = if text.trim().is_empty() {
        Vec::new()
    } else {
        chunk::chunks(&text, &page.title, limit, &count)
    };
    let content: Vec<(&str, &str)> = pieces
        .iter()
        .map(|piece| (piece.heading_path.as_str(), piece.text.as_str()))
        .collect();
    let extracted = statements::without(&page.extracted, &page.repeated);
    let said = match text.trim() {
        "" => Vec::new(),
        _ => statements::statements(&page.title, &extracted, &content),
    };
    // An answer or a description may be longer than a passage: its parts stand next to each other, each under the whole path.
    let extra = said.into_iter().flat_map(|said| {
        let whole = count(&chunk::embedding_input(&said.heading_path, &said.text)) <= limit.max_tokens;
        if whole {
            return vec![(said.kind, said.heading_path, said.text)];
        }
        let parts = chunk::chunks(&said.text, &said.heading_path, limit, &count);
        let parts = parts.into_iter().map(|part| (said.kind, part.heading_path, part.text));
        parts.collect()
    });
    let answers = statements::Answers::of(&extracted);
    let pieces = pieces.into_iter().map(|piece| {
        let kind = answers.kind_of(&piece.heading_path, &piece.text);
        (kind, piece.heading_path, piece.text)
    });
    let (chunks, inputs) = pieces
        .chain(extra)
        .map(|(kind, heading_path, text)| {
            let input = chunk::embedding_input(&heading_path, &text);
            let new = NewChunk {
                kind,
                tokens: count(&input) as i32,
                hash: index::input_hash(&input),
                heading_path,
                text,
                embedding: None,
            };
            (new, input)
        })
        .unzip();
    (Edition { page, chunks }, inputs)
}

/// Tokens where no model counts them: four letters each, as English text has on average.
fn rough_tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn page(markdown: &str) -> Pending {
        Pending {
            id: Uuid::nil(),
            title: "Title".into(),
            language: None,
            markdown: markdown.into(),
            version: 1,
            navigational: false,
            repeats: vec![],
            repeated: vec![],
            extracted: Value::Null,
        }
    }

    #[test]
    fn a_long_answer_is_cut_and_kept_whole() {
        let answer: Vec<String> = (0..130).map(|n| format!("Sentence {n} says a little.")).collect();
        let mut page = page("Some words on the page.");
        page.extracted = json!([{"kind": "faq", "data": {"questions": [
            {"question": "How does it go?", "answer": answer.join(" ")}, {"question": "Is it short?", "answer": "Yes, very."}]}}]);
        let chunks = cut(page, None).0.chunks;
        let parts: Vec<_> = chunks
            .iter()
            .filter(|chunk| chunk.heading_path.ends_with("How does it go?"))
            .collect();
        assert!(parts.len() > 2, "{} parts", parts.len());
        assert!(chunks.iter().all(|chunk| chunk.tokens as usize <= MAX_TOKENS));
        let all: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        let all = all.join(" ");
        assert!(answer.iter().all(|sentence| all.contains(sentence)), "{all}");
    }

    fn texts(page: Pending) -> Vec<String> {
        cut(page, None).0.chunks.into_iter().map(|chunk| chunk.text).collect()
    }

    #[test]
    fn a_chunk_with_a_stored_vector_is_not_embedded_again() {
        let markdown = "# Title\n\n## What is A?\n\nOne answer.\n\n## What is B?\n\nAnother answer.";
        let (edition, inputs) = cut(page(markdown), None);
        let all = Draft::new(edition.clone(), inputs.clone(), &HashSet::new());
        assert_eq!(
            (all.edition.chunks.len(), all.missing.len(), all.tokens_saved),
            (2, 2, 0)
        );
        let stored = HashSet::from([edition.chunks[0].hash.clone()]);
        let rest = Draft::new(edition, inputs, &stored);
        assert_eq!(rest.missing, [1]);
        assert_eq!(rest.tokens_saved, i64::from(rest.edition.chunks[0].tokens));
    }

    #[test]
    fn a_moved_section_is_the_same_and_one_under_another_title_is_not() {
        let hashes = |title: &str, markdown: &str| {
            let page = Pending {
                title: title.into(),
                ..page(markdown)
            };
            let (edition, _) = cut(page, None);
            edition
                .chunks
                .into_iter()
                .map(|chunk| chunk.hash)
                .collect::<HashSet<_>>()
        };
        let (a, b) = ("## Why?\n\nBecause of A.", "## How?\n\nWith the help of B.");
        let forth = hashes("T", &format!("{a}\n\n{b}"));
        assert_eq!(forth, hashes("T", &format!("{b}\n\n{a}")));
        assert!(forth.is_disjoint(&hashes("Other", &format!("{a}\n\n{b}"))));
    }

    #[test]
    fn questions_of_the_structured_data_are_chunks_of_their_own() {
        let pair = |q: &str, a: &str| json!({ "question": q, "answer": a });
        let pairs = [
            pair("What is A?", "One answer."),
            pair("What is C?", "Hidden in a panel."),
        ];
        let page = Pending {
            extracted: json!([{ "kind": "faq", "data": { "questions": pairs } }]),
            ..page("# Title\n\n## What is A?\n\nOne answer.\n\n## What is B?\n\nAnother answer.")
        };
        let (edition, inputs) = cut(page, None);
        let chunks: Vec<_> = edition.chunks.iter().map(|c| (c.kind, c.text.as_str())).collect();
        let (faq, content) = (index::Kind::Faq, index::Kind::Content);
        assert_eq!(
            chunks,
            [
                (faq, "One answer."),
                (content, "Another answer."),
                (faq, "Hidden in a panel.")
            ]
        );
        assert_eq!(inputs[2], "Title > What is C?\nHidden in a panel.");
    }

    #[test]
    fn what_the_site_repeats_and_pages_that_say_nothing_have_no_chunks() {
        let markdown = "The mug holds half a litre.\n\nWe use cookies.";
        let repeating = Pending {
            repeated: vec!["We use cookies.".into()],
            ..page(markdown)
        };
        assert_eq!(texts(repeating), ["The mug holds half a litre."]);
        let index = Pending {
            navigational: true,
            ..page(markdown)
        };
        assert!(texts(index).is_empty());
    }
}
