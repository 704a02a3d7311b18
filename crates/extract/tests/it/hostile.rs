//! Inputs made to hang, overflow or crash an extractor.

use std::fmt::Write;

use extract::page::{Error, Input, MAX_BODY_BYTES, Page, extract_guarded};
use url::Url;

fn base() -> Url {
    Url::parse("https://e.com/").unwrap()
}

fn extract(body: &[u8]) -> Result<Page, Error> {
    let url = base();
    extract_guarded(&Input {
        url: &url,
        body,
        content_type: None,
    })
}

#[test]
fn deep_nesting_keeps_its_text() {
    for tag in [
        "div",
        "b",
        "blockquote",
        "ul><li",
        "table><tr><td",
        "span",
        "dl><dd",
        "svg",
        "font color=x",
        "a href=x",
        "section",
    ] {
        let body = format!("<p>before</p>{}<p>inside</p>", format!("<{tag}>").repeat(30_000));
        let page = extract(body.as_bytes()).unwrap();
        assert!(page.markdown.contains("before"), "{tag}");
    }
    let closed = format!(
        "{}<p>inside</p>{}<p>after</p>",
        "<div>".repeat(200_000),
        "</div>".repeat(200_000)
    );
    let page = extract(closed.as_bytes()).unwrap();
    assert!(page.markdown.contains("inside") && page.markdown.contains("after"));
}

#[test]
fn one_endless_line_or_tag() {
    let page = extract(format!("<p>{}</p>", "word ".repeat(400_000)).as_bytes()).unwrap();
    assert_eq!(page.text_words, 400_000);
    let attributes = format!("<div {}>x</div><p>text</p>", "a1=2 ".repeat(400_000));
    assert!(extract(attributes.as_bytes()).unwrap().markdown.contains("text"));
    assert!(extract("<".repeat(2_000_000).as_bytes()).is_ok());
    assert!(extract("<!--".repeat(500_000).as_bytes()).is_ok());
}

#[test]
fn unclosed_formatting_does_not_multiply() {
    let mut body = String::new();
    for index in 0..20_000 {
        let _ = write!(body, "<div><b id={index}>x</div>");
    }
    assert!(extract(body.as_bytes()).is_ok());
    let wide = format!("<table><tr>{}", "<td>x".repeat(200_000));
    assert!(extract(wide.as_bytes()).is_ok());
}

#[test]
fn broken_encodings_and_noise() {
    let noise: Vec<u8> = (0..200_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    assert!(matches!(extract(&noise), Err(Error::NotHtml(_))));
    assert!(extract(&[b"<!doctype html>", noise.as_slice()].concat()).is_ok());
    assert!(extract(b"\xff\xfe\x00<\x00p\x00>").is_ok());
    assert!(
        extract(b"<meta charset=utf-16><p>\xc3\x28 \xf0\x9f text")
            .unwrap()
            .markdown
            .contains("text")
    );
    assert!(extract(b"").unwrap().markdown.is_empty());
}

#[test]
fn bodies_beyond_the_cap_and_other_types_are_refused() {
    assert!(matches!(
        extract(&vec![b'x'; MAX_BODY_BYTES + 1]),
        Err(Error::TooLarge(_))
    ));
    let url = Url::parse("https://e.com/").unwrap();
    let pdf = Input {
        url: &url,
        body: b"%PDF",
        content_type: Some("application/pdf"),
    };
    assert!(matches!(extract_guarded(&pdf), Err(Error::NotHtml(_))));
}
