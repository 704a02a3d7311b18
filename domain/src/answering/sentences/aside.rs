//! What a page says and is no answer to anything: what leads elsewhere, captions, labels, marks of notes.

/// A heading of links to other pages.
pub fn leads_away(heading: &str) -> bool {
    const HEADINGS: [&str; 26] = [
        "see also",
        "related",
        "you may also like",
        "further reading",
        "read more",
        "more information",
        "popular",
        "table of contents",
        "contents",
        "on this page",
        "navigation",
        "share this",
        "recommended",
        "siehe auch",
        "weitere artikel",
        "das könnte",
        "ähnliche",
        "inhalt",
        "mehr zum thema",
        "voir aussi",
        "articles similaires",
        "véase también",
        "vedi anche",
        "zie ook",
        "veja também",
        "zobacz też",
    ];
    let heading = heading.trim().to_lowercase();
    HEADINGS.iter().any(|known| {
        heading.strip_prefix(known).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with([' ', ':']) && heading.split_whitespace().count() <= 6
        })
    })
}

/// A paragraph that only leads elsewhere or describes a picture.
pub(super) fn is_aside(paragraph: &str) -> bool {
    const BEGINNINGS: [&str; 33] = [
        "see also",
        "read more",
        "related:",
        "back to top",
        "next:",
        "previous:",
        "share",
        "tags:",
        "filed under",
        "source:",
        "photo:",
        "last updated",
        "source code",
        "last modified",
        "siehe auch",
        "weiterlesen",
        "mehr lesen",
        "zurück nach oben",
        "quelle:",
        "foto:",
        "stand:",
        "voir aussi",
        "lire aussi",
        "en savoir plus",
        "véase también",
        "leer más",
        "vedi anche",
        "leggi anche",
        "zie ook",
        "lees meer",
        "veja também",
        "leia mais",
        "zobacz też",
    ];
    const CAPTIONS: [&str; 8] = [
        "figure ",
        "fig. ",
        "image ",
        "abbildung ",
        "abb. ",
        "bild ",
        "figura ",
        "tableau ",
    ];
    let text = paragraph.trim_start_matches(['*', '_', '>', ' ']).to_lowercase();
    let words = text.split_whitespace().count();
    let caption = CAPTIONS
        .iter()
        .filter_map(|name| text.strip_prefix(name))
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && words <= 25 && rest.contains([':', '.', ' ']));
    let crumbs = words <= 20 && ["›", "»", " > "].iter().any(|mark| text.contains(mark));
    let begins = BEGINNINGS.iter().any(|b| {
        text.strip_prefix(b)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| !c.is_alphanumeric()))
    });
    let version = [
        "new in version ",
        "changed in version ",
        "deprecated since version ",
        "added in version ",
    ]
    .iter()
    .any(|b| text.starts_with(b));
    caption || crumbs || version || (begins && words <= 20)
}

/// The name of something, as menus and lists of links have them: some words that say nothing about it.
pub(super) fn is_label(item: &str) -> bool {
    let text = item.trim_start_matches(['-', '*', ' ']);
    !text.contains('\n')
        && text.split_whitespace().count() <= 7
        && !text.ends_with(['.', '!', '?', ';', '。'])
        && !text.contains([':', '–', '—', '=', '@', '€', '£', '$', '`'])
        && !text.contains(|c: char| c.is_ascii_digit())
}

/// Without the site's own marks of notes, which would pass for marks of sources.
pub(super) fn without_notes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let inner = &rest[at + 1..];
        let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
        let note = (1..=3).contains(&digits)
            && inner[digits..].starts_with(']')
            && !inner[digits + 1..].starts_with(['(', '[']);
        let code = (out.matches('`').count() + rest[..at].matches('`').count()) % 2 == 1;
        if note && !code {
            out.push_str(rest[..at].trim_end());
            rest = &inner[digits + 1..];
        } else {
            out.push_str(&rest[..=at]);
            rest = inner;
        }
    }
    out.push_str(rest);
    out
}

/// A few words that are no sentence.
pub(super) fn is_caption(text: &str) -> bool {
    text.split_whitespace().count() <= 8 && !text.ends_with(['.', '!', '?', ':', '。'])
}

#[cfg(test)]
mod tests {
    use super::super::{pieces, tests::texts};

    #[test]
    fn what_leads_elsewhere_is_no_answer() {
        assert!(texts("|  |  |  |\n|---|---|---|\n| Home | The FAQ | Chapter 2. Getting it |").is_empty());
        let text = "Oil it.\n\n- Alder desk lamp\n- Birch floor lamp\n\nFigure 1: three bulbs\n\nSee also: Returns, Questions\n\nHome › Help › Care\n\n## You may also like\nThe stool.";
        assert_eq!(texts(text), ["Oil it."]);
        assert_eq!(
            texts("We take:\n\n- Visa\n- PayPal"),
            ["We take:", "- Visa", "- PayPal"]
        );
    }

    #[test]
    fn marks_of_notes_go_and_further_sentences_of_a_definition_lean_on_it() {
        assert_eq!(
            texts("It boots. [6] Then it runs.[12] Use `a[1]`."),
            ["It boots.", "Then it runs.", "Use `a[1]`."]
        );
        let of = pieces("b\n: Binary format. Outputs the number in base 2.");
        assert_eq!(of[0].text, "b: Binary format.");
        assert!(!of[0].continues && of[1].continues);
    }
}
