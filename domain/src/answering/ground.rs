//! What a model wrote, checked before anybody sees it: citations must name a source, links must lead to one.
use regex::{Captures, Regex};
use std::{collections::BTreeSet, sync::LazyLock};

#[expect(clippy::expect_used, reason = "constant patterns, compiled by every test run")]
static CITATION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\s?\[(\d{1,3})\]").expect("a constant pattern"));
#[expect(clippy::expect_used, reason = "constant patterns, compiled by every test run")]
static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"https?://[^\s)\]>]+").expect("a constant pattern"));

/// The model's word for "the passages do not say".
pub const NO_ANSWER: &str = "NO_ANSWER";

/// Checks a text as it is written. What is checked is passed on up to the last white space, since neither a citation nor a
/// link contains any; the rest waits for its end.
#[derive(Debug)]
pub struct Checker<'a> {
    sources: usize,
    urls: Vec<&'a str>,
    waiting: String,
    /// The sources cited so far.
    cited: BTreeSet<usize>,
}

impl<'a> Checker<'a> {
    /// Citations may name the sources `1..=sources`, and links must be among `urls`.
    pub fn new(sources: usize, urls: Vec<&'a str>) -> Self {
        Self {
            sources,
            urls,
            waiting: String::new(),
            cited: BTreeSet::new(),
        }
    }

    /// Takes more text; returns what can be shown.
    pub fn push(&mut self, text: &str) -> String {
        self.waiting.push_str(text);
        let end = self.waiting.rfind(char::is_whitespace).unwrap_or(0);
        let ready: String = self.waiting.drain(..end).collect();
        self.check(&ready)
    }

    /// The rest, when the text is complete, and the sources that it cites.
    pub fn finish(mut self) -> (String, BTreeSet<usize>) {
        let rest = std::mem::take(&mut self.waiting);
        let rest = self.check(rest.trim_end());
        (rest, self.cited)
    }

    fn check(&mut self, text: &str) -> String {
        let (sources, cited) = (self.sources, &mut self.cited);
        let text = CITATION.replace_all(text, |found: &Captures<'_>| match found[1].parse::<usize>() {
            Ok(n) if (1..=sources).contains(&n) => {
                cited.insert(n);
                found[0].to_owned()
            }
            _ => String::new(),
        });
        let known = |found: &Captures<'_>| {
            let link = found[0].trim_end_matches(['.', ',', ';', ':', '!', '?']);
            if self.urls.contains(&link) {
                found[0].to_owned()
            } else {
                String::new()
            }
        };
        LINK.replace_all(&text, known).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(pieces: &[&str]) -> (String, Vec<usize>) {
        let mut checker = Checker::new(2, vec!["https://a.example/ok"]);
        let mut seen: String = pieces.iter().map(|piece| checker.push(piece)).collect();
        let (rest, cited) = checker.finish();
        seen.push_str(&rest);
        (seen, cited.into_iter().collect())
    }

    #[test]
    fn invented_citations_and_links_never_get_out_however_they_are_cut() {
        let text = "Free [1]. Really [7]! See https://evil.example/x and https://a.example/ok.";
        let want = ("Free [1]. Really! See  and https://a.example/ok.".to_owned(), vec![1]);
        assert_eq!(checked(&[text]), want);
        let letters: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(checked(&letters.iter().map(String::as_str).collect::<Vec<_>>()), want);
    }

    #[test]
    fn text_is_shown_word_by_word_as_it_comes() {
        let mut checker = Checker::new(1, vec![]);
        assert_eq!(checker.push("Two to "), "Two to");
        assert_eq!(checker.push("four da"), " four");
        assert_eq!(checker.finish().0, " da");
    }
}
