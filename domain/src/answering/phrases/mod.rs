//! What the assistant says of its own accord, in every language: greetings, small talk, refusals. A struct without defaults, so
//! that a language without a phrase does not compile.
//!
//! `{name}` stands for the assistant's name, `{site}` for the customer's, `{contact}` for an address.
mod east;
mod west;

use super::support::Refusal;
use crate::{
    language::Locale,
    tenancy::{AssistantSettings, Customer, Tone},
};

/// One language's phrases.
pub(super) struct Phrases {
    /// A greeting for each tone.
    pub friendly_hello: &'static str,
    pub hello: &'static str,
    pub formal_hello: &'static str,
    /// An introduction after a greeting.
    pub i_am: &'static str,
    /// What may be asked, after a greeting.
    pub ask: &'static str,
    /// To thanks.
    pub welcome: &'static str,
    /// To a farewell.
    pub bye: &'static str,
    /// To "who are you?".
    pub who: &'static str,
    /// To "are you a human?".
    pub no_human: &'static str,
    /// To "can you help me?".
    pub help: &'static str,
    /// To "how are you?".
    pub fine: &'static str,
    /// To "okay".
    pub all_right: &'static str,
    /// To what is no sentence.
    pub unclear: &'static str,
    /// To insults.
    pub calm: &'static str,
    pub nothing_indexed: &'static str,
    pub not_on_site: &'static str,
    pub not_answered: &'static str,
    /// A way to a person, after a refusal.
    pub contact: &'static str,
}

/// The phrases of a language; English where it is not known.
pub(super) fn of(locale: Option<Locale>) -> &'static Phrases {
    match locale.unwrap_or(Locale::En) {
        Locale::En => &west::EN,
        Locale::De => &west::DE,
        Locale::Fr => &west::FR,
        Locale::Es => &west::ES,
        Locale::It => &west::IT,
        Locale::Nl => &west::NL,
        Locale::Pt => &west::PT,
        Locale::Pl => &west::PL,
        Locale::Ar => &east::AR,
        Locale::He => &east::HE,
        Locale::Ja => &east::JA,
    }
}

/// A phrase with the names filled in.
pub(super) fn fill(phrase: &str, customer: &Customer, settings: &AssistantSettings) -> String {
    let name = settings.name.as_deref().unwrap_or_default();
    phrase.replace("{name}", name).replace("{site}", &customer.name)
}

/// What the assistant says first: the customer's own greeting, else one in its tone.
pub fn greeting(customer: &Customer, settings: &AssistantSettings, locale: Option<Locale>) -> String {
    if let Some(own) = settings.greeting(locale) {
        return own.to_owned();
    }
    greeting_back(customer, settings, locale)
}

/// A greeting to whoever greets: with the assistant's name, if it has one.
pub(super) fn greeting_back(customer: &Customer, settings: &AssistantSettings, locale: Option<Locale>) -> String {
    let phrases = of(locale);
    [&hello(customer, settings, locale), phrases.ask].join(" ")
}

fn hello(customer: &Customer, settings: &AssistantSettings, locale: Option<Locale>) -> String {
    let phrases = of(locale);
    let hello = match settings.tone {
        Tone::Friendly => phrases.friendly_hello,
        Tone::Neutral => phrases.hello,
        Tone::Formal => phrases.formal_hello,
    };
    match settings.name {
        Some(_) => fill(&[hello, phrases.i_am].join(" "), customer, settings),
        None => hello.to_owned(),
    }
}

/// Why there is no answer, with a way to a person.
pub(super) fn refusal(settings: &AssistantSettings, refusal: Refusal, locale: Option<Locale>) -> String {
    let phrases = of(locale);
    let said = match refusal {
        Refusal::NothingIndexed => phrases.nothing_indexed,
        Refusal::NotOnSite => phrases.not_on_site,
        Refusal::NotAnswered => phrases.not_answered,
    };
    match contact(settings, locale) {
        Some(contact) => [said, &contact].join(" "),
        None => said.to_owned(),
    }
}

/// A way to a person, if the customer has named one.
pub(super) fn contact(settings: &AssistantSettings, locale: Option<Locale>) -> Option<String> {
    let address = settings.contact_email.as_ref().or(settings.contact_url.as_ref())?;
    Some(of(locale).contact.replace("{contact}", address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(p: &Phrases) -> [&'static str; 18] {
        let talk = [
            p.welcome,
            p.bye,
            p.who,
            p.no_human,
            p.help,
            p.fine,
            p.all_right,
            p.unclear,
            p.calm,
        ];
        let first = [p.friendly_hello, p.hello, p.formal_hello, p.i_am, p.ask];
        let last = [p.nothing_indexed, p.not_on_site, p.not_answered, p.contact];
        let mut all = [""; 18];
        for (slot, phrase) in all.iter_mut().zip(first.into_iter().chain(talk).chain(last)) {
            *slot = phrase;
        }
        all
    }

    #[test]
    fn every_language_has_every_phrase_in_its_own_words_with_the_same_placeholders() {
        let english = all(of(Some(Locale::En)));
        let holes = |text: &str| ["{name}", "{site}", "{contact}"].map(|hole| text.matches(hole).count());
        for locale in Locale::EACH {
            for (own, english) in all(of(Some(locale))).into_iter().zip(english) {
                assert!(!own.trim().is_empty(), "{locale:?}: {english}");
                assert_eq!(holes(own), holes(english), "{locale:?}: {own}");
                assert!(locale == Locale::En || own != english, "{locale:?}: {own}");
            }
        }
    }
}
