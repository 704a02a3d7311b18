//! Questions that ask the same, by leaders: a question joins the gap whose leader, its earliest question, is nearest, if it is near
//! enough; else it leads a gap of its own. So a gap can't drift away from its question, however many join it, the order in
//! which questions came decides everything, and no two gaps have to be merged later. Pure.
//!
//! The threshold is measured (`docs/adr/0032-learning.md`). Questions in two languages are not compared: a model of one language puts
//! what it does not understand together, and what the site lacks it lacks in each language by itself. Without vectors, only questions of
//! the same words are one.
use std::collections::BTreeSet;

/// Nearer than this is the same question, on the scale of [`embedding::Calibration`].
const NEAR: f64 = 0.8;
/// The same, in a language that the model was not trained on: what it can tell there is mostly that words are the same.
const NEAR_FOREIGN: f64 = 0.9;

/// A question as it is compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Question {
    /// Its language, where that is known.
    pub language: Option<String>,
    /// Its words.
    pub text: String,
    /// Its vector, of length 1.
    pub vector: Option<Vec<f32>>,
}

/// How vectors are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The model's.
    pub calibration: embedding::Calibration,
    /// Whether it knows other languages than English.
    pub multilingual: bool,
}

/// Which of the leaders asks the same as `question`.
pub(super) fn nearest<'a>(
    leaders: impl IntoIterator<Item = &'a Question>,
    question: &Question,
    scale: Scale,
) -> Option<usize> {
    let own = words(&question.text);
    let mut best: Option<(usize, f64)> = None;
    for (at, leader) in leaders.into_iter().enumerate() {
        let known = leader.language.as_ref().zip(question.language.as_ref());
        let near = match (&leader.vector, &question.vector) {
            _ if words(&leader.text) == own => 1.0,
            _ if known.is_some_and(|(one, other)| one != other) => continue,
            (Some(a), Some(b)) if a.len() == b.len() => {
                let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                scale.calibration.relevance(f64::from(cosine))
            }
            _ => continue,
        };
        let language = question.language.as_deref().or(leader.language.as_deref());
        let english = language.is_none_or(|language| language == "en");
        let enough = if english || scale.multilingual {
            NEAR
        } else {
            NEAR_FOREIGN
        };
        // Of equally near ones the first stays.
        if near >= enough && best.is_none_or(|(_, most)| near > most) {
            best = Some((at, near));
        }
    }
    best.map(|(at, _)| at)
}

fn words(text: &str) -> BTreeSet<String> {
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(language: &str, text: &str, vector: impl Into<Option<[f32; 2]>>) -> Question {
        Question {
            language: (!language.is_empty()).then(|| language.to_owned()),
            text: text.into(),
            vector: vector.into().map(|v| v.to_vec()),
        }
    }

    fn scale(multilingual: bool) -> Scale {
        Scale {
            calibration: embedding::Calibration::default(),
            multilingual,
        }
    }

    /// A vector whose cosine to `[1, 0]` is `cosine`.
    fn at(cosine: f32) -> [f32; 2] {
        [cosine, (1.0 - cosine * cosine).sqrt()]
    }

    #[test]
    fn a_question_joins_the_nearest_leader_that_is_near_enough() {
        let leaders = [
            question("en", "a", at(0.85)),
            question("en", "b", at(0.95)),
            question("en", "c", at(0.1)),
        ];
        assert_eq!(nearest(&leaders, &question("en", "q", at(1.0)), scale(false)), Some(1));
        assert_eq!(
            nearest(&leaders[2..], &question("en", "q", at(1.0)), scale(false)),
            None
        );
        assert_eq!(nearest([], &question("en", "q", at(1.0)), scale(false)), None);
    }

    #[test]
    fn languages_are_kept_apart_and_what_a_model_does_not_know_must_be_nearer() {
        let leaders = [question("de", "a", at(0.85))];
        assert_eq!(nearest(&leaders, &question("en", "q", at(1.0)), scale(true)), None);
        assert_eq!(nearest(&leaders, &question("de", "q", at(1.0)), scale(true)), Some(0));
        assert_eq!(nearest(&leaders, &question("de", "q", at(1.0)), scale(false)), None);
        assert_eq!(
            nearest(&leaders, &question("", "q", at(1.0)), scale(true)),
            Some(0),
            "too short to tell"
        );
        assert_eq!(
            nearest(&leaders, &question("en", "A?", None), scale(true)),
            Some(0),
            "the same words"
        );
    }

    #[test]
    fn without_vectors_the_same_words_are_the_same_question() {
        let leaders = [question("", "Do you ship to Norway?", None)];
        let asked = |text| nearest(&leaders, &question("", text, None), scale(false));
        assert_eq!(asked("do you ship, to NORWAY"), Some(0));
        assert_eq!(asked("do you ship to Sweden"), None);
    }
}
