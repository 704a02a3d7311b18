//! What the head of a page says about it: title and language.

use super::dom::{Dom, Id};

/// Words below which language detection is guessing.
const MIN_DETECTION_WORDS: usize = 20;

/// The content of the first meta element whose `name` or `property` is `wanted`, if it is not blank.
pub(super) fn content<'a>(dom: &'a Dom, wanted: &str) -> Option<&'a str> {
    let named = |id: &Id| {
        ["name", "property"].iter().any(|key| {
            dom.attribute(*id, key)
                .is_some_and(|it| it.eq_ignore_ascii_case(wanted))
        })
    };
    let metas = dom.elements(0, "meta").filter(named);
    metas
        .filter_map(|id| dom.attribute(id, "content").map(str::trim))
        .find(|text| !text.is_empty())
}

/// Longest name of an author, in characters; what is longer is no name.
const MAX_AUTHOR: usize = 200;
/// Characters of a title.
const MAX_TITLE: usize = 300;

/// Who wrote the page: `<meta name=author>`, or what articles and catalogues call it. An address of a profile is no name.
pub(super) fn author(dom: &Dom) -> Option<String> {
    let names = ["author", "article:author", "dc.creator", "dcterms.creator"];
    let names = names.iter().filter_map(|name| content(dom, name));
    let mut names = names.map(|name| name.split_whitespace().collect::<Vec<_>>().join(" "));
    names.find(|name| !name.contains("://") && name.chars().count() <= MAX_AUTHOR)
}

/// The `title` element without the site's name where a heading or `og:title` shows which part that is; else
/// `og:title`, else the first `h1`.
/// At most [`MAX_TITLE`] characters, cut behind a word: it stands over each of the page's passages.
pub(super) fn title(dom: &Dom) -> String {
    let title = whole_title(dom);
    let Some((end, _)) = title.char_indices().nth(MAX_TITLE) else {
        return title;
    };
    let cut = title[..end].rfind(char::is_whitespace).unwrap_or(end);
    title[..cut].to_owned()
}

fn whole_title(dom: &Dom) -> String {
    let full = dom
        .elements(0, "title")
        .filter(|id| !dom.ancestors(*id).any(|up| dom.name(up) == "svg"))
        .map(|id| dom.text(id))
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    let heading = dom
        .elements(0, "h1")
        .filter(|id| !leads_home(dom, *id))
        .map(|id| dom.text(id))
        .find(|text| !text.is_empty());
    let social = content(dom, "og:title").map(str::to_owned);
    if full.is_empty() {
        return social.or(heading).unwrap_or_default();
    }
    for own in [social, heading].into_iter().flatten() {
        let own = own.trim_end_matches(['¶', '#', ' ']);
        if own.len() < full.len() && own.chars().count() > 3 && separated(&full, own) && !is_sites_name(dom, own) {
            return own.to_owned();
        }
    }
    full
}

/// Whether a heading is the site's name as a way back to its start.
fn leads_home(dom: &Dom, heading: Id) -> bool {
    let links = dom.ancestors(heading).chain(dom.descendants(heading));
    links.filter(|id| dom.name(*id) == "a").any(|id| is_home(dom, id))
}

fn is_home(dom: &Dom, link: Id) -> bool {
    let href = dom.attribute(link, "href").unwrap_or_default().trim();
    let host = href
        .split_once("//")
        .filter(|(scheme, _)| matches!(*scheme, "" | "http:" | "https:"));
    matches!(href, "/" | "./")
        || host.is_some_and(|(_, rest)| rest.strip_suffix('/').unwrap_or(rest).find(['/', '?', '#']).is_none())
}

/// Whether the page itself says that this is what its site is called.
fn is_sites_name(dom: &Dom, name: &str) -> bool {
    ["og:site_name", "application-name"]
        .iter()
        .filter_map(|key| content(dom, key))
        .any(|told| told.trim().eq_ignore_ascii_case(name))
        || dom
            .elements(0, "a")
            .any(|id| is_home(dom, id) && dom.text(id).eq_ignore_ascii_case(name))
}

/// Whether `own` is one side of a separator in `full`.
fn separated(full: &str, own: &str) -> bool {
    let is_separator = |rest: &str, trimmed: &str| {
        trimmed.len() < rest.len() && trimmed.starts_with(['|', '-', '–', '—', ':', '·', '•', '»', '«', '/'])
    };
    full.strip_prefix(own)
        .is_some_and(|rest| is_separator(rest, rest.trim_start()))
        || full
            .strip_suffix(own)
            .is_some_and(|rest| rest.trim_end().ends_with(['|', '-', '–', '—', ':', '·', '•', '»', '/']))
}

/// The `lang` attribute of the root's primary subtag, else the detected language of the text.
pub(super) fn language(dom: &Dom, text: &str) -> Option<String> {
    let declared = dom
        .elements(0, "html")
        .find_map(|id| dom.attribute(id, "lang").or(dom.attribute(id, "xml:lang")));
    let primary = declared
        .and_then(|tag| tag.trim().split(['-', '_']).next())
        .map(str::to_ascii_lowercase);
    if let Some(code) =
        primary.filter(|code| (2..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase()))
    {
        return Some(code);
    }
    if super::words(text) < MIN_DETECTION_WORDS {
        return None;
    }
    let info = whatlang::detect(text).filter(whatlang::Info::is_reliable)?;
    let code = info.lang().code();
    Some(
        ISO_639_1
            .iter()
            .find(|(long, _)| *long == code)
            .map_or(code, |(_, short)| short)
            .to_owned(),
    )
}

/// ISO 639-3 codes of the detector and their two-letter forms.
const ISO_639_1: &[(&str, &str)] = &[
    ("epo", "eo"),
    ("eng", "en"),
    ("rus", "ru"),
    ("cmn", "zh"),
    ("spa", "es"),
    ("por", "pt"),
    ("ita", "it"),
    ("ben", "bn"),
    ("fra", "fr"),
    ("deu", "de"),
    ("ukr", "uk"),
    ("kat", "ka"),
    ("ara", "ar"),
    ("hin", "hi"),
    ("jpn", "ja"),
    ("heb", "he"),
    ("yid", "yi"),
    ("pol", "pl"),
    ("amh", "am"),
    ("jav", "jv"),
    ("kor", "ko"),
    ("nob", "nb"),
    ("dan", "da"),
    ("swe", "sv"),
    ("fin", "fi"),
    ("tur", "tr"),
    ("nld", "nl"),
    ("hun", "hu"),
    ("ces", "cs"),
    ("ell", "el"),
    ("bul", "bg"),
    ("bel", "be"),
    ("mar", "mr"),
    ("kan", "kn"),
    ("ron", "ro"),
    ("slv", "sl"),
    ("hrv", "hr"),
    ("srp", "sr"),
    ("mkd", "mk"),
    ("lit", "lt"),
    ("lav", "lv"),
    ("est", "et"),
    ("tam", "ta"),
    ("vie", "vi"),
    ("urd", "ur"),
    ("tha", "th"),
    ("guj", "gu"),
    ("uzb", "uz"),
    ("pan", "pa"),
    ("aze", "az"),
    ("ind", "id"),
    ("tel", "te"),
    ("pes", "fa"),
    ("mal", "ml"),
    ("ori", "or"),
    ("mya", "my"),
    ("nep", "ne"),
    ("sin", "si"),
    ("khm", "km"),
    ("tuk", "tk"),
    ("aka", "ak"),
    ("zul", "zu"),
    ("sna", "sn"),
    ("afr", "af"),
    ("lat", "la"),
    ("slk", "sk"),
    ("cat", "ca"),
    ("tgl", "tl"),
    ("hye", "hy"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_ends_behind_a_word() {
        let long = title(&Dom::parse(&format!("<title>{}</title>", "word ".repeat(20_000))));
        assert!(long.len() <= MAX_TITLE && long.ends_with("word"), "{long}");
        let one = title(&Dom::parse(&format!("<h1>{}</h1>", "ä".repeat(20_000))));
        assert_eq!(one.chars().count(), MAX_TITLE);
    }

    #[test]
    fn titles_lose_the_site_name_only_when_it_is_known() {
        let of = |html: &str| title(&Dom::parse(html));
        assert_eq!(of("<title>Blue shirt | Shop</title><h1>Blue shirt</h1>"), "Blue shirt");
        assert_eq!(
            of("<title>Shop: Blue shirt</title><meta property=og:title content='Blue shirt'>"),
            "Blue shirt"
        );
        assert_eq!(
            of("<title>Self-made | Shop</title><h1>Welcome</h1>"),
            "Self-made | Shop"
        );
        assert_eq!(
            of("<svg><title>icon</title></svg><h1> Only  heading </h1>"),
            "Only heading"
        );
    }

    #[test]
    fn authors_have_names() {
        let of = |html: &str| author(&Dom::parse(html));
        assert_eq!(
            of("<meta name=Author content=' Ada  Lovelace '>"),
            Some("Ada Lovelace".into())
        );
        assert_eq!(
            of("<meta property=article:author content='https://e.com/ada'><meta name=dc.creator content=Ada>"),
            Some("Ada".into())
        );
        assert_eq!(of("<meta name=author content=''><meta name=authors content=x>"), None);
        assert_eq!(of(&format!("<meta name=author content='{}'>", "a".repeat(201))), None);
    }

    #[test]
    fn language_is_declared_or_detected() {
        let of = |html: &str, text: &str| language(&Dom::parse(html), text);
        assert_eq!(of("<html lang=de-AT>", ""), Some("de".into()));
        let german = "Der schnelle braune Fuchs springt über den faulen Hund und läuft danach durch den Wald zurück nach Hause, \
            wo er sich am Abend mit seiner Familie zum Essen an den Tisch setzt.";
        assert_eq!(of("<html>", german), Some("de".into()));
        assert_eq!(of("<html lang=x>", "too short"), None);
    }
}
