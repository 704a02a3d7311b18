//! Rows of tables as lines that name their columns, since the widget shows no tables.

/// The rows of a table as items: `- First: Second` of two columns, `- First – Name: second; Name: third` of more.
pub fn rows(block: &str) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::super::tests::texts;

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
}
