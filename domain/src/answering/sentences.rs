//! Splits Markdown into the pieces that an extractive answer is made of: sentences, items of lists, rows of tables, code.
//!
//! What belongs together has one group: the steps of a list, the rows of a table. A row stands on its own as a line that names its
//! columns, since the widget shows no tables. What is no answer to anything (lists of links, captions, "see also") is left out.

/// What a piece is, and so how much of its group must stay with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of a paragraph.
    Sentence,
    /// Of a numbered list: half a procedure is worse than none.
    Step,
    /// Of a list in which each item says something by itself.
    Item,
    /// Of a table.
    Row,
    /// A fenced block.
    Code,
}

/// A piece of a passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The text as it is shown.
    pub text: String,
    /// The heading that it stands under within the passage.
    pub heading: Option<String>,
    /// Whether it begins a paragraph.
    pub starts_paragraph: bool,
    /// Whether it makes no sense without the piece before it, whatever its words: further sentences of a definition.
    pub continues: bool,
    /// What it is.
    pub kind: Kind,
    /// Its block's number in the text.
    pub group: usize,
}

/// The pieces of `markdown` in order.
pub fn pieces(markdown: &str) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    let mut heading: Option<String> = None;
    for (group, block) in blocks(markdown).into_iter().enumerate() {
        let line = block.trim_start();
        if line.starts_with('#') {
            heading = Some(line.trim_start_matches('#').trim().to_owned());
            continue;
        }
        if heading.as_deref().is_some_and(leads_away) {
            continue;
        }
        let defines = block.lines().skip(1).any(|line| line.starts_with(": "));
        let announced = out.last().is_some_and(|before| before.text.ends_with(':'));
        let (kind, texts) = if line.starts_with("```") {
            (Kind::Code, vec![block])
        } else if line.starts_with('|') {
            let rows = rows(&block);
            // The caption above a table tells nothing more than its columns do.
            if out.last().is_some_and(|before| {
                before.kind == Kind::Sentence && before.starts_paragraph && is_caption(&before.text)
            }) {
                out.pop();
            }
            // A table of one short row that names no columns arranges links.
            if rows.len() < 2
                && !announced
                && rows
                    .iter()
                    .all(|row| row.split_whitespace().count() < 15 && !row.contains(": "))
            {
                continue;
            }
            (Kind::Row, rows)
        } else if let Some(numbered) = list(&block) {
            let items: Vec<String> = items(&block).iter().map(|item| without_notes(item)).collect();
            if !numbered && !announced && items.iter().all(|item| is_label(item)) {
                continue;
            }
            (if numbered { Kind::Step } else { Kind::Item }, items)
        } else if is_aside(line) {
            continue;
        } else {
            (Kind::Sentence, sentences(&without_notes(&flat(&block))))
        };
        out.extend(texts.into_iter().enumerate().map(|(n, text)| Piece {
            text,
            heading: heading.clone(),
            starts_paragraph: n == 0,
            continues: n > 0 && defines,
            kind,
            group,
        }));
    }
    out
}

/// A heading of links to other pages.
pub fn leads_away(heading: &str) -> bool {
    const HEADINGS: [&str; 26] = [
        "see also",
        "related",
        "you may also like",
        "further reading",
        "read more",
        "more information",
        "popular",
        "table of contents",
        "contents",
        "on this page",
        "navigation",
        "share this",
        "recommended",
        "siehe auch",
        "weitere artikel",
        "das könnte",
        "ähnliche",
        "inhalt",
        "mehr zum thema",
        "voir aussi",
        "articles similaires",
        "véase también",
        "vedi anche",
        "zie ook",
        "veja também",
        "zobacz też",
    ];
    let heading = heading.trim().to_lowercase();
    HEADINGS.iter().any(|known| {
        heading.strip_prefix(known).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with([' ', ':']) && heading.split_whitespace().count() <= 6
        })
    })
}

/// A paragraph that only leads elsewhere or describes a picture.
fn is_aside(paragraph: &str) -> bool {
    const BEGINNINGS: [&str; 33] = [
        "see also",
        "read more",
        "related:",
        "back to top",
        "next:",
        "previous:",
        "share",
        "tags:",
        "filed under",
        "source:",
        "photo:",
        "last updated",
        "source code",
        "last modified",
        "siehe auch",
        "weiterlesen",
        "mehr lesen",
        "zurück nach oben",
        "quelle:",
        "foto:",
        "stand:",
        "voir aussi",
        "lire aussi",
        "en savoir plus",
        "véase también",
        "leer más",
        "vedi anche",
        "leggi anche",
        "zie ook",
        "lees meer",
        "veja também",
        "leia mais",
        "zobacz też",
    ];
    const CAPTIONS: [&str; 8] = [
        "figure ",
        "fig. ",
        "image ",
        "abbildung ",
        "abb. ",
        "bild ",
        "figura ",
        "tableau ",
    ];
    let text = paragraph.trim_start_matches(['*', '_', '>', ' ']).to_lowercase();
    let words = text.split_whitespace().count();
    let caption = CAPTIONS
        .iter()
        .filter_map(|name| text.strip_prefix(name))
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && words <= 25 && rest.contains([':', '.', ' ']));
    let crumbs = words <= 20 && ["›", "»", " > "].iter().any(|mark| text.contains(mark));
    let begins = BEGINNINGS.iter().any(|b| {
        text.strip_prefix(b)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| !c.is_alphanumeric()))
    });
    let version = [
        "new in version ",
        "changed in version ",
        "deprecated since version ",
        "added in version ",
    ]
    .iter()
    .any(|b| text.starts_with(b));
    caption || crumbs || version || (begins && words <= 20)
}

/// The name of something, as menus and lists of links have them: some words that say nothing about it.
fn is_label(item: &str) -> bool {
    let text = item.trim_start_matches(['-', '*', ' ']);
    !text.contains('\n')
        && text.split_whitespace().count() <= 7
        && !text.ends_with(['.', '!', '?', ';', '。'])
        && !text.contains([':', '–', '—', '=', '@', '€', '£', '$', '`'])
        && !text.contains(|c: char| c.is_ascii_digit())
}

/// Without the site's own marks of notes, which would pass for marks of sources.
fn without_notes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let inner = &rest[at + 1..];
        let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
        let note = (1..=3).contains(&digits)
            && inner[digits..].starts_with(']')
            && !inner[digits + 1..].starts_with(['(', '[']);
        let code = (out.matches('`').count() + rest[..at].matches('`').count()) % 2 == 1;
        if note && !code {
            out.push_str(rest[..at].trim_end());
            rest = &inner[digits + 1..];
        } else {
            out.push_str(&rest[..=at]);
            rest = inner;
        }
    }
    out.push_str(rest);
    out
}

/// A few words that are no sentence.
fn is_caption(text: &str) -> bool {
    text.split_whitespace().count() <= 8 && !text.ends_with(['.', '!', '?', ':', '。'])
}

/// A paragraph on one line. A definition, whose line begins with a colon, follows its term.
fn flat(block: &str) -> String {
    let mut out = String::new();
    for line in block.lines() {
        let line = line.trim_start_matches(['>', ' ']);
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.split_first() {
            None => {}
            Some((&":", rest)) if !out.is_empty() => {
                out.truncate(out.trim_end_matches([':', ' ']).len());
                out.extend([": ", &rest.join(" ")]);
            }
            Some((&":", rest)) => out = rest.join(" "),
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
        let table = |line: &str| line.trim_start().starts_with('|');
        let turns = open.last().is_some_and(|before| {
            table(before) != table(line) || (is_item(line) && !is_item(open[0]) && !line.starts_with(' '))
        });
        if (fence || line.starts_with('#') || turns) && !fenced {
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
            Some(last) if list(last).is_some() && (list(last) == list(&block) || block.starts_with("  ")) => {
                last.push('\n');
                last.push_str(&block);
            }
            _ => joined.push(block),
        }
    }
    joined
}

fn is_item(line: &str) -> bool {
    numbered(line).is_some()
}

/// Whether a line begins an item, and of which list.
fn numbered(line: &str) -> Option<bool> {
    let line = line.trim_start();
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    match line {
        _ if line.starts_with("- ") || line.starts_with("* ") => Some(false),
        _ if (1..=3).contains(&digits) && line[digits..].starts_with(". ") => Some(true),
        _ => None,
    }
}

/// Whether a block is a list, and if so, whether it is numbered.
fn list(block: &str) -> Option<bool> {
    numbered(block.lines().next()?)
}

/// The outermost items of a list, each with what is indented under it.
fn items(block: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let outer = block.lines().next().map_or(0, indent);
    let mut items: Vec<String> = Vec::new();
    for line in block.lines() {
        match items.last_mut() {
            Some(item) if indent(line) > outer || !is_item(line) => {
                item.push('\n');
                item.push_str(line.get(outer..).unwrap_or(line.trim_start()));
            }
            _ => items.push(line.trim().to_owned()),
        }
    }
    items
}

/// The rows of a table as items: `- First: Second` of two columns, `- First – Name: second; Name: third` of more.
fn rows(block: &str) -> Vec<String> {
    let cells = |line: &str| -> Vec<String> {
        let inner = line
            .trim()
            .trim_start_matches('|')
            .trim_end_matches('|')
            .replace("\\|", "\u{1}");
        inner.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
    };
    let is_rule = |line: &str| line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) && line.contains('-');
    let lines: Vec<&str> = block.lines().collect();
    let head = lines.first().map(|line| cells(line)).unwrap_or_default();
    let headed = lines.get(1).is_some_and(|line| is_rule(line)) && head.iter().any(|name| !name.is_empty());
    let names = if headed { head } else { Vec::new() };
    let body = lines.iter().skip(usize::from(headed)).filter(|line| !is_rule(line));
    body.filter_map(|line| row(&names, &cells(line))).collect()
}

fn row(names: &[String], cells: &[String]) -> Option<String> {
    let (first, rest) = cells.split_first()?;
    let filled: Vec<(usize, &String)> = rest.iter().enumerate().filter(|(_, cell)| !cell.is_empty()).collect();
    let text = match filled.as_slice() {
        [] => first.clone(),
        [(_, only)] if rest.len() == 1 => format!("{first}: {only}"),
        several => {
            let told = several
                .iter()
                .map(|(at, cell)| match names.get(at + 1).filter(|name| !name.is_empty()) {
                    Some(name) => format!("{name}: {cell}"),
                    None => (*cell).clone(),
                });
            format!("{first} – {}", told.collect::<Vec<_>>().join("; "))
        }
    };
    (!text.trim().is_empty()).then(|| format!("- {}", text.trim_start_matches([':', '–', ' '])))
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

    fn texts(markdown: &str) -> Vec<String> {
        pieces(markdown).into_iter().map(|p| p.text).collect()
    }

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

    #[test]
    fn a_definition_follows_its_term() {
        assert_eq!(
            texts("Release:\n: 3.11.2\n\nDate\n: today,\n  at noon"),
            ["Release: 3.11.2", "Date: today, at noon"]
        );
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
    fn steps_have_one_group_and_code_stays_whole() {
        let text = "Do this. Then that:\n\n1. One.\n   More of one.\n2. Two.\n\n3. Three.\n\n```\na = 1\n\nb = 2\n```";
        let pieces = pieces(text);
        let texts: Vec<_> = pieces.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Do this.",
                "Then that:",
                "1. One.\n   More of one.",
                "2. Two.",
                "3. Three.",
                "```\na = 1\n\nb = 2\n```"
            ]
        );
        let steps: Vec<usize> = pieces
            .iter()
            .filter(|p| p.kind == Kind::Step)
            .map(|p| p.group)
            .collect();
        assert!(steps.len() == 3 && steps.iter().all(|group| *group == steps[0]));
        assert_eq!(pieces[5].kind, Kind::Code);
    }

    #[test]
    fn a_row_names_its_columns() {
        let text = "| Country | Time | Price |\n|---|---|---|\n| UK | 2 days | £3.95 |\n| Ireland |  | £9.90 |";
        assert_eq!(
            texts(text),
            ["- UK – Time: 2 days; Price: £3.95", "- Ireland – Price: £9.90"]
        );
        assert_eq!(
            texts("| Day | Open |\n|---|---|\n| Monday | closed |"),
            ["- Monday: closed"]
        );
        assert_eq!(texts("|  |  |\n|---|---|\n| Weight | 2 kg |"), ["- Weight: 2 kg"]);
    }

    #[test]
    fn marks_of_notes_go_and_further_sentences_of_a_definition_lean_on_it() {
        assert_eq!(
            texts("It boots. [6] Then it runs.[12] Use `a[1]`."),
            ["It boots.", "Then it runs.", "Use `a[1]`."]
        );
        let of = pieces("b\n: Binary format. Outputs the number in base 2.");
        assert_eq!(of[0].text, "b: Binary format.");
        assert!(!of[0].continues && of[1].continues);
    }

    #[test]
    fn what_leads_elsewhere_is_no_answer() {
        assert!(texts("|  |  |  |\n|---|---|---|\n| Home | The FAQ | Chapter 2. Getting it |").is_empty());
        let text = "Oil it.\n\n- Alder desk lamp\n- Birch floor lamp\n\nFigure 1: three bulbs\n\nSee also: Returns, Questions\n\nHome › Help › Care\n\n## You may also like\nThe stool.";
        assert_eq!(texts(text), ["Oil it."]);
        assert_eq!(
            texts("We take:\n\n- Visa\n- PayPal"),
            ["We take:", "- Visa", "- PayPal"]
        );
    }
}
