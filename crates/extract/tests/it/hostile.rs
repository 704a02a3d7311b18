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

/// Rows and nests of what people write are read, however long: no part of the page looks at all others for each of them.
#[test]
fn a_long_row_is_read() {
    let rows = [
        ("<a href=x>x</a>", 150_000),
        ("<a href=x aria-controls=y>x</a>", 80_000),
        ("<i>x</i>", 400_000),
        ("<p style='color:#fff'>x", 200_000),
    ];
    for (part, times) in rows {
        let body = format!("<p>before</p><div>{}</div><p>after it all</p>", part.repeat(times));
        assert!(body.len() < MAX_BODY_BYTES);
        let page = extract(body.as_bytes()).unwrap();
        assert!(page.markdown.contains("after it all"), "{part}");
    }
}

/// What would take minutes is refused after a bounded number of steps.
#[test]
fn pages_whose_parts_multiply_are_refused() {
    let rules = format!(
        "<style>{}</style>{}",
        ".a{opacity:1}".repeat(30_000),
        "<p class=a>x".repeat(30_000)
    );
    let classes = format!(
        "<style>{}</style>{}",
        ".a.b.c{opacity:1}".repeat(20_000),
        "<p class='c b a'>x".repeat(40_000)
    );
    let tags = format!(
        "<style>{}</style>{}",
        "p{opacity:1}".repeat(42_000),
        "<p>x".repeat(200_000)
    );
    let headings = format!(
        "{}{}",
        "<h2></h2>".repeat(100_000),
        "<h2>Related posts</h2><hr>".repeat(60_000)
    );
    for (name, body) in [
        ("rules", rules),
        ("classes", classes),
        ("tags", tags),
        ("headings", headings),
    ] {
        assert!(body.len() < MAX_BODY_BYTES, "{name}");
        let read = extract(body.as_bytes());
        assert!(matches!(read, Err(Error::TooMuchWork)), "{name}: {read:?}");
    }
    let mut bodies = String::new();
    for index in 0..60_000 {
        let _ = write!(bodies, "<body A{index}=1>");
    }
    assert!(extract(bodies.as_bytes()).is_ok());
    let nest = format!("{}{}", "<div style='color:#fff'>".repeat(500), "<hr>".repeat(200_000));
    assert!(matches!(extract(nest.as_bytes()), Ok(_) | Err(Error::TooMuchWork)));
    let terms = format!(
        "{}<dl>{}",
        "<div style='a:b;c:d'>".repeat(500),
        "<dt>abcd?".repeat(400_000)
    );
    assert!(matches!(extract(terms.as_bytes()), Ok(_) | Err(Error::TooMuchWork)));
}

#[test]
fn spans_multiply_neither_rows_nor_texts() {
    let text = "x".repeat(190);
    for cell in [
        format!("<td rowspan=65534 colspan=1000>{text}</td>"),
        format!("<td rowspan=0 colspan=3>{text}</td><td>y</td>"),
        "<td colspan=60>a</td><td>b</td>".to_owned(),
    ] {
        let html = format!("<table>{}</table>", format!("<tr>{cell}</tr>").repeat(20_000));
        let page = extract(html.as_bytes()).unwrap();
        assert!(
            page.markdown.len() < 2 * html.len(),
            "{} of {}",
            page.markdown.len(),
            html.len()
        );
    }
    let html = format!("<table><tr>{}</tr></table>", "<td>cell</td>".repeat(80));
    assert_eq!(extract(html.as_bytes()).unwrap().markdown.matches("cell").count(), 80);
}

#[test]
fn a_term_at_the_very_end_is_read() {
    let page = extract(b"<html><body><p>Text</p><dl><dt>Delivery</dt></dl></body></html>").unwrap();
    assert!(page.markdown.contains("Delivery"), "{}", page.markdown);
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
