//! The support check: does the site answer this at all? [`signals`] gathers the signs, the rule over them is pure and was fitted
//! (`docs/adr/0020-answerability.md`).
mod designations;
mod signals;

use serde::{Deserialize, Serialize};

use crate::retrieval::Passage;
use designations::designations;
use signals::Signals;
pub use signals::{akin, has, is_named, names};

/// Why an answer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Nothing is indexed yet.
    NothingIndexed,
    /// Nothing on the site is about the question.
    NotOnSite,
    /// The site is about the subject and does not answer the question.
    NotAnswered,
}

impl Refusal {
    /// The reason's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NothingIndexed => "nothing_indexed",
            Self::NotOnSite => "not_on_site",
            Self::NotAnswered => "not_answered",
        }
    }
}

/// The rule's figures: a logistic regression over the signs. They belong to the scale of the cosines, which is that of
/// all-MiniLM-L6-v2; those of other models are brought onto it.
struct Calibration {
    related: f64,
    /// Below this one a cosine counts against an answer a second time.
    weak: f64,
    base: f64,
    cosine: f64,
    weakness: f64,
    covered: f64,
    missing: f64,
    no_fact: f64,
    unnamed: f64,
}

/// Below this cosine a passage is not about the question's subject, whatever words it shares.
pub const RELATED: f64 = 0.43;

/// The same for a passage that has all of the question's words, on a site of few chunks: the best of few is less near than that of thousands,
/// where each two words stand together somewhere.
const RELATED_OF_FEW: f64 = 0.36;

/// Fitted on six sites, each judged by what the others taught (`docs/adr/0020-answerability.md`).
const CALIBRATION: Calibration = Calibration {
    related: RELATED,
    weak: 0.45,
    base: -2.6,
    cosine: 9.5,
    weakness: -9.0,
    covered: 1.1,
    missing: -6.3,
    no_fact: -1.2,
    unnamed: -1.3,
};

/// Without vectors the words carry it alone: this share of them, by weight or, where a site is too small to tell what is rare, by
/// count, and no rare one missing.
const COVERED_ALONE: f64 = 0.6;
const MISSING_ALONE: f64 = 0.6;

/// The cosine, on the common scale, from which on a model of many languages carries it alone across languages, where words say nothing. What
/// the site answers and what it does not lie apart there (`docs/adr/0020-answerability.md`).
const FOREIGN: f64 = 0.36;

/// Whether the signs speak for an answer. `multilingual`: the cosines are those of a model that knows many languages.
fn check(signals: &Signals, multilingual: bool) -> Result<(), Refusal> {
    let (supported, related) = match signals.cosine {
        Some(cosine) if signals.foreign && multilingual => {
            let related = cosine >= FOREIGN;
            (related && !signals.no_fact, related)
        }
        None => {
            let covered = signals.covered.max(signals.counted);
            let words = covered >= COVERED_ALONE && signals.missing < MISSING_ALONE;
            (words && !signals.no_fact, false)
        }
        Some(cosine) => {
            let least = if signals.all_of_few {
                RELATED_OF_FEW
            } else {
                CALIBRATION.related
            };
            let related = cosine >= least;
            (related && odds(cosine, signals) >= 0.0, related)
        }
    };
    match (supported || signals.asked_there, related) {
        (true, _) => Ok(()),
        (false, true) => Err(Refusal::NotAnswered),
        (false, false) => Err(Refusal::NotOnSite),
    }
}

/// The logarithm of the odds that the passages answer.
fn odds(cosine: f64, signals: &Signals) -> f64 {
    let c = &CALIBRATION;
    let sign = |is: bool, weight: f64| if is { weight } else { 0.0 };
    c.base
        + c.cosine * cosine
        + c.weakness * (c.weak - cosine).max(0.0)
        + c.covered * signals.covered
        + c.missing * signals.missing
        + sign(signals.no_fact, c.no_fact)
        + sign(signals.unnamed, c.unnamed)
}

/// Whether the site supports an answer to `question` from `passages`, best first. `multilingual`: their cosines are those of a model that
/// knows many languages. What is named with a number that no passage names so is another thing than theirs.
pub fn supported(question: &str, passages: &[Passage], multilingual: bool) -> Result<(), Refusal> {
    if passages.is_empty() {
        return Err(Refusal::NothingIndexed);
    }
    let signals = signals::read(question, passages);
    tracing::debug!(signals = serde_json::to_string(&signals).unwrap_or_default(), "support");
    check(&signals, multilingual)?;
    let missing = |named: &designations::Designation| !passages.iter().any(|passage| named.is_in(passage));
    if !signals.asked_there && designations(question).iter().any(missing) {
        return Err(Refusal::NotAnswered);
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use uuid::Uuid;

    pub fn passage(cosine: Option<f64>, coverage: f64, text: &str) -> Passage {
        Passage {
            chunk: Uuid::nil(),
            page: Uuid::nil(),
            page_version: 1,
            url: "https://shop.example/help".into(),
            title: "Help".into(),
            ordinal: 0,
            heading_path: "Help > Shipping".into(),
            text: text.into(),
            score: cosine.unwrap_or(coverage),
            cosine,
            coverage,
            ..Passage::default()
        }
    }

    fn signals(cosine: f64, covered: f64, missing: f64) -> Signals {
        Signals {
            cosine: Some(cosine),
            covered,
            missing,
            ..Signals::default()
        }
    }

    #[test]
    fn meaning_and_words_support_an_answer_together() {
        assert_eq!(check(&signals(0.7, 0.8, 0.0), false), Ok(()));
        assert_eq!(check(&signals(0.55, 0.9, 0.1), false), Ok(()));
        assert_eq!(check(&signals(0.55, 0.2, 0.9), false), Err(Refusal::NotAnswered));
        assert_eq!(check(&signals(0.2, 1.0, 0.0), false), Err(Refusal::NotOnSite));
    }

    #[test]
    fn a_fact_that_is_not_there_and_an_unknown_name_speak_against_it() {
        let clear = signals(0.55, 0.75, 0.3);
        assert_eq!(check(&clear, false), Ok(()));
        let no_fact = Signals {
            no_fact: true,
            unnamed: true,
            ..clear
        };
        assert_eq!(check(&no_fact, false), Err(Refusal::NotAnswered));
        assert_eq!(
            check(
                &Signals {
                    asked_there: true,
                    ..no_fact
                },
                false
            ),
            Ok(())
        );
    }

    #[test]
    fn without_vectors_the_words_carry_it_alone() {
        let words = |covered, missing| Signals {
            cosine: None,
            ..signals(0.0, covered, missing)
        };
        assert_eq!(check(&words(0.8, 0.3), false), Ok(()));
        assert_eq!(check(&words(0.8, 0.9), false), Err(Refusal::NotOnSite));
        assert_eq!(check(&words(0.3, 0.3), false), Err(Refusal::NotOnSite));
    }

    #[test]
    fn on_a_small_site_all_of_the_words_make_up_for_a_cosine() {
        let of = |chunks: Option<i64>, cosine: f64, text: &str| {
            let words = ["deliveri", "free"].map(|lexeme| crate::retrieval::Word {
                lexeme: lexeme.into(),
                rarity: 2.5,
                here: false,
            });
            let found = Passage {
                words: words.into(),
                of: chunks,
                ..passage(Some(cosine), 1.0, text)
            };
            supported("Is delivery free?", &[found], false)
        };
        let told = "Orders over 80 EUR are sent free of charge.";
        assert_eq!(of(Some(47), 0.396, told), Ok(()));
        for (chunks, cosine, text) in [
            (Some(18_000), 0.396, told),
            (None, 0.396, told),
            (Some(47), 0.3, told),
            (Some(47), 0.396, "Orders over 80 EUR leave the same day."),
        ] {
            assert_eq!(
                of(chunks, cosine, text),
                Err(Refusal::NotOnSite),
                "{chunks:?} {cosine} {text}"
            );
        }
    }

    #[test]
    fn what_is_called_nearly_the_same_is_another_thing() {
        let of = |question: &str| {
            let text = "The Sognefjord 14 is a touring kayak of 430 cm length for day trips and weekends.";
            supported(question, &[passage(Some(0.7), 1.0, text)], false)
        };
        assert_eq!(of("How long is the Sognefjord 14?"), Ok(()));
        assert_eq!(of("How long is the Fjord 14?"), Err(Refusal::NotAnswered));
        assert_eq!(of("How long is the Sognefjord 16?"), Err(Refusal::NotAnswered));
    }

    #[test]
    fn across_languages_the_meaning_carries_it_alone_if_the_model_knows_both() {
        let of = |question: &str, cosine: f64, multilingual: bool| {
            let text = "Shipping costs 4.90 EUR within the country, and it takes two to four working days until the parcel is there.";
            let found = Passage {
                words: vec![crate::retrieval::Word {
                    lexeme: "versand".into(),
                    rarity: 9.0,
                    here: false,
                }],
                ..passage(Some(cosine), 0.0, text)
            };
            supported(question, &[found], multilingual)
        };
        let german = "Was kostet bei Ihnen der Versand?";
        assert_eq!(of(german, 0.4, true), Ok(()));
        assert_eq!(of(german, 0.27, true), Err(Refusal::NotOnSite));
        assert_eq!(
            of(german, 0.4, false),
            Err(Refusal::NotOnSite),
            "its cosines say little"
        );
        assert_eq!(
            of("Wie ist Ihre E-Mail Adresse?", 0.4, true),
            Err(Refusal::NotAnswered),
            "there is none"
        );
        assert_eq!(
            of("What does the shipping cost?", 0.4, true),
            Err(Refusal::NotOnSite),
            "words say something"
        );
    }
}
