//! The words of a text with one space after each: what identifies a page's content. Most of a text is so already, and copied in long runs.

/// Bytes of a text that are looked at together.
const STEP: usize = 32;

/// Adds the words of a text, each with a space after it. White space parts them, and so do the invisible characters that some servers
/// sprinkle over texts anew in each answer.
pub(super) fn push(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let (mut at, mut run) = (0, None);
    while at < bytes.len() {
        if run.is_some()
            && let Some(step) = bytes[at - 1..].first_chunk()
            && is_plain(step)
        {
            // A run does not end with a space.
            at += STEP - usize::from(step[STEP] == b' ');
            continue;
        }
        let length = parting(text, at);
        let begun = *run.get_or_insert(at);
        // One space between two words stays.
        let between = || bytes[at] == b' ' && begun < at && at + 1 < bytes.len() && parting(text, at + 1) == 0;
        if length == 0 || (length == 1 && between()) {
            at += 1;
        } else {
            close(out, &text[begun..at]);
            run = None;
            at += length;
        }
    }
    close(out, &text[run.unwrap_or(at)..]);
}

fn close(out: &mut String, run: &str) {
    if !run.is_empty() {
        out.push_str(run);
        out.push(' ');
    }
}

/// Whether all but the first of these bytes are letters or marks with no more than a space between them. Some letters of other scripts
/// are looked at by themselves: their first byte may be that of a space.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without a branch all of them are looked at together"
)]
fn is_plain(bytes: &[u8; STEP + 1]) -> bool {
    let ends = |byte: u8| byte < b' ' || matches!(byte, 0xc2 | 0xe1 | 0xe2 | 0xe3 | 0xef);
    let pairs = bytes.iter().zip(&bytes[1..]);
    pairs.fold(true, |plain, (before, byte)| {
        plain & !ends(*byte) & !(*byte == b' ' && *before == b' ')
    })
}

/// How many bytes long the character is at this place that parts words; 0 where none does.
fn parting(text: &str, at: usize) -> usize {
    match text.as_bytes()[at] {
        b'\t'..=b'\r' | b' ' => 1,
        0xc2 | 0xe1 | 0xe2 | 0xe3 | 0xef => {
            let parting = text[at..]
                .chars()
                .next()
                .filter(|c| c.is_whitespace() || is_invisible(*c));
            parting.map_or(0, char::len_utf8)
        }
        _ => 0,
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(text: &str) -> String {
        let mut out = String::new();
        push(&mut out, text);
        out
    }

    /// Word by word.
    fn slowly(text: &str) -> String {
        let words = text.split(|c: char| c.is_whitespace() || is_invisible(c));
        words
            .filter(|word| !word.is_empty())
            .flat_map(|word| [word, " "])
            .collect()
    }

    #[test]
    fn long_runs_have_the_words_of_their_text() {
        for unit in [
            "a plain text of some words ",
            "x",
            "naïve “quotes” – ",
            "日本語のテキスト\u{3000}",
            "a  b\n\nc\u{200b}d ",
            " ",
        ] {
            for times in 1..40 {
                let text = unit.repeat(times);
                assert_eq!(pushed(&text), slowly(&text));
                assert_eq!(pushed(text.trim()), slowly(&text));
            }
        }
    }

    #[test]
    fn words_are_those_of_the_text() {
        let pieces = [
            "a",
            "word",
            "longer-words",
            " ",
            "  ",
            "\n",
            "\n\n",
            "\t",
            "\u{85}",
            "\u{a0}",
            "\u{ad}",
            "\u{2003}",
            "\u{200b}",
            "\u{3000}",
            "\u{feff}",
            "é",
            "日本",
            "“",
            "…",
            "\u{1}",
            "thirty letters and some spaces in a row",
        ];
        let mut state = 1_u64;
        for _ in 0..3000 {
            let mut text = String::new();
            for _ in 0..state % 23 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            state = state.wrapping_add(state >> 29);
            assert_eq!(pushed(&text), slowly(&text), "{text:?}");
        }
    }
}
