//! What a model wrote, checked: citations must name a source, links must lead to one.
use regex::Regex;
use std::sync::LazyLock;

#[expect(clippy::expect_used, reason = "constant patterns, compiled by every test run")]
static CITATION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\s?\[(\d{1,3})\]").expect("a constant pattern"));
#[expect(clippy::expect_used, reason = "constant patterns, compiled by every test run")]
static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"https?://[^\s)\]>]+").expect("a constant pattern"));

/// The model's word for "the passages do not say".
pub const NO_ANSWER: &str = "NO_ANSWER";

/// A checked text and the sources that it cites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Without citations of sources that do not exist, and without foreign links.
    pub text: String,
    /// The sources cited, in order of their numbers.
    pub cited: Vec<usize>,
}

/// Drops citations beyond `sources` and links that are none of `urls`.
pub fn check(text: &str, sources: usize, urls: &[&str]) -> Checked {
    let mut cited = Vec::new();
    let text = CITATION.replace_all(text, |found: &regex::Captures<'_>| match found[1].parse::<usize>() {
        Ok(n) if (1..=sources).contains(&n) => {
            cited.push(n);
            found[0].to_owned()
        }
        _ => String::new(),
    });
    let text = LINK.replace_all(&text, |found: &regex::Captures<'_>| {
        let link = found[0].trim_end_matches(['.', ',', ';', ':', '!', '?']);
        if urls.contains(&link) {
            found[0].to_owned()
        } else {
            String::new()
        }
    });
    cited.sort_unstable();
    cited.dedup();
    Checked {
        text: text.trim().to_owned(),
        cited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_citations_and_links_never_get_out() {
        let checked = check(
            "Free [1]. Really [7]! See https://evil.example/x and https://a.example/ok.",
            2,
            &["https://a.example/ok"],
        );
        assert_eq!(checked.text, "Free [1]. Really! See  and https://a.example/ok.");
        assert_eq!(checked.cited, [1]);
    }
}
