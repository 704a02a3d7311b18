//! Bytes to text as browsers do it: byte order mark, then the header's charset, then the document's own
//! (within its first 1024 bytes), else UTF-8 where that is valid, else windows-1252.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// How far the HTML standard looks for `<meta charset>`.
const PRESCAN_BYTES: usize = 1024;

/// Decodes a body; never fails, malformed sequences become U+FFFD.
pub(crate) fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Cow<'a, str> {
    let declared = content_type.and_then(charset_of).or_else(|| prescan(body));
    let encoding = match declared {
        // A wrong declaration is common, valid non-ASCII UTF-8 by chance is not.
        Some(encoding) if encoding != UTF_8 && std::str::from_utf8(body).is_ok() && !body.is_ascii() => UTF_8,
        Some(encoding) => encoding,
        None if std::str::from_utf8(body).is_ok() => UTF_8,
        None if is_mostly_utf8(body) => UTF_8,
        None => WINDOWS_1252,
    };
    // `decode` prefers a byte order mark to the argument.
    encoding.decode(body).0
}

/// UTF-8 with a few broken places (a cut body, one bad include) is still UTF-8.
fn is_mostly_utf8(body: &[u8]) -> bool {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in body.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > 20 * bad
}

fn charset_of(text: &str) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    let rest = lower[lower.find("charset")? + "charset".len()..].trim_start();
    let rest = rest.strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let label = rest
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '>' | '/'))
        .next()?;
    Encoding::for_label(label.as_bytes())
}

fn prescan(body: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&body[..body.len().min(PRESCAN_BYTES)]).to_ascii_lowercase();
    let tags = head
        .match_indices("<meta")
        .map(|(at, _)| head[at..].split('>').next().unwrap_or_default());
    let encoding = tags.into_iter().find_map(charset_of)?;
    // A page that could be read this far as ASCII is not UTF-16, whatever it says.
    Some(
        if encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE {
            UTF_8
        } else {
            encoding
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_the_encoding_in_order() {
        assert_eq!(
            decode(b"\xef\xbb\xbfna\xc3\xafve", Some("text/html; charset=latin1")),
            "naïve"
        );
        assert_eq!(decode(b"na\xefve", Some("text/html; charset=ISO-8859-1")), "naïve");
        assert_eq!(
            decode(b"<meta charset=windows-1251>\xcf\xf0", None),
            "<meta charset=windows-1251>Пр"
        );
        assert_eq!(
            decode(
                b"<meta http-equiv=content-type content='text/html; charset=shift_jis'>\x82\xa0",
                None
            ),
            "<meta http-equiv=content-type content='text/html; charset=shift_jis'>あ"
        );
        assert_eq!(decode("naïve".as_bytes(), None), "naïve");
        assert_eq!(decode(b"na\xefve \x80", None), "naïve €");
        assert_eq!(decode(b"\xff\xfeh\0i\0", None), "hi");
    }

    #[test]
    fn one_bad_byte_does_not_turn_a_page_into_mojibake() {
        let mut body = "жжжжжжжжжжжжжжжжжжжжжжжжжжжжжж".as_bytes().to_vec();
        body.push(0xff);
        assert!(decode(&body, None).starts_with("жж"));
    }
}
