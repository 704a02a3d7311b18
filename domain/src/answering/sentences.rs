//! Splits Markdown into the pieces that an extractive answer is made of. A list, a table and a code block are one piece each:
//! half a procedure is worse than none.

/// A piece of a passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The text as it stands.
    pub text: String,
    /// The heading that it stands under within the passage.
    pub heading: Option<String>,
    /// Whether it begins a paragraph.
    pub starts_paragraph: bool,
    /// Whether it is prose; lists, tables and code are not.
    pub prose: bool,
}

/// The pieces of `markdown` in order.
pub fn pieces(markdown: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut heading = None;
    for block in blocks(markdown) {
        let piece = |text, starts_paragraph, prose| Piece {
            text,
            heading: heading.clone(),
            starts_paragraph,
            prose,
        };
        if block.starts_with('#') {
            heading = Some(block.trim_start_matches('#').trim().to_owned());
        } else if is_prose(&block) {
            let sentences = sentences(&flat(&block)).into_iter().enumerate();
            pieces.extend(sentences.map(|(n, text)| piece(text, n == 0, true)));
        } else {
            pieces.push(piece(block, true, false));
        }
    }
    pieces
}

/// A paragraph on one line. A definition, whose line begins with a colon, follows its term.
fn flat(block: &str) -> String {
    let mut out = String::new();
    for line in block.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.split_first() {
            None => {}
            Some((&":", rest)) if !out.is_empty() => {
                out.truncate(out.trim_end_matches([':', ' ']).len());
                out.extend([": ", &rest.join(" ")]);
            }
            Some(_) if out.is_empty() => out = words.join(" "),
            Some(_) => out.extend([" ", &words.join(" ")]),
        }
    }
    out
}

/// Blocks between empty lines; a fence runs to its end, and the items of one list belong together.
fn blocks(markdown: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut fenced = false;
    for line in markdown.lines() {
        let fence = line.trim_start().starts_with("```");
        if line.trim().is_empty() && !fenced {
            flush(&mut open, &mut blocks);
            continue;
        }
        if (fence || line.starts_with('#')) && !fenced {
            flush(&mut open, &mut blocks);
        }
        open.push(line);
        if !fenced && line.starts_with('#') {
            flush(&mut open, &mut blocks);
        }
        if fence {
            fenced = !fenced;
            if !fenced {
                flush(&mut open, &mut blocks);
            }
        }
    }
    flush(&mut open, &mut blocks);
    join_lists(blocks)
}

fn flush(open: &mut Vec<&str>, blocks: &mut Vec<String>) {
    if !open.is_empty() {
        blocks.push(open.join("\n"));
        open.clear();
    }
}

fn join_lists(blocks: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for block in blocks {
        match joined.last_mut() {
            Some(last) if is_list(last) && (is_list(&block) || block.starts_with("  ")) => {
                last.push('\n');
                last.push_str(&block);
            }
            _ => joined.push(block),
        }
    }
    joined
}

fn is_list(block: &str) -> bool {
    let line = block.trim_start();
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    line.starts_with("- ") || line.starts_with("* ") || (digits > 0 && line[digits..].starts_with(". "))
}

fn is_prose(block: &str) -> bool {
    let line = block.trim_start();
    !(is_list(block) || line.starts_with('|') || line.starts_with("```"))
}

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
            .is_some_and(|(_, c)| matches!(c, ')' | '"' | '\'' | '”' | '’' | '」'))
        {
            end += 1;
        }
        let ends_text = end == chars.len();
        let spaced = chars.get(end).is_some_and(|(_, c)| c.is_whitespace());
        let begins = chars.get(end + 1).is_some_and(|(_, c)| !c.is_lowercase());
        if ends_text || wide || (spaced && begins && !abbreviation(&text[start..at])) {
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
    let word = before
        .rsplit(|c: char| c.is_whitespace() || c == '(')
        .next()
        .unwrap_or("");
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    initial
        || [
            "e.g", "i.e", "etc", "vs", "Mr", "Mrs", "Ms", "Dr", "No", "approx", "z.B", "bzw", "ca", "Nr",
        ]
        .contains(&word)
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
    }

    #[test]
    fn a_definition_follows_its_term() {
        let texts: Vec<String> = pieces("Release:\n: 3.11.2\n\nDate\n: today,\n  at noon")
            .into_iter()
            .map(|p| p.text)
            .collect();
        assert_eq!(texts, ["Release: 3.11.2", "Date: today, at noon"]);
    }

    #[test]
    fn a_heading_goes_with_what_stands_under_it() {
        let pieces = pieces("Intro.\n\n## Opening hours\nSaturday: 10 to 15.");
        assert_eq!(
            (pieces[0].heading.as_deref(), pieces[0].text.as_str()),
            (None, "Intro.")
        );
        assert_eq!(
            (pieces[1].heading.as_deref(), pieces[1].text.as_str()),
            (Some("Opening hours"), "Saturday: 10 to 15.")
        );
        assert_eq!(pieces.len(), 2);
    }

    #[test]
    fn a_list_a_table_and_a_code_block_stay_whole() {
        let text = "Do this. Then that.\n\n1. One.\n2. Two.\n\n3. Three.\n\n```\na = 1\n\nb = 2\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |";
        let pieces = pieces(text);
        let texts: Vec<_> = pieces.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(texts[..2], ["Do this.", "Then that."]);
        assert_eq!(texts[2], "1. One.\n2. Two.\n3. Three.");
        assert_eq!(texts[3], "```\na = 1\n\nb = 2\n```");
        assert!(texts[4].starts_with("| a") && !pieces[4].prose);
        assert_eq!(texts.len(), 5);
    }
}
