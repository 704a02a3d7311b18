//! A product as every shop has it.
use url::Url;

/// Whether a product can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// It is there.
    InStock,
    /// It is not.
    OutOfStock,
    /// It is not, and can be ordered.
    BackOrder,
    /// The shop does not say.
    #[default]
    Unknown,
}

impl Availability {
    /// Its word; none for what is not known.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::InStock => Some("in_stock"),
            Self::OutOfStock => Some("out_of_stock"),
            Self::BackOrder => Some("back_order"),
            Self::Unknown => None,
        }
    }
}

/// One way to buy a product, such as a size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// The shop's id.
    pub id: String,
    /// What makes it this one: name and value, such as `Size` and `L`.
    pub options: Vec<(String, String)>,
    /// The shop's number of it.
    pub sku: Option<String>,
    /// What it costs, as a decimal number.
    pub price: Option<String>,
    /// Whether it can be had.
    pub availability: Availability,
    /// How many there are, where the shop counts.
    pub stock: Option<i64>,
}

/// A product that the shop shows to everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// The shop's id.
    pub id: String,
    /// Its name, without markup.
    pub name: String,
    /// The shop's number of it.
    pub sku: Option<String>,
    /// Its page.
    pub url: Option<Url>,
    /// A picture of it.
    pub image: Option<Url>,
    /// Plain text, a line for each block.
    pub description: String,
    /// Names of what it belongs to, without markup.
    pub categories: Vec<String>,
    /// What is known of it otherwise: names with values.
    pub attributes: Vec<(String, Vec<String>)>,
    /// What it costs, as a decimal number; with variants that differ, the least.
    pub price: Option<String>,
    /// The most that a variant costs, where that is more.
    pub price_high: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Whether it can be had.
    pub availability: Availability,
    /// How many there are, where the shop counts.
    pub stock: Option<i64>,
    /// The ways to buy it; none if there is only one.
    pub variants: Vec<Variant>,
    /// When it changed last, by the shop's clock; later moments of one shop are greater texts.
    pub modified: Option<String>,
}

impl Product {
    /// Takes the range of prices, and whether anything can be had, from the variants.
    pub(crate) fn sum_up(&mut self) {
        let mut prices: Vec<&String> = self
            .variants
            .iter()
            .filter_map(|variant| variant.price.as_ref())
            .collect();
        prices.sort_by(|a, b| worth(a).total_cmp(&worth(b)));
        if let (Some(low), Some(high)) = (prices.first(), prices.last()) {
            self.price_high = (worth(low) < worth(high)).then(|| (*high).clone());
            self.price = Some((*low).clone());
        }
        let best = [Availability::InStock, Availability::BackOrder, Availability::OutOfStock];
        let some = |wanted: &Availability| self.variants.iter().any(|variant| variant.availability == *wanted);
        if let Some(found) = best.into_iter().find(some) {
            self.availability = found;
        }
    }
}

/// What a list of a shop's products has: one that is shown, or one that is not (a draft, one for some people only, in the bin).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Everybody may know of it.
    Shown(Box<Product>),
    /// Its id.
    Hidden(String),
}

impl Entry {
    /// The product's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Shown(product) => &product.id,
            Self::Hidden(id) => id,
        }
    }
}

/// The text as an amount of money: digits, and up to six more after a point. Anything else is none.
pub(crate) fn amount(text: &str) -> Option<String> {
    let (whole, rest) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (digits(whole, 12) && digits(rest, 6)).then(|| text.trim().to_owned())
}

fn worth(amount: &str) -> f64 {
    amount.parse().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_decimal_numbers_and_nothing_else() {
        for good in ["9.99", "0", "1200", " 12.5 ", "0.000001"] {
            assert_eq!(amount(good).as_deref(), Some(good.trim()));
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "1e9",
            "1,50",
            "NaN",
            "1.2.3",
            "1234567890123",
            "€5",
        ] {
            assert_eq!(amount(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_product_costs_what_its_variants_cost_and_is_there_if_one_is() {
        let variant = |price: &str, availability| Variant {
            price: Some(price.into()),
            availability,
            ..Variant::default()
        };
        let mut product = Product {
            variants: vec![
                variant("10.00", Availability::OutOfStock),
                variant("9.50", Availability::InStock),
            ],
            ..Product::default()
        };
        product.sum_up();
        assert_eq!(
            (product.price.as_deref(), product.price_high.as_deref()),
            (Some("9.50"), Some("10.00"))
        );
        assert_eq!(product.availability, Availability::InStock);
        product.variants.pop();
        product.sum_up();
        assert_eq!((product.price.as_deref(), product.price_high), (Some("10.00"), None));
        assert_eq!(product.availability, Availability::OutOfStock);
    }
}
