//! Questions that may be about one person: they are neither looked up nor kept. Pure.
//!
//! Errs on the side of leaving out: a question that is left out costs an answer, a personal one that is kept costs trust.
use regex::Regex;
use std::sync::LazyLock;

/// From this many digits on, in one number or in numbers with nothing but separators between them, it may be a telephone, an order,
/// an account, a postcode or a date.
const DIGITS: usize = 5;

/// Words that make a shorter number one of an order, or tell of a person.
static TELLING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let numbered = r"(?:order|invoice|ticket|tracking|customer|account|booking|parcel|bestell\w*|auftrag\w*|rechnung\w*|kunden\w*|sendung\w*|buchung\w*|commande|facture|colis|pedido|factura|ordine|fattura)";
    let person = r"my name is|i am called|ich hei(?:ß|ss)e|mein name|je m'appelle|mon nom|me llamo|mi nombre|mi chiamo|my (?:e-?mail|phone|address|password|birthday)|meine (?:e-?mail|adresse|telefon\w*|handy\w*)|mein passwort";
    Regex::new(&format!(r"(?i)\b{numbered}\W{{0,3}}(?:(?:no|nr|num\w*|id|#|n°)\W{{0,3}})?[a-z]{{0,4}}-?\d{{2,}}|#\s?\d{{3,}}|\b(?:{person})\b")).ok()
});

/// Whether a question may hold somebody's data: an e-mail address, a long number, an order, a name that is told.
pub fn personal(question: &str) -> bool {
    mail(question) || long_number(question) || TELLING.as_ref().is_none_or(|telling| telling.is_match(question))
}

fn mail(text: &str) -> bool {
    let written = text.split_once('@').is_some_and(|(before, after)| {
        before.ends_with(|c: char| !c.is_whitespace()) && after.starts_with(|c: char| !c.is_whitespace())
    });
    written || text.contains(" at ") && text.contains(" dot ")
}

fn long_number(text: &str) -> bool {
    let mut digits = 0;
    for c in text.chars() {
        if c.is_numeric() {
            digits += 1;
            if digits >= DIGITS {
                return true;
            }
        } else if !matches!(
            c,
            ' ' | '\u{a0}' | '-' | '‐' | '–' | '.' | '/' | '(' | ')' | '+' | '_' | ':'
        ) {
            digits = 0;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_is_found() {
        for question in [
            "Where is the parcel for jane@shop.example?",
            "mail jane at example dot org please",
            "Call me at +49 (0)171 123-45",
            "Where is order 4711?",
            "Wo ist meine Bestellung Nr. 4711?",
            "status of invoice no: RE-2211",
            "What about #4711?",
            "Is 90210 in your delivery area?",
            "My name is Jane Doe, do you know me?",
            "Ich heiße Jana. Wer bist du?",
            "I was born on 24.12.1980",
            "IBAN DE89 3704 0044 0532 0130 00",
            "٠١٢٣٤٥٦ hello",
        ] {
            assert!(personal(question), "{question}");
        }
    }

    #[test]
    fn questions_about_the_site_are_not_personal() {
        for question in [
            "How much does shipping cost?",
            "Does the Fjord 14 carry 130 kg?",
            "Which Python do I need, 3.11 or 3.12?",
            "Do you open at 9:30 or 10:00 on 24 May?",
            "What does order processing cost?",
            "How can I track my order?",
            "How do I use @media in CSS?",
            "Is it #1?",
            "Can I order 2 of them?",
        ] {
            assert!(!personal(question), "{question}");
        }
    }
}
