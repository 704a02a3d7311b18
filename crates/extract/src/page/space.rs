//! White space in texts, most of which has one space between words already: such a text is taken whole, and not word by word.

/// The words of a text, in pieces within which one space is between words.
pub(super) fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        let (run, behind) = rest.split_at(run(rest));
        rest = behind.trim_start();
        Some(run).filter(|run| !run.is_empty())
    })
}

/// Length of the first run of a text that begins with a word.
fn run(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += bytes[at..]
            .iter()
            .take_while(|byte| !MAY_BE_SPACE[usize::from(**byte)])
            .count();
        let mut here = text[at..].chars();
        match here.next() {
            Some(' ') if here.next().is_some_and(|c| !c.is_whitespace()) => at += 1,
            Some(c) if !c.is_whitespace() => at += c.len_utf8(),
            _ => return at,
        }
    }
}

/// The bytes that white space begins with; those beyond ASCII begin much else, too.
const MAY_BE_SPACE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte, 0x20 | 0x09..=0x0d | 0xc2 | 0xe1..=0xe3);
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_the_words(text in "[a-c \\t\\n\u{a0}\u{85}\u{2003}\u{3000}\u{200b}’é世😀]{0,40}|(?s).{0,40}") {
            let words: Vec<&str> = text.split_whitespace().collect();
            let runs: Vec<&str> = runs(&text).collect();
            prop_assert_eq!(runs.join(" "), words.join(" "));
            prop_assert!(runs.iter().all(|run| text.contains(run)));
        }
    }
}
