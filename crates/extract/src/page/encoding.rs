//! Bytes to text: byte order mark, then the header's charset, then the document's own, then detection, each only as far as
//! the bytes agree with it.
//!
//! Declarations lie often enough: servers say ISO-8859-1 for everything, templates keep the `meta` of another age. So a
//! declaration is believed when the body is plausible in it, and the first plausible one wins. What nobody
//! declared is guessed by `chardetng`, as Firefox does.

use std::borrow::Cow;

use chardetng::EncodingDetector;
use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, REPLACEMENT, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_1252,
};

/// How far a declaration is looked for; the HTML standard says 1024 bytes, real heads are longer.
const PRESCAN_BYTES: usize = 8 * 1024;
/// How much of a body is looked at to judge or guess an encoding, from its first byte beyond ASCII on.
const SAMPLE_BYTES: usize = 128 * 1024;

/// Decodes a body; never fails, malformed sequences become U+FFFD. `tld` is the last label of the host, a hint for the guess.
pub(crate) fn decode<'a>(body: &'a [u8], content_type: Option<&str>, tld: Option<&str>) -> Cow<'a, str> {
    // `decode` prefers a byte order mark to what it is called on.
    encoding(body, content_type, tld).decode(body).0
}

fn encoding(body: &[u8], content_type: Option<&str>, tld: Option<&str>) -> &'static Encoding {
    let mut declared = [content_type.and_then(charset_of), prescan(body)].into_iter().flatten();
    let wide = |it: &&Encoding| **it == *UTF_16LE || **it == *UTF_16BE;
    if let Some(wide) = declared
        .clone()
        .find(wide)
        .filter(|_| is_wide(body))
        .or_else(|| undeclared_wide(body))
    {
        return wide;
    }
    let plain = body.is_ascii() && memchr::memchr(0x1b, body).is_none();
    if plain || is_utf8(body, declared.clone().next()) {
        return UTF_8;
    }
    let start = body
        .iter()
        .position(|byte| *byte >= 0x80 || *byte == 0x1b)
        .unwrap_or(body.len());
    let sample = &body[start..body.len().min(start + SAMPLE_BYTES)];
    let believed = declared.find(|it| *it != UTF_8 && !wide(it) && is_plausible(it, sample));
    believed.unwrap_or_else(|| guess(sample, tld))
}

/// Whether a body is UTF-8 beyond ASCII, whatever is declared: valid text with sequences beyond ASCII is not so by chance,
/// and a few broken places (a cut body, one bad include) do not make it something else.
fn is_utf8(body: &[u8], declared: Option<&'static Encoding>) -> bool {
    let double = declared.is_some_and(is_double_byte);
    if !double && std::str::from_utf8(body).is_ok() {
        return !body.is_ascii();
    }
    let (mut long, mut short, mut bad) = (0usize, 0usize, 0usize);
    for chunk in body.utf8_chunks() {
        for c in chunk.valid().chars().filter(|c| !c.is_ascii()) {
            *(if c.len_utf8() > 2 { &mut long } else { &mut short }) += 1;
        }
        bad += usize::from(!chunk.invalid().is_empty());
    }
    // A couple of two-byte sequences may be two characters of a double-byte encoding.
    let by_chance = long == 0 && short < 8 && double;
    long + short > 20 * bad && !by_chance
}

fn is_double_byte(encoding: &'static Encoding) -> bool {
    [SHIFT_JIS, EUC_JP, EUC_KR, GBK, GB18030, BIG5].contains(&encoding)
}

/// Whether the sample can be text in the encoding.
fn is_plausible(encoding: &'static Encoding, sample: &[u8]) -> bool {
    if encoding == REPLACEMENT || (sample.contains(&0x1b) && encoding != ISO_2022_JP && sample.is_ascii()) {
        return false;
    }
    let (text, _) = encoding.decode_without_bom_handling(sample);
    let (mut good, mut bad, mut latin) = (0usize, 0usize, 0usize);
    for c in text.chars() {
        match c {
            '\u{fffd}' | '\u{80}'..='\u{9f}' => bad += 1,
            'a'..='z' | 'A'..='Z' => latin += 1,
            c if !c.is_ascii() => good += 1,
            _ => {}
        }
    }
    if good < 20 * bad {
        return false;
    }
    // Everything can be read as windows-1252, but no language written in it has more accents than letters. It is the default
    // of servers, not the choice of an author.
    encoding != WINDOWS_1252 || good <= latin || good < 8
}

/// The encoding that the bytes look like.
fn guess(sample: &[u8], tld: Option<&str>) -> &'static Encoding {
    let mut detector = EncodingDetector::new();
    detector.feed(sample, true);
    // The detector accepts nothing else as a hint.
    let tld = tld.filter(|tld| !tld.is_empty() && tld.bytes().all(|byte| byte.is_ascii_lowercase()));
    detector.guess(tld.map(str::as_bytes), true)
}

/// Whether about every second byte of the beginning is zero, as in UTF-16 of markup.
fn is_wide(body: &[u8]) -> bool {
    let head = &body[..body.len().min(256)];
    let zeros: usize = head.iter().map(|byte| usize::from(*byte == 0)).sum();
    zeros * 4 > head.len() || head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff])
}

/// Markup in UTF-16 without a byte order mark begins with a wide `<`.
fn undeclared_wide(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [b'<', 0, second, 0, ..] if *second != 0 => Some(UTF_16LE),
        [0, b'<', 0, second, ..] if *second != 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// The encoding that a `Content-Type` names.
fn charset_of(text: &str) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    let rest = lower[lower.find("charset")? + "charset".len()..].trim_start();
    let rest = rest.strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let label = rest
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '>' | '/'))
        .next()?;
    Encoding::for_label(label.as_bytes())
}

/// The encoding that the document declares: `<meta charset>`, `<meta http-equiv=content-type>`, or an XML declaration.
fn prescan(body: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&body[..body.len().min(PRESCAN_BYTES)]).to_ascii_lowercase();
    if let Some(declaration) = head.trim_start_matches('\u{feff}').strip_prefix("<?xml") {
        let declaration = declaration.split("?>").next().unwrap_or_default();
        if let Some((_, value)) = declaration.split_once("encoding") {
            let value = value.trim_start().trim_start_matches('=').trim_start();
            let label = value.trim_start_matches(['"', '\'']).split(['"', '\'', ' ']).next();
            if let Some(encoding) = label.and_then(|label| Encoding::for_label(label.as_bytes())) {
                return Some(encoding);
            }
        }
    }
    let mut rest = head.as_str();
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (tag, after) = rest.split_once('>').unwrap_or((rest, ""));
        if let Some(found) = tag.strip_prefix("<meta").and_then(of_meta) {
            return Some(found);
        }
        rest = if tag.is_empty() { "" } else { after };
    }
    None
}

/// The encoding of a `meta` element, lower-cased. A charset in a description or keywords is no declaration.
fn of_meta(tag: &str) -> Option<&'static Encoding> {
    if tag.contains("http-equiv") {
        return tag.contains("content-type").then(|| charset_of(tag)).flatten();
    }
    let at = tag.find("charset")?;
    let begins = tag[..at].ends_with([' ', '\t', '\n', '\r', '\x0c', '/', '"', '\'']);
    let outside = tag[..at].matches(['"', '\'']).count().is_multiple_of(2);
    if begins && outside {
        charset_of(&tag[at..])
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
