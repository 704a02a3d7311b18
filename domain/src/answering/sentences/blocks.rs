//! Markdown as blocks: paragraphs, lists with their items, fenced code, tables.

/// A paragraph on one line. A definition, whose line begins with a colon, follows its term.
pub(super) fn flat(block: &str) -> String {
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
pub(super) fn blocks(markdown: &str) -> Vec<String> {
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
pub(super) fn list(block: &str) -> Option<bool> {
    numbered(block.lines().next()?)
}

/// The outermost items of a list, each with what is indented under it.
pub(super) fn items(block: &str) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::super::{Kind, pieces, tests::texts};

    #[test]
    fn a_definition_follows_its_term() {
        assert_eq!(
            texts("Release:\n: 3.11.2\n\nDate\n: today,\n  at noon"),
            ["Release: 3.11.2", "Date: today, at noon"]
        );
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
}
