//! What whoever reads an answer should know about how it came to be.
use serde::{Deserialize, Serialize};

/// What happened on the way to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The provider failed: the site's own words answer instead of the model's.
    ProviderUnavailable,
    /// The customer's budget of the day is used up: the site's own words answer instead of the model's.
    BudgetReached,
    /// The budget is nearly used up: the small model answered what the large one would have.
    BudgetLow,
    /// The model had no tokens left: the answer ends early.
    CutShort,
}

impl Note {
    /// The note's word in answers and receipts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProviderUnavailable => "provider_unavailable",
            Self::BudgetReached => "budget_reached",
            Self::BudgetLow => "budget_low",
            Self::CutShort => "cut_short",
        }
    }

    /// Whether the answer is another than it should be.
    pub fn is_fallback(self) -> bool {
        matches!(self, Self::ProviderUnavailable | Self::BudgetReached)
    }
}
