//! What tokens cost.
use std::{collections::BTreeMap, str::FromStr};

/// USD for a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// Of what is asked.
    pub input: f64,
    /// Of the answer.
    pub output: f64,
}

impl Price {
    /// USD for so many tokens.
    pub fn of(&self, tokens_in: u64, tokens_out: u64) -> f64 {
        (self.input * tokens_in as f64 + self.output * tokens_out as f64) / 1e6
    }
}

/// List prices of `OpenAI`'s models in November 2026's documentation of this crate; a provider's own price list wins. Discounts
/// for prompts that the provider still knows are left out, so that a cost is rather too high.
const LISTED: &[(&str, f64, f64)] = &[
    ("gpt-4o", 2.5, 10.0),
    ("gpt-4o-mini", 0.15, 0.6),
    ("gpt-4.1", 2.0, 8.0),
    ("gpt-4.1-mini", 0.4, 1.6),
    ("gpt-4.1-nano", 0.1, 0.4),
    ("gpt-5", 1.25, 10.0),
    ("gpt-5-mini", 0.25, 2.0),
    ("gpt-5-nano", 0.05, 0.4),
    ("o3", 2.0, 8.0),
    ("o4-mini", 1.1, 4.4),
    // They make vectors, and write nothing.
    ("text-embedding-3-small", 0.02, 0.0),
    ("text-embedding-3-large", 0.13, 0.0),
    ("text-embedding-ada-002", 0.1, 0.0),
];

/// Prices by a model's name.
#[derive(Clone, Debug)]
pub struct Prices(BTreeMap<String, Price>);

impl Default for Prices {
    fn default() -> Self {
        let listed = |(name, input, output): &(&str, f64, f64)| {
            let (input, output) = (*input, *output);
            ((*name).to_owned(), Price { input, output })
        };
        Self(LISTED.iter().map(listed).collect())
    }
}

impl Prices {
    /// The price of a model: of its name, or of the name without the date of a version (`gpt-4o-2024-08-06`) and without its
    /// maker (`openai/gpt-4o`).
    pub fn of(&self, model: &str) -> Option<Price> {
        let bare = model.rsplit('/').next().unwrap_or(model);
        let undated = undated(bare);
        [model, bare, undated]
            .iter()
            .find_map(|name| self.0.get(*name).copied())
    }
}

/// A name without `-2024-08-06`, `-20240806` or `-latest` at its end.
fn undated(name: &str) -> &str {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    let date = &name[base.len()..];
    if date.starts_with('-') && date.bytes().filter(u8::is_ascii_digit).count() == 8 {
        base
    } else {
        name.strip_suffix("-latest").unwrap_or(name)
    }
}

/// A price list that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not MODEL=INPUT/OUTPUT, in USD for a million tokens")]
pub struct PriceError(String);

impl FromStr for Prices {
    type Err = PriceError;

    /// `MODEL=INPUT/OUTPUT,…`, on top of the listed ones.
    fn from_str(text: &str) -> Result<Self, PriceError> {
        let mut prices = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, price) = entry(part).ok_or_else(|| PriceError(part.to_owned()))?;
            prices.0.insert(name.to_owned(), price);
        }
        Ok(prices)
    }
}

fn entry(text: &str) -> Option<(&str, Price)> {
    let (name, price) = text.rsplit_once('=')?;
    let (input, output) = price.split_once('/')?;
    let usd = |text: &str| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|usd| usd.is_finite() && *usd >= 0.0)
    };
    let (input, output) = (usd(input)?, usd(output)?);
    let name = name.trim();
    (!name.is_empty()).then_some((name, Price { input, output }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPT_4O: Price = Price {
        input: 2.5,
        output: 10.0,
    };
    const MINI: Price = Price {
        input: 0.15,
        output: 0.6,
    };

    #[test]
    fn names_are_found_with_dates_and_makers() {
        let prices = Prices::default();
        for name in ["gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o", "gpt-4o-latest"] {
            assert_eq!(prices.of(name), Some(GPT_4O), "{name}");
        }
        assert_eq!(prices.of("gpt-4o-mini-2024-07-18"), Some(MINI));
        for name in ["gpt-4o-audio-preview", "llama3.3", "gpt-4", ""] {
            assert_eq!(prices.of(name), None, "{name}");
        }
    }

    #[test]
    fn a_list_of_one_s_own_wins() {
        let prices: Prices = "gpt-4o=1/2, mistral/large=3.5/0.5".parse().unwrap();
        assert_eq!(
            prices.of("gpt-4o"),
            Some(Price {
                input: 1.0,
                output: 2.0
            })
        );
        assert_eq!(
            prices.of("mistral/large"),
            Some(Price {
                input: 3.5,
                output: 0.5
            })
        );
        assert_eq!(prices.of("gpt-4o-mini"), Some(MINI));
        for wrong in ["gpt-4o", "x=1", "x=a/b", "=1/2", "x=-1/2", "x=NaN/1", "x=inf/1"] {
            assert!(wrong.parse::<Prices>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_million_tokens_cost_the_price() {
        assert!((GPT_4O.of(1_000_000, 500_000) - 7.5).abs() < 1e-9);
    }
}
