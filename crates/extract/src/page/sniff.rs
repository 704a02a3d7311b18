//! Whether a body is text at all, whatever its label says: servers call PDF files and pictures `text/html`, or nothing.
//!
//! After the WHATWG's MIME Sniffing Standard (<https://mimesniff.spec.whatwg.org/#rules-for-identifying-an-unknown-mime-type>):
//! markup is a page, even with a stray control character in it; a known signature or a binary data byte at the beginning
//! is none. The bytes of text are judged decoded, since those of UTF-16 are full of zeros.

/// How much of a body tells what it is (the standard's "resource header").
const HEADER: usize = 1445;
/// Beginnings of files that may go on without a binary data byte for long, and of the most frequent others.
const SIGNATURES: &[&[u8]] = &[
    b"%PDF-",
    b"%!PS-Adobe-",
    b"{\\rtf",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"\xff\xd8\xff",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"Rar!\x1a\x07",
    b"7z\xbc\xaf\x27\x1c",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"OggS\0",
    b"wOFF",
    b"wOF2",
];

/// Whether the body begins as files of a known kind do.
pub(super) fn is_known_file(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    SIGNATURES.iter().any(|signature| body.starts_with(signature))
}

/// Whether decoded text is none.
pub(super) fn is_binary(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let mut first = text.chars();
    let is_markup = first.next() == Some('<')
        && first
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '!' || c == '?');
    !is_markup && text.chars().take(HEADER).any(is_binary_data)
}

/// The standard's "binary data byte".
fn is_binary_data(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0e'..='\x1a' | '\x1c'..='\x1f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_beginning() {
        for body in [
            &b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"[..],
            b"\n%PDF-1.4",
            b"\xef\xbb\xbf%PDF-1.4",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"GIF89a\x01",
            b"\xff\xd8\xff\xe0\0\x10JFIF",
            b"PK\x03\x04\x14\0",
            b"\x1f\x8b\x08\0",
        ] {
            assert!(is_known_file(body), "{body:?}");
        }
        for body in [&b"<p>%PDF-1.7"[..], b"PK is a word", b"GIF8", b""] {
            assert!(!is_known_file(body), "{body:?}");
        }
    }

    #[test]
    fn binary_data_is_no_text_but_markup_may_hold_some() {
        assert!(is_binary("BM\u{86}\0\0\0") && is_binary("MZ\u{90}\0\u{3}") && is_binary("word \u{1} word"));
        assert!(!is_binary("word\t\r\n\x0c\x1b$B word") && !is_binary(""));
        assert!(!is_binary("\u{feff} <!doctype html><title>a\0b</title>") && !is_binary("<p>a\u{8}b"));
        assert!(is_binary("< \0"));
        assert!(!is_binary(&format!("{}\0", "a".repeat(HEADER))));
    }
}
