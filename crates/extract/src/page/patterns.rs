//! The words by which pages themselves name what is not their content. Generic vocabulary of class names, ids and
//! headings; nothing in here is about one site or one shop system.

use std::sync::LazyLock;

use regex::Regex;

/// A class or id that names page furniture.
pub(super) static FURNITURE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    words(
        r"nav|navbar|navigation|menu|megamenu|footer|sidebar|side-bar|breadcrumbs?|cookies?|consent|gdpr|modal|popup|pop-up|newsletter|subscribe|signup|share|sharing|social|related|recommend\w*|upsell|cross-?sell|skip-link|toolbar|pagination|pager|advert\w*|ads?|banner-ad|promo|sponsor\w*|login|minicart|cart|drawer|offcanvas|toast|overlay|announcement|masthead|sr-only|visually-hidden|screen-reader\w*|hidden",
    )
});

/// A class or id that names what visitors wrote about the content.
pub(super) static COMMENTS: LazyLock<Option<Regex>> =
    LazyLock::new(|| words(r"comments?|respond|replies|disqus\w*|reviews?|review-list"));

/// An address or markup that says that what visitors wrote is the content.
pub(super) static FORUM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)forum|communit|/threads?/|/t/|/topic|boards?\.|viewtopic|discuss|showthread|/questions/|answers\.|/r/",
    )
    .ok()
});

/// Whether a pattern matches; a pattern that did not compile matches nothing (a test compiles them all).
pub(super) fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// One of the words, delimited as class names are.
fn words(alternatives: &str) -> Option<Regex> {
    Regex::new(&format!(r"(?i)(?:^|[\s_-])(?:{alternatives})(?:[\s_-]|$)")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_compile_and_match_whole_words() {
        assert!(matches(&FURNITURE, "site-nav main") && !matches(&FURNITURE, "navigator"));
        assert!(matches(&COMMENTS, "product_reviews") && !matches(&COMMENTS, "commentary"));
        assert!(matches(&FORUM, "https://e.com/forum/x"));
    }
}
