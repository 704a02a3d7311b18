//! The support check: does the site say anything about this at all? Pure; thresholds are measured
//! (`docs/adr/0005-support-check.md`).
use serde::{Deserialize, Serialize};

use crate::retrieval::Passage;

/// Under this cosine nothing on the site is about the question.
const RELATED: f64 = 0.40;
/// From this cosine on the meaning alone is support enough.
const CLEAR: f64 = 0.62;
/// Between the two, this share of the question's words must occur in the passage.
const COVERAGE: f64 = 0.5;
/// Or, from this cosine on, the site must use this share of them anywhere: "how long" and "take" need not stand beside what
/// answers, but a word that the site never uses speaks against an answer.
const NEAR: f64 = 0.50;
const KNOWN: f64 = 0.75;
/// Without vectors, the words have to carry it alone.
const COVERAGE_ALONE: f64 = 0.6;

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

/// Whether `passages`, best first, support an answer; `known` is the share of the question's words that the site uses.
pub fn check(passages: &[Passage], known: f64) -> Result<(), Refusal> {
    let Some(best) = passages.first() else {
        return Err(Refusal::NothingIndexed);
    };
    let Some(cosine) = passages.iter().take(3).filter_map(|p| p.cosine).reduce(f64::max) else {
        return if best.coverage >= COVERAGE_ALONE {
            Ok(())
        } else {
            Err(Refusal::NotOnSite)
        };
    };
    let coverage = passages.iter().take(3).map(|p| p.coverage).fold(0.0, f64::max);
    if cosine < RELATED {
        return Err(Refusal::NotOnSite);
    }
    if cosine >= CLEAR || coverage >= COVERAGE || (cosine >= NEAR && known >= KNOWN) {
        Ok(())
    } else {
        Err(Refusal::NotAnswered)
    }
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

    #[test]
    fn meaning_or_words_support_an_answer_and_neither_alone_when_weak() {
        assert_eq!(check(&[], 1.0), Err(Refusal::NothingIndexed));
        assert_eq!(check(&[passage(Some(0.2), 1.0, "")], 0.5), Err(Refusal::NotOnSite));
        assert_eq!(check(&[passage(Some(0.5), 0.2, "")], 0.5), Err(Refusal::NotAnswered));
        assert_eq!(check(&[passage(Some(0.5), 0.7, "")], 0.5), Ok(()));
        assert_eq!(check(&[passage(Some(0.5), 0.2, "")], 0.8), Ok(()));
        assert_eq!(check(&[passage(Some(0.45), 0.2, "")], 0.8), Err(Refusal::NotAnswered));
        assert_eq!(check(&[passage(Some(0.7), 0.0, "")], 0.5), Ok(()));
        assert_eq!(check(&[passage(None, 0.3, "")], 0.5), Err(Refusal::NotOnSite));
        assert_eq!(check(&[passage(None, 0.8, "")], 0.5), Ok(()));
    }
}
