//! Pieces that answer little by themselves, whatever they are near to: what asks, leads elsewhere, or tells of the page itself; examples; and
//! code, unless a question asks how something is done.
use crate::answering::{
    expected::plain,
    sentences::{Kind, Piece},
};

/// Whether a sentence answers nothing by itself.
pub fn is_idle(piece: &Piece) -> bool {
    const LEADS: [&str; 10] = [
        "see ",
        "please refer to",
        "please see",
        "refer to",
        "siehe ",
        "voir ",
        "véase ",
        "vedi ",
        "zie ",
        "more about ",
    ];
    let lower = piece.text.to_lowercase();
    let sends = lower.starts_with("for ") && lower.contains(", see ");
    let shouts = piece.text.chars().any(char::is_uppercase)
        && !piece.text.chars().any(char::is_lowercase)
        && piece.text.len() > 12;
    let asks = piece.kind != Kind::Code && piece.text.ends_with('?');
    let leads = sends || shouts || is_about_itself(&lower) || LEADS.iter().any(|lead| lower.starts_with(lead));
    asks || (piece.kind == Kind::Sentence && leads)
}

/// Whether a sentence, in lower case, tells of the text that it stands in: "this section describes …", "the rest of this page …".
fn is_about_itself(lower: &str) -> bool {
    #[rustfmt::skip]
    const BEGINNINGS: [&str; 15] = [
        "this", "the following", "the next", "the remainder of", "the rest of", "the remainder of this", "the rest of this", "in this",
        "dieser", "dieses", "in diesem", "cette", "esta", "questa", "deze",
    ];
    #[rustfmt::skip]
    const PARTS: [&str; 19] = [
        "section", "sections", "document", "documentation", "page", "chapter", "article", "tutorial", "guide", "howto", "faq", "abschnitt",
        "kapitel", "dokument", "artikel", "page", "sección", "sezione", "pagina",
    ];
    let said = plain(lower);
    BEGINNINGS.iter().any(|beginning| {
        let rest = said
            .strip_prefix(' ')
            .and_then(|said| said.strip_prefix(beginning)?.strip_prefix(' '));
        rest.and_then(|rest| rest.split(' ').next())
            .is_some_and(|word| PARTS.contains(&word))
    })
}

/// Whether a sentence gives an example of what the one before it says.
pub fn is_example(piece: &Piece) -> bool {
    #[rustfmt::skip]
    const BEGINNINGS: [&str; 10] = [
        "for example", "for instance", "as an example", "e.g.", "zum beispiel", "par exemple", "por ejemplo", "ad esempio", "bijvoorbeeld",
        "na przykład",
    ];
    let lower = piece.text.to_lowercase();
    piece.kind == Kind::Sentence && BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning))
}

/// Whether a sentence names something that is typed: a command, a function, a setting.
pub fn names_means(piece: &Piece) -> bool {
    piece.kind != Kind::Code && piece.text.matches('`').count() >= 2
}

/// Whether a question asks how something is done, or to be shown it, so that code or a command may be the answer.
pub fn asks_how(question: &str) -> bool {
    #[rustfmt::skip]
    const WORDS: [&str; 14] = [
        " how ", " command ", " example ", " code ", " syntax ", " show ", " wie ", " befehl ", " comment ", " cómo ", " como ", " come ", " hoe ",
        " jak ",
    ];
    let asked = plain(question);
    WORDS.iter().any(|word| asked.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answering::sentences::pieces;

    fn piece(text: &str) -> Piece {
        pieces(text).remove(0)
    }

    #[test]
    fn what_leads_elsewhere_or_tells_of_the_page_is_idle() {
        for text in [
            "Which one is it?",
            "See the guide to paddles.",
            "For more, see the guide.",
            "TERMS AND CONDITIONS OF SALE",
            "This section describes how parcels are sent.",
            "The rest of this page is about returns.",
        ] {
            assert!(is_idle(&piece(text)), "{text}");
        }
        for text in [
            "We see to it.",
            "This parcel is insured.",
            "The following countries are served.",
            "This is a section of the hull.",
        ] {
            assert!(!is_idle(&piece(text)), "{text}");
        }
    }

    #[test]
    fn examples_are_told_by_how_they_begin() {
        assert!(is_example(&piece("For example, a parcel to Oslo takes two days.")));
        assert!(!is_example(&piece("It is an example for others.")));
    }

    #[test]
    fn what_is_typed_stands_between_backticks() {
        assert!(names_means(&piece("Use `tar` for that.")));
        assert!(!names_means(&piece("Use a rope for that.")));
    }

    #[test]
    fn who_asks_how_may_get_code() {
        assert!(asks_how("How do I return it?") && asks_how("What is the command for it?"));
        assert!(!asks_how("What is it?") && !asks_how("Why is it so?"));
    }
}
