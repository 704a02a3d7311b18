//! Where sentences end.

/// Splits at `.`, `!`, `?` and their full-width kin where a new sentence plausibly begins.
pub fn sentences(text: &str) -> Vec<String> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let mut out = Vec::new();
    let mut start = 0;
    for (i, &(at, c)) in chars.iter().enumerate() {
        let wide = matches!(c, '。' | '！' | '？');
        if !(wide || matches!(c, '.' | '!' | '?')) {
            continue;
        }
        let mut end = i + 1;
        while chars
            .get(end)
            .is_some_and(|(_, c)| matches!(c, ')' | '"' | '\'' | '”' | '’' | '」' | '»'))
        {
            end += 1;
        }
        let ends_text = end == chars.len();
        let spaced = chars.get(end).is_some_and(|(_, c)| c.is_whitespace());
        let begins = chars.get(end + 1).is_some_and(|(_, c)| !c.is_lowercase());
        let quoted = text[start..at].matches('`').count() % 2 == 1;
        if ends_text || wide || (spaced && begins && !quoted && !abbreviation(&text[start..at])) {
            let stop = chars.get(end).map_or(text.len(), |(at, _)| *at);
            push(&mut out, &text[start..stop]);
            start = stop;
        }
    }
    push(&mut out, &text[start..]);
    out
}

fn push(out: &mut Vec<String>, sentence: &str) {
    let sentence = sentence.trim();
    if !sentence.is_empty() {
        out.push(sentence.to_owned());
    }
}

fn abbreviation(before: &str) -> bool {
    const KNOWN: [&str; 35] = [
        "e.g", "i.e", "etc", "vs", "cf", "Mr", "Mrs", "Ms", "Dr", "Prof", "No", "approx", "St", "Fig", "Sec", "Vol",
        "Inc", "Ltd", "Co", "Tel", "tel", "z.B", "B", "bzw", "ca", "Nr", "Abs", "Str", "inkl", "zzgl", "d.h", "u.a",
        "max", "p.ex", "ej",
    ];
    let word = before
        .rsplit(|c: char| c.is_whitespace() || c == '(')
        .next()
        .unwrap_or("");
    let initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    // A German day of a month: `am 1. Mai`.
    let dated = |before: &str| ["am", "vom", "zum", "der", "den", "dem", "ab", "bis"].contains(&before);
    let ordinal = !word.is_empty()
        && word.len() <= 2
        && word.chars().all(|c| c.is_ascii_digit())
        && before.split_whitespace().rev().nth(1).is_some_and(dated);
    initial || ordinal || KNOWN.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_a_reader_ends_them() {
        let text = "Use v1.5 of the tool, e.g. Foo. It works! Does it? \"Yes.\" Prices from 4.90 EUR.";
        let want = [
            "Use v1.5 of the tool, e.g. Foo.",
            "It works!",
            "Does it?",
            "\"Yes.\"",
            "Prices from 4.90 EUR.",
        ];
        assert_eq!(sentences(text), want);
        assert_eq!(sentences("質問です。答えです。"), ["質問です。", "答えです。"]);
        let one = "Wir öffnen am 1. Mai um 9 Uhr, z. B. für Sie.";
        assert_eq!(sentences(one), [one]);
    }
}
