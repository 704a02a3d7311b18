//! Code and tables of an answer: their lines and rows are judged one by one.
use std::collections::BTreeSet;

use super::{
    super::sentences,
    facts::Facts,
    html,
    judge::{Judge, Reason, Verdict, Weight},
    links,
    read::{Claim, Known, squeezed},
};

impl Judge {
    /// Lines of code stand in a passage, or are made of its words.
    pub(super) fn code(&self, body: &str, removed: &mut dyn FnMut(Reason)) -> Verdict {
        let lines: Vec<&str> = body.lines().collect();
        let Some((fence, rest)) = lines.split_first() else {
            return Verdict::Drop("unsupported");
        };
        let rest = match rest.split_last() {
            Some((last, inner)) if last.trim_start().starts_with(&fence[..3]) => inner,
            _ => rest,
        };
        let kept: Vec<&str> = rest
            .iter()
            .copied()
            .filter(|line| line.trim().is_empty() || self.code_line(line))
            .collect();
        let (all, left) = (
            rest.iter().filter(|l| !l.trim().is_empty()).count(),
            kept.iter().filter(|l| !l.trim().is_empty()).count(),
        );
        if left == 0 || left * 2 < all {
            return Verdict::Drop("unsupported");
        }
        (left..all).for_each(|_| removed("unsupported"));
        let info: String = fence[3..]
            .trim_start_matches(['`', '~'])
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '#'))
            .take(20)
            .collect();
        let on = self.nearest(&Claim::of(&kept.join(" "), None)).into_iter().collect();
        let body = kept.join("\n");
        // Longer than any in it, so that nothing in it ends it.
        let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        Verdict::Keep(format!("{fence}{info}\n{body}\n{fence}"), on)
    }

    fn code_line(&self, line: &str) -> bool {
        let literal = squeezed(line);
        if self.passages.iter().any(|p| p.code.contains(&literal)) {
            return true;
        }
        let addresses = links::found(line);
        if !html::is_none(line) || addresses.iter().any(|a| !self.links.allow(a)) {
            return false;
        }
        if self.passages.iter().any(|p| p.lines.contains(&literal)) {
            return true;
        }
        let claim = Claim {
            names: Vec::new(),
            certain: Vec::new(),
            ..Claim::of(line, None)
        };
        let all: Vec<usize> = (1..=self.passages.len()).collect();
        matches!(self.weigh(&claim, &all), Weight::Firm)
    }

    /// Rows that passages support, with the words of the header that they know; as items of a list, since the widget shows no tables.
    pub(super) fn table(&self, body: &str, removed: &mut dyn FnMut(Reason)) -> Verdict {
        let all: Vec<usize> = (1..=self.passages.len()).collect();
        let mut rows = Vec::new();
        let mut on = BTreeSet::new();
        for (n, line) in body.lines().enumerate() {
            if n == 1 && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ' | '\t')) {
                rows.push(line.to_owned());
                continue;
            }
            let row = self.cleaned(line, removed).map(|text| self.cited(&text, removed));
            let (text, cited) = match row {
                Ok(row) => row,
                Err(reason) => {
                    removed(reason);
                    continue;
                }
            };
            if n == 0 {
                rows.push(self.header(&text));
                continue;
            }
            let claim = Claim {
                names: Vec::new(),
                ..Claim::of(&text, self.usual())
            };
            if claim.words.is_empty() && claim.facts.is_empty() {
                continue;
            }
            match self.weigh(&claim, &all) {
                Weight::Firm => {
                    on.extend(if cited.is_empty() {
                        self.nearest(&claim).into_iter().collect()
                    } else {
                        cited
                    });
                    rows.push(text);
                }
                Weight::Unsure(_) => removed("unsupported"),
                Weight::Not(reason) => removed(reason),
            }
        }
        if rows.len() < 3 {
            Verdict::Drop("unsupported")
        } else {
            let rows = sentences::rows(&rows.join("\n"));
            Verdict::Keep(rows.join("\n"), on.into_iter().collect())
        }
    }

    fn header(&self, line: &str) -> String {
        let known = |cell: &str| {
            let claim = Claim::of(cell, None);
            let all: Vec<&Facts> = self.passages.iter().map(Known::facts).collect();
            claim.facts.beyond(&all).is_none()
                && claim
                    .words
                    .iter()
                    .all(|w| self.passages.iter().any(|p| p.words.know(w)))
        };
        let cells = line.split('|').map(|cell| if known(cell) { cell } else { "  " });
        cells.collect::<Vec<_>>().join("|")
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        answering::{
            ground::{Judge, Links, Writing},
            support::tests::passage,
        },
        retrieval::Passage,
    };

    const LESSON: &str = "Shipping costs 4.90 EUR. This is how a picture fails:\n\n```html\n<img src=x onerror=alert(1)>\nnext line\n```\n\n\
        The tag `<img src=x onerror=alert(1)>` runs a script.";

    async fn shown(text: &str) -> String {
        let lesson = Passage {
            url: "https://shop.example/lesson".into(),
            ..passage(Some(0.9), 1.0, LESSON)
        };
        let links = Links::new([lesson.url.as_str()], []);
        let judge = Judge::new("How does it fail?", &[&lesson], "", links, "", "");
        let mut writing = Writing::new(None, judge, None);
        for piece in text.chars().collect::<Vec<_>>().chunks(3) {
            writing.take(&piece.iter().collect::<String>()).await;
        }
        writing.finish().await.text
    }

    #[tokio::test]
    async fn what_a_page_has_as_code_stays_code_whatever_a_model_writes_around_it() {
        const TAG: &str = "<img src=x onerror=alert(1)>";
        for (text, want) in [
            (
                format!("```html\n{TAG}\n```\n[1]"),
                format!("```html\n{TAG}\n```\n\n[1]"),
            ),
            (
                format!("~~~\n```\n{TAG}\n```\n~~~"),
                format!("````\n```\n{TAG}\n```\n````\n\n[1]"),
            ),
            (
                format!("```\n{TAG}\n ```\n{TAG}\n```"),
                format!("````\n{TAG}\n ```\n{TAG}\n````\n\n[1]"),
            ),
            (format!("- ```\n{TAG}\n```"), format!("```\n{TAG}\n```\n\n[1]")),
            (
                format!("```\n{TAG}\n``` Shipping costs 4.90 EUR [1].\n\n```\n{TAG}\n```"),
                format!("```\n{TAG}\n```\n\nShipping costs 4.90 EUR [1].\n\n```\n{TAG}\n```"),
            ),
            (
                format!("The tag `{TAG}` runs a script [1]."),
                format!("The tag `{TAG}` runs a script [1]."),
            ),
            (
                format!(r"The tag \`{TAG}` runs a script [1]."),
                format!("The tag `{TAG}` runs a script [1]."),
            ),
            (
                format!("Shipping costs 4.90 EUR `` ` ``{TAG}`` ` `` [1]."),
                String::new(),
            ),
        ] {
            assert_eq!(shown(&text).await, want, "{text}");
        }
    }
}
