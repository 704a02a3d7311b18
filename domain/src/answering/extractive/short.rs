//! A text within so many words, cut where a sentence, an item or a row ends. Whoever asked for short answers gets no longer ones, however
//! long the site's sentences are.
use super::words;
use crate::answering::sentences::sentences;

/// What may be left out as a whole.
struct Unit {
    /// What stands before it.
    lead: &'static str,
    text: String,
}

/// The text's beginning of `most` words at most. Only a first sentence that is longer is cut within, and says so.
pub fn shortened(text: &str, most: usize) -> String {
    if words(text) <= most {
        return text.to_owned();
    }
    let units = units(text);
    let mut kept = 0;
    let mut used = 0;
    for unit in &units {
        used += words(&unit.text);
        if used > most {
            break;
        }
        kept += 1;
    }
    // Neither a heading nor an announcement stays without what it is for.
    while kept > 0 && leads_in(&units[kept - 1].text) {
        kept -= 1;
    }
    if kept > 0 {
        let whole = units[..kept]
            .iter()
            .map(|unit| [unit.lead, unit.text.as_str()].concat());
        return whole.collect::<String>().trim_start().to_owned();
    }
    let first = units.iter().find(|unit| !leads_in(&unit.text)).or(units.first());
    first.map(|unit| cut(&unit.text, most)).unwrap_or_default()
}

fn leads_in(text: &str) -> bool {
    text.ends_with(':') || (text.starts_with("**") && text.ends_with("**"))
}

/// The sentences of the lines, each line of a list or table as one, and code as a whole.
fn units(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let (mut apart, mut code) = (false, false);
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if code {
            if let Some(unit) = units.last_mut() {
                unit.text.extend(["\n", line]);
            }
            code = !fence;
            continue;
        }
        if line.trim().is_empty() {
            apart = true;
            continue;
        }
        let lead = if apart { "\n\n" } else { "\n" };
        (apart, code) = (false, fence);
        if fence || is_item(line) {
            let text = line.to_owned();
            units.push(Unit { lead, text });
            continue;
        }
        for (i, sentence) in sentences(line).into_iter().enumerate() {
            let lead = if i == 0 { lead } else { " " };
            units.push(Unit { lead, text: sentence });
        }
    }
    units
}

fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with(['-', '*', '+', '|']) || (number.len() < line.len() && number.starts_with(['.', ')']))
}

/// The beginning of what is too long by itself: to where a clause ends, if that is not too early.
fn cut(text: &str, most: usize) -> String {
    if text.starts_with("```") {
        let mut used = 1;
        let fits = |line: &&str| {
            used += words(line);
            used <= most
        };
        let kept: Vec<&str> = text.trim_end_matches("```").lines().take_while(fits).collect();
        return format!("{}\n```", kept.join("\n"));
    }
    let all: Vec<&str> = text.split_whitespace().take(most).collect();
    let clause = all.iter().rposition(|word| word.ends_with([',', ';', '–', '—']));
    let end = clause.map(|at| at + 1).filter(|end| *end * 2 > all.len());
    let kept = all[..end.unwrap_or(all.len())].join(" ");
    format!("{}…", kept.trim_end_matches([',', ';', '–', '—', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_ends_with_a_sentence_an_item_or_a_row() {
        let text = "One two three. Four five six.\n\n- seven eight\n- nine ten";
        for (most, want) in [
            (12, text),
            (11, "One two three. Four five six.\n\n- seven eight"),
            (7, "One two three. Four five six."),
            (4, "One two three."),
            (2, "One two…"),
        ] {
            assert_eq!(shortened(text, most), want, "{most}");
        }
    }

    #[test]
    fn nothing_is_announced_that_does_not_follow() {
        let text = "We take back all of it. You need:\n\n- the receipt that came with it";
        assert_eq!(shortened(text, 9), "We take back all of it.");
        assert_eq!(
            shortened("**Returns**\n\nWithin sixty days, if unused and clean.", 4),
            "Within sixty days…"
        );
    }

    #[test]
    fn code_stays_code() {
        let text = "```sh\ncd there\nmake all of it now\n```";
        assert_eq!(shortened(text, 5), "```sh\ncd there\n```");
    }
}
