//! Files that servers call pages, and pages in encodings whose bytes look like anything but text.

use encoding_rs::Encoding;
use extract::page::{Error, Input, Page, extract, head_metas};
use url::Url;

const LABELS: [Option<&str>; 3] = [None, Some(""), Some("text/html; charset=utf-8")];

fn read(body: &[u8], content_type: Option<&str>) -> Result<Page, Error> {
    let url = Url::parse("https://e.com/file").unwrap();
    extract(&Input {
        url: &url,
        body,
        content_type,
    })
}

#[test]
fn files_under_a_pages_label_are_no_pages() {
    let words = "A line of a file that a person could read. ".repeat(100);
    let with = |head: &[u8]| [head, words.as_bytes()].concat();
    let files = [
        with(b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n"),
        with(b"\n%PDF-1.4\n"),
        with(b"%!PS-Adobe-3.0\n"),
        with(b"{\\rtf1\\ansi "),
        with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        with(b"GIF89a"),
        with(b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        with(b"PK\x03\x04\x14\0\x08\0"),
        with(b"\x1f\x8b\x08\0\0\0\0\0"),
        with(b"BM6\x08\0\0"),
        with(b"MZ\x90\0\x03\0\0\0"),
        with(b"\0\0\0 ftypisom"),
        with(b"SQLite format 3\0"),
    ];
    for file in &files {
        let head = String::from_utf8_lossy(&file[..12]);
        for label in LABELS {
            assert!(
                matches!(read(file, label), Err(Error::NotHtml(_))),
                "{head:?} {label:?}"
            );
            assert!(
                matches!(head_metas(file, label, "x"), Err(Error::NotHtml(_))),
                "{head:?}"
            );
        }
    }
}

#[test]
fn pages_stay_pages_in_any_encoding() {
    for (label, text) in [
        ("iso-8859-1", "Die Größe des Gehäuses beträgt 30 mm, schöne Grüße."),
        ("shift_jis", "返品は商品到着後三十日以内にお願いいたします。"),
        ("iso-2022-jp", "返品は商品到着後三十日以内にお願いいたします。"),
        ("euc-kr", "반품은 상품을 받은 날부터 삼십일 이내에 신청해 주십시오."),
        ("gb18030", "收到商品后三十天内可以申请退货，运费由买家承担。"),
    ] {
        let (bytes, ..) = Encoding::for_label(label.as_bytes()).unwrap().encode(text);
        // Without any markup before the text, too.
        let declared = format!("text/html; charset={label}");
        let bare = read(&bytes, Some(&declared)).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(bare.markdown, text, "{label}");
        let page = [b"<p>", &*bytes].concat();
        assert_eq!(read(&page, Some(&declared)).unwrap().markdown, text, "{label}");
        assert!(read(&page, None).is_ok(), "{label}");
    }
}

#[test]
fn wide_pages_stay_pages_with_and_without_a_mark() {
    let html = "<p>Words of a page in wide characters.</p>";
    let bare = "Words of a page in wide characters.";
    let wide = |text: &str, little: bool| -> Vec<u8> {
        let unit = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        text.encode_utf16().flat_map(unit).collect()
    };
    for little in [true, false] {
        let mark = if little { [0xff, 0xfe] } else { [0xfe, 0xff] };
        let name = if little { "utf-16le" } else { "utf-16be" };
        let declared = format!("text/html; charset={name}");
        for (body, label) in [
            (wide(html, little), None),
            (wide(bare, little), Some(declared.as_str())),
            ([&mark[..], &wide(bare, little)].concat(), None),
        ] {
            assert_eq!(read(&body, label).unwrap().markdown, bare, "{name} {label:?}");
        }
    }
}

#[test]
fn a_stray_control_character_does_not_make_a_page_a_file() {
    let page = read(
        b" \n<!DOCTYPE html><title>a\x01b</title><p>Words\x08 of a page.\0</p>",
        Some("text/html"),
    )
    .unwrap();
    assert!(page.markdown.contains("of a page."));
}
