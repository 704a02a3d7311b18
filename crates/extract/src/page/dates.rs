//! When a page was published and last changed, where it says so in a machine's form.

use serde_json::Value;

use super::{dom::Dom, meta};

/// `(published, modified)` from JSON-LD, else from meta elements; only values that begin like an ISO 8601 date count.
pub(super) fn find(dom: &Dom, json_ld: &[Value]) -> (Option<String>, Option<String>) {
    let of = |key: &str, names: &[&str]| {
        let structured = json_ld
            .iter()
            .find_map(|item| item.get(key).and_then(Value::as_str).and_then(iso));
        structured.or_else(|| names.iter().find_map(|name| meta::content(dom, name).and_then(iso)))
    };
    (
        of(
            "datePublished",
            &["article:published_time", "date", "dc.date", "dcterms.created"],
        ),
        of(
            "dateModified",
            &[
                "article:modified_time",
                "og:updated_time",
                "last-modified",
                "dcterms.modified",
            ],
        ),
    )
}

fn iso(text: &str) -> Option<String> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let digits =
        |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let date =
        digits(0..4) && bytes.get(4) == Some(&b'-') && digits(5..7) && bytes.get(7) == Some(&b'-') && digits(8..10);
    (date && text.len() <= 40).then(|| text.to_owned())
}
