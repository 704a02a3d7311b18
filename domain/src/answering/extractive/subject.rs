//! Whether a section is about what the question is about, as far as a heading tells: vectors put delivery near returns, since both are
//! about parcels, and a product near the guide that helps to choose one, since both name it.
use crate::answering::expected::plain;

/// Beginnings of words that name one subject each of two that are near each other and whose answers are never the same: how goods
/// come, and how they go back.
#[rustfmt::skip]
const APART: [&[&str]; 2] = [
    &[
        "deliver", "shipping", "shipment", "postage", "dispatch", "freight", "versand", "liefer", "zustell", "livraison", "livrer",
        "livré", "expédi", "envío", "envíos", "entrega", "spedizion", "consegn", "verzend", "bezorg", "levering", "levertijd",
        "dostaw", "wysyłk", "frete",
    ],
    &[
        "return", "refund", "exchang", "rückgabe", "rücksend", "retour", "umtausch", "erstatt", "widerruf", "rembours", "échange",
        "devol", "reembols", "reso", "resi", "rimbors", "terugbetal", "zwrot",
    ],
];

/// What a question for one of several things begins with.
#[rustfmt::skip]
const WHICH: [&str; 13] = [
    " which ", " what ", " welche", " was für ", " quel", " qué ", " cuál", " quale ", " quali ", " welk", " jaki", " który", " qual ",
];
/// What makes it one for advice.
#[rustfmt::skip]
const CHOICE: [&str; 28] = [
    " do i need ", " should i ", " suits me ", " fits me ", " right for me ", " do you recommend ", " would you recommend ", " to choose ",
    " brauche ich ", " soll ich ", " passt zu mir ", " passt mir ", " empfehlen sie ", " me faut il ", " dois je ", " choisir ",
    " necesito ", " debo ", " elegir ", " mi serve ", " devo ", " scegliere ", " heb ik nodig ", " moet ik ", " kiezen ", " potrzebuję ",
    " wybrać ", " escolher ",
];
/// Beginnings of words in headings of sections that give some.
#[rustfmt::skip]
const ADVICE: [&str; 30] = [
    "guide", "choos", "choice", "recommend", "advice", "sizing", "compar", "beratung", "ratgeber", "auswahl", "wähl", "empfehl", "größen",
    "choisir", "choix", "conseil", "guía", "elegir", "consej", "guida", "scegl", "scelta", "consigl", "gids", "kiez", "keuze", "advies",
    "poradnik", "wybór", "escolh",
];

/// Whether the question is about one of two subjects and the heading about the other.
pub fn is_another(question: &str, heading: &str) -> bool {
    let (asked, told) = (plain(question), plain(heading));
    let about = |text: &str| APART.map(|subject| has(text, subject));
    matches!(
        (about(&asked), about(&told)),
        ([true, false], [false, true]) | ([false, true], [true, false])
    )
}

/// Whether the question asks which of several things to choose, and the heading promises to help with that.
pub fn advises(question: &str, heading: &str) -> bool {
    let asked = plain(question);
    let any = |signs: &[&str]| signs.iter().any(|sign| asked.contains(sign));
    any(&WHICH) && any(&CHOICE) && has(&plain(heading), &ADVICE)
}

fn has(text: &str, beginnings: &[&str]) -> bool {
    text.split(' ')
        .any(|word| beginnings.iter().any(|beginning| word.starts_with(beginning)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_and_returns_are_two_things() {
        for (question, heading) in [
            (
                "What does delivery to Norway cost?",
                "Returns and exchanges > What a return costs",
            ),
            ("Was kostet der Versand?", "Hilfe > Kosten der Rücksendung"),
            ("How long does a refund take?", "Shipping > Delivery time"),
            ("Combien coûte la livraison ?", "Retours et remboursements"),
        ] {
            assert!(is_another(question, heading), "{question} {heading}");
        }
        for (question, heading) in [
            (
                "What does delivery to Norway cost?",
                "Shipping and delivery > Shipping costs",
            ),
            ("What does delivery to Norway cost?", "Prices"),
            ("Who pays for the delivery of a return?", "Returns > Costs"),
            ("How long does delivery take?", "Delivery and returns"),
            ("What does the function return?", "Returning values"),
        ] {
            assert!(!is_another(question, heading), "{question} {heading}");
        }
    }

    #[test]
    fn who_asks_what_to_choose_is_led_to_advice() {
        for (question, heading) in [
            ("Which paddle do I need?", "Sizing guide"),
            ("What size should I take?", "Help > Choosing a size"),
            ("Welches Paddel brauche ich?", "Ratgeber > Paddellänge"),
            ("Quelle taille dois-je choisir ?", "Conseils"),
        ] {
            assert!(advises(question, heading), "{question} {heading}");
        }
        for (question, heading) in [
            ("Which paddle do I need?", "Tern carbon paddle"),
            ("Which paddle is the lightest?", "Sizing guide"),
            ("Do I need a passport?", "Travel guide"),
        ] {
            assert!(!advises(question, heading), "{question} {heading}");
        }
    }
}
