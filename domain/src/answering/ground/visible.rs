//! Text without what can't be seen: zero-width and bidirectional controls, tags and variation selectors, which hide words from
//! people and spell others to models.
use unicode_normalization::UnicodeNormalization;

/// `text` without invisible characters; line and paragraph separators become line ends. `before` is the character that `text`
/// follows, and becomes its last one.
pub fn visible_after(text: &str, before: &mut char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = match c {
            '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{b}' | '\u{c}' => '\n',
            c => c,
        };
        if !hidden(c, *before) {
            out.push(c);
            *before = c;
        }
    }
    out
}

/// `text` without invisible characters.
pub fn visible(text: &str) -> String {
    visible_after(text, &mut ' ')
}

fn hidden(c: char, before: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Joiners are spelling in Arabic, Hebrew and the scripts of India, and nowhere else.
        '\u{200c}' | '\u{200d}' => !matches!(before, '\u{590}'..='\u{8ff}' | '\u{900}'..='\u{dff}'),
        c => c.is_control() || INVISIBLE.iter().any(|range| range.contains(&c)),
    }
}

/// Format characters, fillers and blanks that aren't white space (Unicode 16, `Default_Ignorable_Code_Point`, and U+2800).
const INVISIBLE: [std::ops::RangeInclusive<char>; 16] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{e0000}'..='\u{e0fff}',
];

/// `text` as it is compared: compatibility forms, lower case, Latin letters without their accents.
pub fn folded(text: &str) -> String {
    // Nearly every word of most languages is ASCII.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.split_inclusive(' ')
        .map(|word| {
            if word.is_ascii() {
                word.to_ascii_lowercase()
            } else {
                folded_word(word)
            }
        })
        .collect()
}

fn folded_word(text: &str) -> String {
    let plain = text.nfkc().flat_map(char::to_lowercase).nfd();
    let plain: String = plain.filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).collect();
    plain.nfc().map(digit).collect()
}

/// Decimal digits of every script that the product meets, as ASCII.
fn digit(c: char) -> char {
    const ZEROS: [char; 8] = [
        '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{be6}', '\u{e50}',
    ];
    let value = ZEROS
        .iter()
        .find_map(|zero| (c as u32).checked_sub(*zero as u32).filter(|n| *n < 10));
    value.and_then(|n| char::from_digit(n, 10)).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_go_and_spelling_stays() {
        assert_eq!(
            visible("e\u{200b}vi\u{202e}l\u{2060}.\u{e0041}ex\u{fe0f}ample"),
            "evil.example"
        );
        assert_eq!(visible("می\u{200c}خواهم"), "می\u{200c}خواهم");
        assert_eq!(visible("a\u{200d}b\r\n\u{2028}c\td"), "ab\n\nc\td");
    }

    #[test]
    fn accents_widths_and_digits_are_compared_plainly() {
        assert_eq!(folded("Crème ＢＲÛＬÉＥ ４２ ٣"), "creme brulee 42 3");
        assert_eq!(folded("ガイド"), "ガイド");
    }
}
