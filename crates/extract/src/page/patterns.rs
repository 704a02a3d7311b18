//! The words by which pages themselves name what is not their content. Generic vocabulary of class names, ids and
//! headings; nothing in here is about one site or one shop system.

use std::sync::LazyLock;

use regex::Regex;

/// A class or id that names page furniture.
pub(super) static FURNITURE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    words(
        r"nav|navbar|navigation|menu|megamenu|footer|sidebar|side-bar|breadcrumbs?|cookies?|consent|gdpr|modal|popup|pop-up|newsletter|subscribe|signup|share|sharing|social|related|recommend\w*|upsell|cross-?sell|skip-link|toolbar|pagination|pager|advert\w*|ads?|banner-ad|promo|sponsor\w*|login|minicart|cart|drawer|offcanvas|toast|overlay|announcement|masthead|signature|popover|tooltip|(?:currency|language|locale|country|region|store)-?(?:selector|switcher|picker|chooser|select)|dropdown-menu|recently-?viewed|also-?(?:bought|viewed|like)|frequently-?bought|you-?may|similar",
    )
});

/// A class or id that names controls; what it labels is dropped only when it holds no prose.
pub(super) static CONTROLS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    words(
        r"swatch(?:es)?|facets?|filters?|refinements?|wish-?list|add-?to-?cart|search-?(?:form|box|bar|input)|autocomplete|buttons?|btn|skip|loader|loading|spinner|back-?to-?top|scroll-?top|print-?only|rating-?summary|installments?|quantity|sort-?(?:by|order)?|tool-?tip",
    )
});

/// A class or id that names what visitors wrote about the content.
pub(super) static COMMENTS: LazyLock<Option<Regex>> =
    LazyLock::new(|| words(r"comments?|respond|replies|disqus\w*|reviews?|review-list|yotpo|trustpilot|bazaarvoice"));

/// A remark below an answer on a page of questions and answers.
pub(super) static REMARKS: LazyLock<Option<Regex>> = LazyLock::new(|| words(r"comments?"));

/// An address or markup that says that what visitors wrote is the content.
pub(super) static FORUM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)forum|communit|/threads?/|/t/|/topic|boards?\.|viewtopic|discuss|showthread|/questions/|answers\.|/r/",
    )
    .ok()
});

/// A heading over what leads away from the content: other products, other posts, sign-up forms.
pub(super) static ELSEWHERE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    phrase(
        r"(?:you|we think you|you'?ll) (?:may|might|will|could|should|also|would)(?: also| be)? (?:like|love|enjoy|need|interested in).*|you(?:'|’)ll (?:also )?love.*|related(?: \w+){0,2}|recommended(?: \w+){0,3}|recommendations?(?: \w+){0,2}|(?:customers?|people|others|shoppers?|users|viewers)(?: who (?:bought|viewed)(?: \w+){0,3})? also (?:bought|viewed|ask(?:ed)?|like[sd]?|search(?:ed)?|purchased).*|similar (?:products?|items?|listings?|posts?|articles?|topics?|courses?|jobs?)|recently viewed.*|(?:your )?(?:recent|browsing) history|frequently bought together|(?:often|usually) bought (?:together|with)|more (?:from|like|to (?:explore|love|read|consider)|articles?|posts|stories|products|resources|on this topic|reading|news|recipes|blogs?)(?: .*)?|complete (?:the|your) (?:look|set|setup|outfit)|shop the look|pairs well with|goes (?:well|great) with|explore (?:more|related|similar).*|(?:read|up|what to read) next|keep reading|further articles|suggested (?:topics|posts|articles|products|for you|reading)|follow us.*|share (?:this|on|via|with).*|newsletter.*|(?:sign[ -]?up|subscribe)(?: .*)?|(?:join|get) (?:our|the) (?:newsletter|mailing list|community|club).*|(?:about|meet) the authors?|post navigation|popular (?:posts|articles|searches|now|topics)|trending(?: \w+){0,2}|top searches|don'?t miss.*|sponsored.*|advertisement|leave a (?:reply|comment).*|log ?in|sign in|cookie \w+|table of contents|on this page|in this article|contents|related searches|shopping cart|your (?:cart|bag|basket).*|filters?(?: by)?|filter (?:&|and) sort|sort(?: by)?|refine(?: by| results| your .*)?|search results for.*",
    )
});

/// A heading over what visitors wrote about a product or an article.
pub(super) static OPINIONS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    phrase(
        r"(?:customer |product |user |verified |guest |our |all )*(?:ratings? (?:and|&|\+) )?reviews(?: (?:and|&) ratings?)?(?: \(?[\d,.]+\)?)?(?: (?:for|of|from) .*)?|\d+(?:[,.]\d{3})* (?:customer |global |product )?(?:reviews?|ratings?|comments?|responses|replies|thoughts)(?: (?:for|on|to) .*)?|(?:write|leave|add) a (?:review|comment).*|comments?(?: \(?\d+\)?)?|discussion(?: \(\d+\))?|(?:customer )?questions (?:and|&) answers|q ?& ?a|join the (?:conversation|discussion)",
    )
});

/// The foot of a card or post belongs to it; only the page's own footer is furniture.
static OWN_FOOTER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:card|item|post|entry|article|product|tile|box|section|table)[_-]*footer").ok()
});

/// Whether a class or id names furniture or, with `COMMENTS`, what visitors wrote. A BEM modifier (`block--with-menu`)
/// says something about the block's look and is left out.
pub(super) fn names(pattern: &LazyLock<Option<Regex>>, label: &str) -> bool {
    label.split_ascii_whitespace().any(|token| {
        let base = token.find("--").filter(|at| *at > 0).map_or(token, |at| &token[..at]);
        let base = kebab(base);
        matches(pattern, &base) && !matches(&OWN_FOOTER, &base)
    })
}

/// `RelatedProducts_root` as `Related-Products_root`, so that words are found in either habit of naming.
fn kebab(token: &str) -> String {
    let mut out = String::with_capacity(token.len() + 4);
    for c in token.chars() {
        if c.is_ascii_uppercase() && out.ends_with(|before: char| before.is_ascii_lowercase()) {
            out.push('-');
        }
        out.push(c);
    }
    out
}

/// Whether a pattern matches; a pattern that did not compile matches nothing (a test compiles them all).
pub(super) fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// The whole of a heading.
fn phrase(alternatives: &str) -> Option<Regex> {
    Regex::new(&format!(r"(?i)^\W*(?:{alternatives})\W*$")).ok()
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
