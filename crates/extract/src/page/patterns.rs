//! The words by which pages themselves name what is not their content. Generic vocabulary of class names, ids, headings
//! and single lines; nothing in here is about one site or one shop system.

use std::{cell::RefCell, collections::HashMap, sync::LazyLock};

use regex::{Regex, RegexSet};

/// What a class or id says of its element; several may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// Page furniture.
    Furniture,
    /// Of the furniture, what may also wrap a part of the text: a menu of tabs, a promoted paragraph.
    Place,
    /// Of the furniture, what leads away whatever is in it.
    Lead,
    /// Controls; what is so labelled is dropped only when it holds no prose.
    Control,
    /// What visitors wrote about the content.
    Comment,
    /// A remark below an answer on a page of questions and answers.
    Remark,
    /// Small boxes beside the content: the seller, the author's biography, a feed of pictures.
    Aside,
    /// Lists of sources.
    Reference,
    /// Author, date and reading time.
    Byline,
    /// Who posted, in forums.
    Poster,
    /// Text for screen readers only.
    Unseen,
    /// A table of contents.
    Contents,
    /// A list of dishes, if it is none of pages.
    Menu,
    /// A promise or a message, if it is no box of a shop.
    Promise,
}

/// In the order of [`Name`].
static NAMES: LazyLock<Option<RegexSet>> = LazyLock::new(|| {
    RegexSet::new([
        words(
            r"nav|navbar|nav-?header|nav-?footer|navigation|menu|megamenu|footer|sidebar|side-bar|breadcrumbs?|cookies?|consent|gdpr|modal|popup|pop-up|newsletter|subscribe|signup|share|sharing|social|related|recommend\w*|upsell|cross-?sell|skip-link|toolbar|pagination|pager|advert\w*|ads?|banner-ad|promo|sponsor\w*|login|minicart|cart|drawer|offcanvas|toast|overlay|announcement|masthead|signature|popover|tooltip|(?:currency|language|locale|country|region|store)-?(?:selector|switcher|picker|chooser|select)|dropdown-menu|recently-?viewed|also-?(?:bought|viewed|like)|frequently-?bought|you-?may|similar",
        ),
        words(
            r"nav|navbar|navigation|menu|sidebar|side-bar|toolbar|drawer|offcanvas|overlay|modal|tooltip|popover|promo|cart|announcement",
        ),
        words(
            r"footer|cookies?|consent|gdpr|newsletter|subscribe|signup|share|sharing|social|related|recommend\w*|upsell|login|popup|pop-up",
        ),
        words(
            r"swatch(?:es)?|facets?|filters?|refinements?|wish-?list|add-?to-?cart|search-?(?:form|box|bar|input)|autocomplete|buttons?|btn|skip|loader|loading|spinner|back-?to-?top|scroll-?top|print-?only|rating-?summary|installments?|quantity|sort-?(?:by|order)?|tool-?tip",
        ),
        words(
            r"comments?|respond|replies|disqus\w*|reviews?|review-list|yotpo|trustpilot|bazaarvoice",
        ),
        words(r"comments?"),
        words(
            r"seller(?:-?(?:card|info|information))?|fdbk|feedback|trust-?badges?|author-?(?:box|bio|card|profile)|about-?(?:the-?)?author|sbi|instagram|twitter-feed|back-?in-?stock|notify-?me|topic-?overview|guest-?teaser|paywall|sticky-?(?:header|nav|cart)|alert-?bar|top-?bar|notification-bar|affiliate\w*|country-?list|region-?list|captcha",
        ),
        words(r"references?|reflist|refbegin|ref-list|citations?|bibliography|navbox|catlinks"),
        words(
            r"byline|posted-(?:on|in|by)|post-?(?:date|meta|info)|entry-?meta|article-?meta|card-?meta|published|publish(?:ed)?-?date|publication-?date|date-?published|reading-?time|read-?time|author-?(?:area|info)|timestamp",
        ),
        words(
            r"post-?profile|user-?info|user-?extras|user-?details|quote-?citation|bbcode-?block-?(?:title|expand-?link)|user-?title|message-?user-?(?:details|info|title)|author(?:-?(?:pane|info|details|stats))?|poster|postbit|byline|avatar|reactions?(?:bar)?|likes?|badges?|rank|post-?meta|attribution|user-?card|username|userblock|permalink|notices?",
        ),
        r"(?i)^(?:sr-only|visually-?hidden|screen-?reader(?:-(?:text|only))?|u-?hidden-?visually|a11y-hidden|[a-z]{1,5}-screen-reader-only|show-for-sr|assistive-text|offscreen|element-invisible|admin-hidden-markup)$".to_owned(),
        words(r"toc|table-?of-?contents|(?:mini|page|local)-?toc"),
        words("menu"),
        words("notifications?|guarantees?"),
    ])
    .ok()
});

/// The foot of a card or post belongs to it; only the page's own footer is furniture.
static OWN_FOOTER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:card|item|post|entry|article|product|tile|box|section|table)[_-]*footer").ok()
});

/// What the classes and the id of an element say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Names(u16);

impl Names {
    pub fn has(self, name: Name) -> bool {
        self.0 & (1 << name as u16) != 0
    }
}

thread_local! {
    /// What was read of late: the pages of a site use the same few names, and reading one takes long.
    static READ: RefCell<HashMap<String, Names>> = RefCell::default();
}
/// Names that a thread keeps, and the longest of them.
const MAX_READ: usize = 4096;
const MAX_KEPT_NAME: usize = 64;

/// Reads names.
#[derive(Debug, Default)]
pub(super) struct Naming;

impl Naming {
    /// What a `class` attribute and an id say.
    #[expect(clippy::unused_self, reason = "whoever has none reads no names")]
    pub fn of(&self, labels: &[&str]) -> Names {
        let tokens = labels.iter().flat_map(|label| label.split_ascii_whitespace());
        Names(READ.with_borrow_mut(|known| tokens.fold(0, |out, token| out | of_one(known, token).0)))
    }
}

fn of_one(known: &mut HashMap<String, Names>, token: &str) -> Names {
    if let Some(names) = known.get(token) {
        return *names;
    }
    let names = read(token);
    if token.len() <= MAX_KEPT_NAME {
        if known.len() >= MAX_READ {
            known.clear();
        }
        known.insert(token.to_owned(), names);
    }
    names
}

/// A BEM modifier (`block--with-menu`) says something about the block's look and is left out.
fn read(token: &str) -> Names {
    let base = token.find("--").filter(|at| *at > 0).map_or(token, |at| &token[..at]);
    let base = kebab(base);
    if matches(&OWN_FOOTER, &base) {
        return Names::default();
    }
    let found = NAMES.as_ref().map(|set| set.matches(&base));
    Names(found.into_iter().flatten().fold(0, |bits, index| bits | 1 << index))
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

/// A class that names a tab or a folded answer.
pub(super) static PANEL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&words(
        r"tab-?pane|tab-?panel|tab-?content|tabs?|accordion\w*|collaps(?:e|ed|ible)|faqs?|answers?|toggle-?content|expand(?:ed|able)?|read-?more",
    ))
    .ok()
});

/// Classes of the common libraries of entrance animations.
pub(super) static ENTRANCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:^|\s)(?:elementor-invisible|wow|aos-[a-z]+|(?:scroll-)?reveal|fade(?:-?in)?(?:-?(?:up|down|left|right))?|animate__[a-z]+|et_animated)(?:\s|$)").ok()
});

/// Style rules that may say whether an element is seen; most say nothing of it.
pub(super) static SEEN_OR_NOT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new("display|visib|opacity|font-size|indent|left|top|clip|color|transform|background|height|right").ok()
});

/// An address or markup that says that what visitors wrote is the content.
pub(super) static FORUM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)forum|communit|/threads?/|/t/|/topic|boards?\.|viewtopic|discuss|showthread|/questions/|answers\.|/r/",
    )
    .ok()
});

/// Items of structured data that say the same, as they stand in scripts.
pub(super) const FORUM_ITEMS: [&str; 2] = ["\"DiscussionForumPosting\"", "\"QAPage\""];

/// A heading over what leads away from the content: other products, other posts, sign-up forms.
pub(super) static ELSEWHERE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    phrase(
        r"(?:you|we think you|you'?ll) (?:may|might|will|could|should|also|would)(?: also| be)? (?:like|love|enjoy|interested in).*|(?:you|we think you|you'?ll) (?:(?:may|might|will|could|should|would) )?also need.*|you(?:'|’)ll (?:also )?love.*|related(?: \w+){0,2}|recommended(?: \w+){0,3}|recommendations?(?: \w+){0,2}|(?:customers?|people|others|shoppers?|users|viewers)(?: who (?:bought|viewed)(?: \w+){0,3})? also (?:bought|viewed|ask(?:ed)?|like[sd]?|search(?:ed)?|purchased).*|similar (?:products?|items?|listings?|posts?|articles?|topics?|courses?|jobs?)|recently viewed.*|(?:your )?(?:recent|browsing) history|frequently bought together|(?:often|usually) bought (?:together|with)|more (?:from|like|to (?:explore|love|read|consider)|articles?|posts|stories|products|resources|on this topic|reading|news|recipes|blogs?)(?: .*)?|complete (?:the|your) (?:look|set|setup|outfit)|shop the look|pairs well with|goes (?:well|great) with|explore (?:more|related|similar).*|(?:read|up|what to read) next|keep reading|further articles|suggested (?:topics|posts|articles|products|for you|reading)|follow us.*|share (?:this|on|via|with).*|newsletter.*|(?:sign[ -]?up|subscribe)(?: .*)?|(?:join|get) (?:our|the) (?:newsletter|mailing list|community|club).*|(?:about|meet) the authors?|post navigation|popular (?:posts|articles|searches|now|topics)|trending(?: \w+){0,2}|top searches|don'?t miss.*|sponsored.*|advertisement|leave a (?:reply|comment).*|log ?in|sign in|cookie \w+|table of contents|on this page|in this article|contents|related searches|similar threads?|(?:recent|latest|top|popular) (?:conversations?|posts|articles|news|stories|insights|blogs?|blog posts|events|updates|topics|collections|categories|videos|comments)(?: .{0,20})?|continue reading|(?:who|how we) (?:curated|reviewed|edited|wrote) this (?:article|page)|(?:meet) (?:the|your) seller|(?:detailed )?seller (?:feedback|ratings)(?: .{0,12})?|create an account.*|already have an account.*|did you know\?|explore other .*|shop by (?:category|brand|collection)|discover more(?: options)?|(?:guests|customers) also viewed|your views|featured products|price alert|ways to save|additional product information and recommendations|top posters in this topic|popular days|learn more in our .*|(?:need|want) (?:some |more )?help\??|have (?:a )?questions?\??|as seen (?:in|on)|who's viewing.*|page (?:navigation|contents)|shopping cart|your (?:cart|bag|basket).*|filters?(?: by)?|filter (?:&|and) sort|sort(?: by)?|refine(?: by| results| your .*)?|search results for.*",
    )
});

/// A heading over what visitors wrote about a product or an article.
pub(super) static OPINIONS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    phrase(
        r"(?:customer |product |user |verified |guest |our |all )*(?:ratings? (?:and|&|\+) )?reviews(?: (?:and|&) ratings?)?(?: \(?[\d,.]+\)?)?(?: (?:for|of|from) .*)?|\d+(?:[,.]\d{3})* (?:customer |global |product )?(?:reviews?|ratings?|comments?|responses|replies|thoughts)(?: (?:for|on|to) .*)?|(?:write|leave|add) a (?:review|comment).*|comments?(?: \(?\d+\)?)?|discussion(?: \(\d+\))?|(?:customer )?questions (?:and|&) answers|q ?& ?a|join the (?:conversation|discussion)",
    )
});

/// Of those headings, the ones that may also name the subject of a section, as help pages and papers do.
pub(super) static SUBJECTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    phrase(
        r"(?:log|sign)[ -]?(?:in|up)(?: .*)?|(?:filters?|sort|refine)(?: .*)?|filter (?:&|and) sort|contents|newsletter.*|subscribe(?: .*)?|share .*|create an account.*|did you know\??|cookie \w+|comments?|discussion|(?:customer )?questions (?:and|&) answers|q ?& ?a|shopping cart|(?:need|want) (?:some |more )?help\??|have (?:a )?questions?\??|more .*|(?:recent|latest|top|popular|trending)(?: .*)?|related(?: \w+){0,2}|recommended(?: \w+){0,3}|recommendations?(?: \w+){0,2}",
    )
});

/// Of those, the ones that announce ways to be helped.
pub(super) static HELP: LazyLock<Option<Regex>> =
    LazyLock::new(|| phrase(r"(?:need|want) (?:some |more )?help\??|have (?:a )?questions?\??"));

/// Of those, the ones that announce questions with their answers.
pub(super) static ANSWERS: LazyLock<Option<Regex>> =
    LazyLock::new(|| phrase(r"(?:customer )?questions (?:and|&) answers|q ?& ?a"));

/// A heading that asks how something is or is done, as a reader would.
pub(super) static ASKING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^\W*(?:how|what|which|when|where|who|why|can|may|do|does|is|are|will|wie|was|welche[rsn]?|wann|wo|wer|warum|kann|darf)(?-u:\b).{3,150}[?？]\s*$").ok()
});

/// A whole line that is a control.
pub(super) static CONTROL_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    phrase(
        r"add to (?:my )?(?:cart|bag|basket|wish ?list|compare|favou?rites|registry)|buy (?:it )?now|read (?:more|less|the (?:full )?(?:story|article|report|post))|(?:read more )?(?:less|more)|(?:read|see|view) full (?:story|details|article|bio)|learn more|view (?:all|more|details?|product|cart|collection|options|range)(?: \(?\d+\)?)?|see (?:all|more|details|less|options)|show (?:more|less|all)|load(?:ing)?(?: more)?|quick (?:view|shop|buy|add|look)|(?:select|choose|more) options|shop (?:now|all)|log ?in|sign ?(?:in|up|out)(?: now)?|register|subscribe(?: now)?|share(?: this(?: \w+)?)?|tweet|pin(?: it)?|print|reply(?: with quote)?|report(?: (?:this|abuse|inappropriate content|post))?|click to (?:expand|shrink|enlarge|copy|zoom)|tap to zoom|expand|collapse|follow(?: us)?|menu|close|search|submit|prev(?:ious)?|next|previous next|cancel|apply|clear(?: all)?|reset|sold out|(?:in|out of) stock|skip to .{3,30}|back to (?:top|blog|home|all .{3,20})|continue(?: (?:shopping|reading))?|book now|get started|sale price|regular price|unit price(?: per)?|notify me(?: when available)?|write a review|compare|copy(?: link)?(?: to clipboard)?|copied!?|advertisement|sponsored|save(?: for later)?|permalink|like|helpful|yes no|expand all|collapse all|enlarge|full ?screen|play(?: video)?|pause|watch (?:now|video)|get (?:a )?(?:free )?(?:quote|directions)|download (?:now|pdf|brochure)|(?:\d+ )?min(?:ute)?s? read|was this (?:page|article|answer)? ?helpful\??|edit this page.*|report (?:a problem|an issue).*|last (?:updated|modified)(?: on)?:?|top|new|hot",
    )
});

/// What cookies are called where a site says that it uses them.
const COOKIES: &str = r"(?:(?:only|strictly|essential|necessary|required|functional|optional|analytics?|analytical|tracking|performance|technical(?:ly)?|third|first|party|session|browser|persistent|temporary|our|own|its|web|http|various|certain|some|small|different|types?|kinds?|marketing|advertising|targeting|technolog(?:y|ies)|tools|the|following|such|as|like|both|other|of|and|or)[ ,-]+){0,8}cookies?(?-u:\b)";

/// The beginning of a paragraph that speaks of the site rather than of the page's subject: cookies, scripts, consent, rights.
pub(super) static NOTICE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&[
        r"(?i)^\W*(?:",
        r"(?:this|our|the) (?:web ?)?(?:site|shop|store|app|page)s?(?-u:\b)[^.]{0,40}(?-u:\b)(?:us(?:es?|ing)|sets?|stores?|places?|employs?|utili[sz]es?|makes? use of|relies on|needs?|requires?) ", COOKIES,
        r"|we (?:and our \w+ )?(?:also )?(?:use|set|store|place|employ|utili[sz]e) ", COOKIES,
        r"|by (?:continuing|using|browsing|clicking)(?-u:\b)[^.]{0,80}(?-u:\b)(?:agree|accept|consent|allow|use|usage|storing|storage)(?-u:\b)[^.]{0,60}(?-u:\b)cookies?(?-u:\b)",
        r"|\w+ uses cookies",
        r"|please (?:note that )?(?:enable|turn on|activate) javascript|.{0,60}javascript (?:(?:is|has been|seems to be) (?:currently )?(?:turned off|disabled|required|not)|must be enabled)",
        r"|by (?:clicking|submitting|signing up|subscribing|providing|entering|checking|continuing)(?-u:\b).{0,120}(?:agree|consent|accept|acknowledge|terms)",
        r"|copyright (?:©|\(c\)|\d{4})|© ?\d{4}|.{0,60}all rights reserved)",
    ].concat())
    .ok()
});

/// The beginning of a line that asks for something or closes a discussion; a longer paragraph that begins so tells how it is done.
pub(super) static SHORT_NOTICE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^\W*(?:this field is (?:hidden|for validation)|(?:create an account|sign in|log in|register|you (?:need|must|have) to (?:be|log|register|sign))[^.,;]{0,60}(?:to (?:comment|reply|post|join the)|comment(?-u:\b)|(?:a|your) (?:reply|review))|sign up (?:for|to)(?-u:\b).{0,120}(?:newsletter|emails?|offers|updates|news)|subscribe to(?-u:\b).{0,60}(?:newsletter|e-?mails?|offers|updates|news)|this (?:topic|thread) (?:was|is|has been) (?:automatically )?(?:closed|locked|archived)|or \d (?:interest-free )?payments|(?:did|was) this (?:help|page|article))",
    )
    .ok()
});

/// The beginning of what a form or a list says of itself. A help page's sentences begin so as well: it counts only where forms speak.
pub(super) static STATUS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^\W*(?:.{0,40}(?:your (?:message|email) (?:has been|was) sent|something went wrong|unable to (?:load|fetch))|.{0,60}javascript is enabled|enter your e-?mail|we(?:'|’)(?:ve|ll) (?:got|received|send|let you know)|no results? (?:found|for)|(?:your )?(?:cart|bag|basket|wish ?list) is empty|thank you for (?:subscribing|signing|your))",
    )
    .ok()
});

/// A price or a time of day.
pub(super) static PRICE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"[€$£¥₹]\s?\d|\d\s?(?:[€£]|(?:EUR|USD|CHF|GBP|Kč|zł|kr)(?-u:\b))|\d[.,]\d\d(?-u:\b)|\d:\d\d").ok()
});

/// Whether a pattern matches; a pattern that did not compile matches nothing (a test compiles them all).
pub(super) fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// The whole of a heading or line.
fn phrase(alternatives: &str) -> Option<Regex> {
    Regex::new(&format!(r"(?i)^\W*(?:{alternatives})\W*$")).ok()
}

/// One of the words, delimited as class names are.
fn words(alternatives: &str) -> String {
    format!(r"(?i)(?:^|[\s_-])(?:{alternatives})(?:[\s_-]|$)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_compile_and_match_whole_words() {
        assert!(NAMES.is_some() && OWN_FOOTER.is_some() && PANEL.is_some() && SEEN_OR_NOT.is_some());
        assert!(
            ELSEWHERE.is_some()
                && ASKING.is_some()
                && OPINIONS.is_some()
                && SUBJECTS.is_some()
                && CONTROL_LINE.is_some()
                && [&NOTICE, &SHORT_NOTICE, &STATUS, &HELP, &ANSWERS, &PRICE, &ENTRANCE]
                    .iter()
                    .all(|it| it.is_some())
        );
        let says = |label: &str, name: Name| Naming.of(&[label]).has(name);
        assert!(says("site-nav main", Name::Furniture) && !says("navigator", Name::Furniture));
        assert!(says("product_reviews", Name::Comment) && !says("commentary", Name::Comment));
        assert!(says("RelatedProducts_root", Name::Lead) && !says("block--with-menu", Name::Furniture));
        assert!(says("sr-only", Name::Unseen) && !says("user-only", Name::Unseen));
        assert!(!says("card-footer", Name::Furniture));
        assert!(matches(&ASKING, "How do I log in?") && !matches(&ASKING, "Want more of it?"));
        assert!(matches(&FORUM, "https://e.com/forum/x"));
        assert!(matches(&CONTROL_LINE, "Add to cart") && !matches(&CONTROL_LINE, "Add to cart twice"));
        assert!(
            matches(&NOTICE, "This website uses cookies to improve") && !matches(&NOTICE, "A cookie is a small file")
        );
        for said in [
            "We and our partners use essential, analytics and other cookies",
            "Our shop uses technically necessary cookies.",
            "By using our site you agree that we store cookies.",
            "JavaScript is disabled in your browser.",
        ] {
            assert!(matches(&NOTICE, said), "{said}");
        }
        for said in [
            "Our shop sells the best chocolate cookies in town.",
            "We use only butter in our cookies.",
            "By using cold butter you get crisp cookies.",
            "Make sure that JavaScript is enabled in your browser.",
        ] {
            assert!(!matches(&NOTICE, said), "{said}");
        }
    }
}
