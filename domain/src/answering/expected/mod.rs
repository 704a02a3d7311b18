//! What kind of fact a question asks for, and whether a text holds one: a price for "how much is", a number for "how many", an
//! address for "e-mail". Words of eight languages; a question of another kind, or in another language, expects nothing.
//!
//! A text without such a fact can't answer the question, however near it is; that it has one proves nothing.
mod asks;
mod durations;
mod numbers;
mod people;

use regex::Regex;
use std::sync::LazyLock;

use asks::{ASKS, PLAINLY};

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
    /// How often something is done or happens.
    Frequency,
    /// How long something takes or lasts.
    Duration,
    /// How long something is, or lasts.
    Extent,
    /// Which size of a thing.
    Size,
    /// A count or a measure.
    Number,
    /// A moment.
    Date,
    /// Somebody's name.
    Person,
}

/// The fact that a question asks for.
#[derive(Clone, Debug)]
pub struct Fact {
    kind: Expected,
    /// The question as [`plain`] gives it.
    asked: String,
    /// Of how many things the number is asked, if they are named.
    counted: Vec<String>,
    /// The fact itself is asked for, not something about it.
    pub plainly: bool,
}

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
        r"(?i)\b(?:1[89]|20)\d\d\b|\b\d{1,2}[./-]\d{1,2}(?:[./-](?:\d{2,4})?)?(?:\s|$|,)|\b\d{1,2}[:h]\d{2}\b|\b\d{1,2}\s?(?:am|pm|uhr)\b|\b\d+(?:st|nd|rd|th)\b|\b(?:one|1|an?) (?:working |business )?(?:minute|hour|day|week|month|year)\b|\b(?:minutes|hours|days|weeks|months|years)\b|\b\d+ (?:minuten|stunde|tag|arbeitstag|werktag|woche|monat|jahr|jour|semaine|mois|heure|día|semana|mes|año|giorn|settiman|mes|ann|dag|we[e]?k|maand|jaar|dni)|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|januar|februar|märz|mai|juni|juli|oktober|dezember|(?:mon|tues|wednes|thurs|fri|satur|sun)day|every|daily|weekly|yearly|jeden|täglich|today|tomorrow|immediately|sofort|never)\b",
    )
});

static SIZE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i:\b(?:siz(?:e|es|ed|ing)|fits?|größen?|tailles?|tallas?|taglie?a?|maten|maat|tamanhos?|rozmiar\w*)\b|\d\s?(?:cm|mm|inch(?:es)?|bytes|[kmgt]i?b)\b)|\b(?:X{0,3}[SL]|M)\b",
    )
});
static OFTEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:every|each|daily|weekly|monthly|yearly|quarterly|annual\w*|hourly|nightly|once|twice|times|per|always|never|rarely|seldom|often|frequent\w*|regular\w*|periodic\w*|occasional\w*|whenever|continu\w+|constant\w*|after use|jede[nrsm]?|täglich|wöchentlich|monatlich|jährlich|stündlich|einmal|zweimal|\d+[- ]?mal|mehrmals|immer|nie|selten|oft|häufig|regelmäßig|laufend|chaque|tous les|toutes les|fois|toujours|jamais|souvent|rarement|régulièrement|cada|todos los|todas las|vez|veces|siempre|nunca|ogni|volta|volte|sempre|mai|elke|iedere|keer|dagelijks|altijd|nooit|toda|todo|vezes|co|raz|razy|zawsze|codziennie)\b",
    )
});
static PAST: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:was|were|has been|had been)\b"));

/// The sentences of each line.
fn sentences(text: &str) -> impl Iterator<Item = String> {
    text.lines().flat_map(super::sentences::sentences)
}

impl Expected {
    /// What `question` asks for, if that can be told.
    pub fn of(question: &str) -> Option<Self> {
        let words = plain(question);
        if let Some(kind) = asks::indirectly(&words) {
            return Some(kind);
        }
        ASKS.iter()
            .find(|(_, signs)| signs.iter().any(|sign| words.contains(sign)))
            .map(|(kind, _)| *kind)
            .filter(|kind| *kind != Self::Price || !asks::for_a_way_to_pay(&words))
            .or_else(|| asks::names_a_price(&words).then_some(Self::Price))
    }

    /// Whether it is how to reach somebody.
    fn is_contact(self) -> bool {
        matches!(self, Self::Telephone | Self::Email | Self::Hours)
    }
}

impl Fact {
    /// The fact that `question` asks for, if that can be told.
    pub fn of(question: &str) -> Option<Self> {
        let (kind, asked) = (Expected::of(question)?, plain(question));
        Some(Self {
            kind,
            counted: numbers::counted(&asked),
            plainly: kind.is_contact()
                || asks::is_a_price_and_little_else(&asked)
                || PLAINLY.iter().any(|beginning| asked.starts_with(beginning)),
            asked,
        })
    }

    /// Whether `other` asks for one of the same kind.
    pub fn is_asked_by(&self, other: &str) -> bool {
        Expected::of(other) == Some(self.kind)
    }

    /// Whether `text` holds one of its kind. Numbers and names in code are nobody's.
    pub fn is_in(&self, text: &str) -> bool {
        let prose: String = text.split("```").step_by(2).collect();
        let text = prose.as_str();
        match self.kind {
            Expected::Price => MONEY.is_match(text),
            Expected::Telephone => TELEPHONE.is_match(text),
            Expected::Email => EMAIL.is_match(text),
            Expected::Hours => HOURS.is_match(text),
            Expected::Date if self.asked.starts_with(" when will ") => {
                sentences(text).any(|sentence| DATE.is_match(&sentence) && !PAST.is_match(&sentence))
            }
            Expected::Date => DATE.is_match(text),
            Expected::Size => SIZE.is_match(text),
            Expected::Frequency => OFTEN.is_match(text) || durations::is_in(text),
            Expected::Duration => durations::is_in(text),
            Expected::Extent => durations::is_in(text) || numbers::is_length(&MONEY.replace_all(text, " ")),
            // An amount of money is no measure.
            Expected::Number => numbers::is_in(&MONEY.replace_all(text, " "), &self.counted),
            Expected::Person => people::is_in(text, &self.asked),
        }
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
            ("What size dry suit do I need?", Some(Expected::Size)),
            ("How long do I have to pay?", Some(Expected::Duration)),
            ("How long is the boat?", Some(Expected::Extent)),
            ("Combien de temps dure la livraison ?", Some(Expected::Duration)),
            ("How much does the lamp weigh?", Some(Expected::Number)),
            ("How much does the boat carry?", None),
            ("How much do you charge for a repair?", Some(Expected::Price)),
            ("When will the next release come out?", Some(Expected::Date)),
            ("When should I not use it?", None),
            ("Who founded the company?", Some(Expected::Person)),
            ("How do I wash a dry suit?", None),
            ("How often do I pay?", Some(Expected::Frequency)),
            ("how much delivery to Norway is", Some(Expected::Price)),
            ("how much the Tern is", Some(Expected::Price)),
            ("how much space there is", Some(Expected::Number)),
            ("how long the Sognefjord 14 is", Some(Expected::Extent)),
            ("how long delivery takes", Some(Expected::Duration)),
            ("Tern paddle price", Some(Expected::Price)),
            ("price?", Some(Expected::Price)),
            ("combien la livraison coûte", Some(Expected::Price)),
            ("when does the shop open", Some(Expected::Hours)),
            ("when you open up", Some(Expected::Hours)),
            ("When do I open the valve?", None),
            ("How can I pay?", None),
            ("How do I pay for my order?", None),
            ("Can I pay by card?", None),
            ("How much can I pay by card?", Some(Expected::Price)),
            ("What do I pay for a return?", Some(Expected::Price)),
        ];
        for (question, expected) in cases {
            assert_eq!(Expected::of(question), expected, "{question}");
        }
    }

    #[test]
    fn a_text_holds_a_fact_of_the_kind_or_does_not() {
        let cases = [
            ("How much is it?", "It costs £3.95.", "It arrives in 3 days."),
            ("How much is it?", "The label is free.", "The label is white."),
            (
                "What is your phone number?",
                "Call +44 114 496 0123.",
                "Version 3.11.2 of 2023.",
            ),
            ("What is your e-mail address?", "Write to a@b.example.", "Write to us."),
            ("Wann haben Sie geöffnet?", "9 bis 14 Uhr", "14 days"),
            ("How long does it take?", "for two weeks", "for ages"),
            (
                "How long does it take to dry a dry suit?",
                "Hang it up for two nights.",
                "Wash it at 30 degrees.",
            ),
            ("What size do I need?", "Size L, or M.", "Wash it at 30 degrees."),
            ("Welche Größe brauche ich?", "bis 80 cm", "bei 30 Grad waschen"),
            ("How long is the boat?", "430 cm", "24 kg"),
            ("How long is the boat?", "length: 430", "beam: 58"),
            (
                "How long is the boat?",
                "430 cm, 61 cm wide",
                "It is 61 cm wide and stable.",
            ),
            ("How long is the guarantee?", "It lasts 3 years.", "It covers 3 things."),
            ("Wie lange dauert das?", "zwei Wochen", "14 Teile"),
            ("How heavy is it?", "It weighs 2 kg.", "£89.00"),
            (
                "How often do I wash it?",
                "Wash it after every trip.",
                "Wash it by hand at 30 degrees.",
            ),
            ("Wie oft wird es gewartet?", "einmal im Jahr", "von uns"),
            ("When will it come?", "in 3 weeks", "as release 11"),
            (
                "When will it come?",
                "within two working days",
                "with a 5 year warranty",
            ),
            (
                "When will it come?",
                "It comes in May.",
                "The last one was sent in May.",
            ),
            ("When was it founded?", "in 1983", "by 3 joiners"),
            ("Who founded it?", "founded by Ruth Hallam", "founded by two joiners"),
        ];
        for (question, with, without) in cases {
            let fact = Fact::of(question).unwrap();
            assert!(fact.is_in(with), "{with}");
            assert!(!fact.is_in(without), "{without}");
        }
    }

    #[test]
    fn a_fact_may_be_mentioned_without_being_asked_for() {
        let plainly = |question: &str| Fact::of(question).map(|fact| fact.plainly);
        for question in [
            "How much does it cost?",
            "What is the price of it?",
            "Was kostet das?",
            "Do you have a phone number?",
        ] {
            assert_eq!(plainly(question), Some(true), "{question}");
        }
        for question in [
            "How can I lower the cost of delivery?",
            "Why is the price so high?",
            "When is it used?",
        ] {
            assert_eq!(plainly(question), Some(false), "{question}");
        }
    }
}
