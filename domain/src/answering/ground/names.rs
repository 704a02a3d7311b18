//! Names that can be told where capitals alone tell none: at the beginning of a sentence, and in German, which writes every noun so.
//!
//! What is taken for a name here has to stand in a passage, so only what hardly can be anything else is: a true sentence that is lost costs
//! more than the check gains.
use super::{
    facts::currency_name,
    visible::folded,
    words::{content, language},
};

pattern!(WORD, r"[\p{L}\p{N}][\p{L}\p{N}'’]*");
pattern!(
    DEED,
    r"^\s*(\p{Lu}\p{Ll}{2,})\s+(\p{Ll}{2,})\s+(?:the|an?|this|these|its|our|all|both|\p{Lu}\p{L}*)\b"
);

/// Longer words in capitals are shouted.
const SHORT: usize = 5;

/// Abbreviations that name nobody, and that a passage may have written out.
#[rustfmt::skip]
const GENERIC: [&str; 62] = [
    "vat", "mwst", "ust", "tva", "iva", "btw", "faq", "agb", "pdf", "url", "id", "ok", "pin", "tan", "plz", "www", "http", "https", "html", "css",
    "api", "json", "xml", "usb", "wlan", "lan", "lkw", "pkw", "gb", "mb", "kb", "tb", "kw", "kwh", "mhz", "ghz", "mah", "am", "pm", "utc", "gmt",
    "cet", "pc", "tv", "dvd", "ssl", "sms", "sim", "gps", "led", "lcd", "qr", "eu", "tipp", "info", "neu", "new", "sale", "top", "ca", "nr", "no",
];

/// Ends of words that are things and deeds rather than somebody's name.
#[rustfmt::skip]
const COMMON: [&str; 14] = [
    "s", "ing", "ion", "ment", "ity", "ness", "ed", "ly", "ance", "ence", "ware", "age", "body", "one",
];

/// Past tenses without `-ed`.
#[rustfmt::skip]
const DID: [&str; 12] = [
    "wrote", "built", "founded", "drew", "sold", "bought", "won", "led", "began", "ran", "took", "gave",
];

/// Words in capitals ("UPS") or with one within (`PayPal`), wherever they stand. Code is left out, and so are units and currencies.
pub fn marked(text: &str) -> Vec<String> {
    let parts = text.split('`').step_by(2);
    parts.flat_map(of_prose).collect()
}

fn of_prose(text: &str) -> Vec<String> {
    // In a text all in capitals they tell nothing.
    if !text.chars().any(char::is_lowercase) {
        return Vec::new();
    }
    let mut names = Vec::new();
    for found in WORD.find_iter(text) {
        let word = found.as_str().split(['\'', '’']).next().unwrap_or_default();
        let measures = text[..found.start()].trim_end().ends_with(|c: char| c.is_ascii_digit());
        let announces = text[found.end()..].starts_with(':');
        if is_marked(word) && !measures && !announces {
            names.push(folded(word));
        }
    }
    names
}

fn is_marked(word: &str) -> bool {
    // Of several: "CDs".
    let one = word.strip_suffix('s').filter(|one| !one.contains(char::is_lowercase));
    let word = one.unwrap_or(word);
    let length = word.chars().count();
    if length < 2 || !word.chars().all(char::is_alphabetic) || currency_name(word).is_some() {
        return false;
    }
    let name = folded(word);
    if GENERIC.contains(&name.as_str()) || content(word).is_empty() {
        return false;
    }
    if word.chars().all(char::is_uppercase) {
        // Sizes and numerals are made of these.
        return length <= SHORT && !word.chars().all(|c| "IVXLCDMS".contains(c));
    }
    // "KundInnen" are customers.
    let inner = word.chars().skip(1).any(char::is_uppercase);
    inner && !word.ends_with("Innen") && !word.ends_with("In")
}

/// Who did something by an English sentence's first words: "Miller designed the Fjord".
pub fn agent(text: &str) -> Option<String> {
    let found = DEED.captures(text)?;
    let (who, did) = (&found[1], &found[2]);
    let past = (did.ends_with("ed") && did.len() > 4) || DID.contains(&did);
    let name = folded(who);
    let common = COMMON.iter().any(|end| name.ends_with(end)) || content(who).is_empty();
    let english = language(text).is_none_or(|language| language == "en");
    (past && !common && english).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_capitals_are_told_wherever_they_stand() {
        for (text, want) in [
            ("UPS delivers within 2 days.", vec!["ups"]),
            ("Wir versenden mit DHL-Paketen und GLS.", vec!["dhl", "gls"]),
            ("PayPals Schutz gilt, eBay auch.", vec!["paypals", "ebay"]),
            ("Der Preis ist 4,90 EUR inkl. MwSt., 24 GB, Größe XL.", vec![]),
            ("Kund*innen und KundInnen lesen die FAQs.", vec![]),
            ("INFO: Das Paket kommt. NICHT warten.", vec![]),
            ("THE PARCEL COMES WITH UPS.", vec![]),
            ("Call `readLine` of `HTTPServer` once.", vec![]),
        ] {
            assert_eq!(marked(text), want, "{text}");
        }
    }

    #[test]
    fn who_did_something_is_a_name_and_what_is_done_is_none() {
        assert_eq!(agent("Miller designed the Fjord 14.").as_deref(), Some("miller"));
        assert_eq!(agent("Miller founded Omni Boats.").as_deref(), Some("miller"));
        for text in [
            "Food ordered before noon arrives today.",
            "Customers praised the boat.",
            "Shipping costs the same.",
            "Everybody liked the boat.",
            "You received the parcel.",
            "Delivery takes a week.",
            "Equipment rented the day before is cheaper.",
        ] {
            assert_eq!(agent(text), None, "{text}");
        }
    }
}
