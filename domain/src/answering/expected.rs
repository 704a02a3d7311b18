//! What kind of fact a question asks for, and whether a text holds one: a price for "how much is", a number for "how many", an
//! address for "e-mail". Words of eight languages; a question of another kind, or in another language, expects nothing.
//!
//! A text without such a fact can't answer the question, however near it is; that it has one proves nothing.
use regex::Regex;
use std::sync::LazyLock;

/// The kind of fact that a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// An amount of money, or that there is nothing to pay.
    Price,
    /// A telephone number.
    Telephone,
    /// An e-mail address.
    Email,
    /// When somebody is there.
    Hours,
    /// A count or a measure.
    Number,
    /// A moment.
    Date,
    /// Somebody's name.
    Person,
}

/// Words of a question by what they ask for; the first kind that has one decides. Spaces stand for the ends of words.
const ASKS: [(Expected, &[&str]); 7] = [
    (
        Expected::Telephone,
        &[
            " phone number",
            " telephone",
            " your phone",
            " call you",
            " fax number",
            " telefon",
            " rufnummer",
            " anrufen",
            " téléphone",
            " teléfono",
            " telefono",
            " telefoonnummer",
            " telefone",
            " numer telefonu",
        ],
    ),
    (
        Expected::Email,
        &[
            " email address",
            " e mail address",
            " mail address of",
            " your email",
            " your e mail",
            " email adresse",
            " e mail adresse",
            " adresse e mail",
            " adresse mail",
            " correo electrónico",
            " indirizzo email",
            " indirizzo e mail",
            " mailadres",
            " e mailadres",
            " adres e mail",
            " endereço de e mail",
        ],
    ),
    (
        Expected::Hours,
        &[
            " opening hours",
            " opening times",
            " business hours",
            " office hours",
            " open on ",
            " are you open",
            " you open ",
            " you close ",
            " öffnungszeiten",
            " geöffnet",
            " horaires",
            " horario",
            " orari ",
            " orario ",
            " openingstijden",
            " geopend ",
            " horário",
            " godziny otwarcia",
        ],
    ),
    (
        Expected::Price,
        &[
            " how much is ",
            " how much are ",
            " how much does ",
            " how much do ",
            " how much for ",
            " how much would ",
            " how much will ",
            " price of ",
            " the price ",
            " cost of ",
            " does it cost",
            " cost ",
            " costs ",
            " how expensive",
            " what do you charge",
            " kostet ",
            " kosten ",
            " wie teuer",
            " preis ",
            " wie hoch ist die kaution",
            " combien coûte",
            " combien coûtent",
            " quel est le prix",
            " cuánto cuesta",
            " cuánto vale",
            " qué precio",
            " quanto costa",
            " quanto costano",
            " che prezzo",
            " hoeveel kost",
            " wat kost",
            " quanto custa",
            " ile kosztuje",
        ],
    ),
    (
        Expected::Number,
        &[
            " how many ",
            " how long ",
            " how tall ",
            " how heavy ",
            " how big ",
            " how large ",
            " how old ",
            " how far ",
            " how wide ",
            " how high ",
            " how deep ",
            " how fast ",
            " how much weight",
            " how much time",
            " what percentage",
            " wie viele ",
            " wie lange ",
            " wie hoch ",
            " wie schwer ",
            " wie groß ",
            " wie breit ",
            " wie alt ",
            " wie weit ",
            " combien de ",
            " combien d ",
            " cuántos ",
            " cuántas ",
            " quanti ",
            " quante ",
            " hoeveel ",
            " hoe lang ",
            " hoe zwaar ",
            " quantos ",
            " quantas ",
            " ile ",
        ],
    ),
    (
        Expected::Date,
        &[
            " when is ",
            " when was ",
            " when were ",
            " when will ",
            " what time ",
            " what date",
            " which year",
            " what year",
            " wann ist ",
            " wann war ",
            " wann wird ",
            " wann findet ",
            " quand est ",
            " cuándo es ",
            " quando è ",
            " wanneer is ",
            " quando é ",
            " kiedy ",
        ],
    ),
    (
        Expected::Person,
        &[
            " who is ",
            " who was ",
            " who are ",
            " who founded ",
            " who wrote ",
            " who won ",
            " who created ",
            " who designed ",
            " who leads ",
            " wer ist ",
            " wer war ",
            " wer leitet ",
            " wer hat ",
            " wer sind ",
            " qui est ",
            " quién es ",
            " chi è ",
            " wie is de ",
            " quem é ",
            " kto ",
        ],
    ),
];

#[expect(clippy::expect_used, reason = "constant patterns, compiled by every test run")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

static MONEY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)[$€£¥₹]\s?\d[\d.,]*|\d[\d.,]*\s?[$€£¥₹]|\d[\d.,]*\s?(?:eur|euros?|usd|dollars?|gbp|pounds?|chf|franken|nok|sek|dkk|kr|pln|zł|jpy|yen|cents?|%)(?:\W|$)|(?:eur|usd|gbp|chf|nok|sek|dkk)\s?\d|\b(?:free|no charge|no cost|included|royalt\w+|kostenlos|kostenfrei|gratis|umsonst|gratuit\w*|offert\w*|incluido|incluso|inbegriffen|im preis enthalten)\b",
    )
});
static TELEPHONE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[^\w.])(?:\+|\(|0|1-)?\d[\d ()/.-]{5,18}\d(?:\D|$)"));
static EMAIL: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"));
static HOURS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b\d{1,2}[:.h]\d{2}\b|\b\d{1,2}\s?(?:am|pm|a\.m|p\.m|uhr|h)\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|lundi|mardi|samedi|lunes|sábado|lunedì|sabato|maandag|zaterdag|segunda|sobota|24/7",
    )
});
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\d|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|januar|februar|märz|mai|juni|juli|oktober|dezember|(?:mon|tues|wednes|thurs|fri|satur|sun)day|every|daily|weekly|yearly|jeden|täglich|today|immediately|sofort)\b",
    )
});
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?|hundreds?|thousands?|millions?|half|twice|several|unlimited|forever|ein|eine|einen|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|halbe|deux|trois|quatre|cinq|dix|dos|tres|cuatro|cinco|diez|due|tre|quattro|cinque|dieci|twee|drie|vijf|tien|dois|duas|dez)\b",
    )
});
static PERSON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\p{Lu}[\p{L}'’-]+\s(?:\p{Lu}\.\s)?(?:(?:van|von|de|der|den|di|da|la)\s)*\p{Lu}[\p{L}'’-]+")
});

impl Expected {
    /// What `question` asks for, if that can be told.
    pub fn of(question: &str) -> Option<Self> {
        let words = plain(question);
        ASKS.iter()
            .find(|(_, signs)| signs.iter().any(|sign| words.contains(sign)))
            .map(|(kind, _)| *kind)
    }

    /// Whether `text` holds a fact of this kind.
    pub fn is_in(self, text: &str) -> bool {
        let pattern = match self {
            Self::Price => &MONEY,
            Self::Telephone => &TELEPHONE,
            Self::Email => &EMAIL,
            Self::Hours => &HOURS,
            // An amount of money is no measure.
            Self::Number => return NUMBER.is_match(&MONEY.replace_all(text, " ")),
            Self::Date => &DATE,
            Self::Person => &PERSON,
        };
        pattern.is_match(text)
    }
}

/// Lower-case words between single spaces, with one at each end.
pub(super) fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.fold(String::from(" "), |mut out, word| {
        out.extend(word.chars().flat_map(char::to_lowercase));
        out.push(' ');
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_s_words_tell_what_it_asks_for() {
        let cases = [
            ("How much does shipping cost?", Some(Expected::Price)),
            ("Was kostet eine große Inspektion?", Some(Expected::Price)),
            ("What is your phone number?", Some(Expected::Telephone)),
            ("Wann haben Sie am Samstag geöffnet?", Some(Expected::Hours)),
            ("How many people use it?", Some(Expected::Number)),
            ("How heavy is the lamp?", Some(Expected::Number)),
            ("When will the next release come out?", Some(Expected::Date)),
            ("When should I not use it?", None),
            ("Who founded the company?", Some(Expected::Person)),
            ("How do I wash a dry suit?", None),
        ];
        for (question, expected) in cases {
            assert_eq!(Expected::of(question), expected, "{question}");
        }
    }

    #[test]
    fn a_text_holds_a_fact_of_the_kind_or_does_not() {
        let cases = [
            (Expected::Price, "It costs £3.95.", "It arrives in 3 days."),
            (Expected::Price, "The label is free.", "The label is white."),
            (Expected::Telephone, "Call +44 114 496 0123.", "Version 3.11.2 of 2023."),
            (Expected::Email, "Write to a@b.example.", "Write to us."),
            (Expected::Hours, "9 bis 14 Uhr", "14 days"),
            (Expected::Number, "for two weeks", "for ever"),
            (Expected::Number, "It weighs 2 kg.", "£89.00"),
            (Expected::Person, "founded by Ruth Hallam", "founded by two joiners"),
        ];
        for (kind, with, without) in cases {
            assert!(kind.is_in(with), "{with}");
            assert!(!kind.is_in(without), "{without}");
        }
    }
}
