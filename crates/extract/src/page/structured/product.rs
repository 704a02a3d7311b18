//! Products, whatever the markup that tells of them: one form with the price as a decimal number.

use serde_json::{Map, Value, json};

use super::{put, thing::Thing};

/// Most pictures and variants kept of a product.
const MAX_IMAGES: usize = 5;
const MAX_VARIANTS: usize = 50;
/// Properties of a product and of a variant that are short texts: ours, and theirs, best first.
const TEXTS: &[(&str, &[&str])] = &[
    ("sku", &["sku", "productID"]),
    ("mpn", &["mpn"]),
    ("gtin", &["gtin", "gtin13", "gtin14", "gtin12", "gtin8", "isbn"]),
    ("color", &["color"]),
    ("size", &["size"]),
    ("material", &["material"]),
];
const MORE_TEXTS: &[(&str, &[&str])] = &[
    ("brand", &["brand", "manufacturer"]),
    ("model", &["model"]),
    ("category", &["category"]),
];

/// A product with a name: `name`, `description`, `sku`, `mpn`, `gtin`, `brand`, `category`, `images`, `url`, `price`, `price_high`
/// (if offers differ), `currency`, `availability`, `condition`, `rating` (`value`, `best`, `count`), `variants`.
pub(super) fn product(item: Thing<'_>) -> Option<Value> {
    let mut out = Map::new();
    put(&mut out, "name", Some(item.short(&["name"])?));
    put(&mut out, "description", item.long(&["description"]));
    texts(&mut out, item, TEXTS);
    texts(&mut out, item, MORE_TEXTS);
    put(&mut out, "url", item.addresses("url", 1).pop());
    let images = item.addresses("image", MAX_IMAGES);
    if !images.is_empty() {
        out.insert("images".to_owned(), json!(images));
    }
    let offers = offers(item);
    price(&mut out, &offers);
    if let Some(rating) = rating(item) {
        out.insert("rating".to_owned(), rating);
    }
    let mut variants: Vec<Value> = item.list("hasVariant").take(MAX_VARIANTS).filter_map(variant).collect();
    if variants.is_empty() && offers.len() > 1 {
        variants = offers
            .iter()
            .take(MAX_VARIANTS)
            .filter_map(|offer| variant(*offer))
            .collect();
    }
    if !variants.is_empty() {
        if !out.contains_key("price") {
            price_of_variants(&mut out, &variants);
        }
        out.insert("variants".to_owned(), Value::Array(variants));
    }
    Some(Value::Object(out))
}

fn texts(out: &mut Map<String, Value>, item: Thing<'_>, names: &[(&str, &[&str])]) {
    for (name, keys) in names {
        put(out, name, item.short(keys));
    }
}

/// The offers, those inside of an aggregate one included.
fn offers(item: Thing<'_>) -> Vec<Thing<'_>> {
    let mut out = Vec::new();
    for offer in item.list("offers") {
        out.push(offer);
        out.extend(offer.list("offers"));
    }
    out.truncate(MAX_VARIANTS * 2);
    out
}

/// The lowest and the highest price of all offers, and what the first offer that says so says of the rest.
fn price(out: &mut Map<String, Value>, offers: &[Thing<'_>]) {
    let mut prices: Vec<String> = Vec::new();
    for offer in offers {
        for holder in [*offer].into_iter().chain(offer.list("priceSpecification")) {
            let told = holder.short(&["priceCurrency"]);
            prices.extend(
                ["price", "lowPrice", "highPrice"]
                    .iter()
                    .filter_map(|key| amount(&holder.short(&[key])?, told.as_deref())),
            );
            put(
                out,
                "currency",
                holder.short(&["priceCurrency"]).and_then(|text| currency(&text)),
            );
            put(
                out,
                "currency",
                holder.short(&["price", "lowPrice"]).and_then(|text| currency(&text)),
            );
        }
        put(
            out,
            "availability",
            offer.short(&["availability"]).and_then(|text| availability(&text)),
        );
        put(
            out,
            "condition",
            offer.short(&["itemCondition"]).and_then(|text| condition(&text)),
        );
        put(out, "price_valid_until", offer.short(&["priceValidUntil"]));
    }
    range(out, prices);
}

fn price_of_variants(out: &mut Map<String, Value>, variants: &[Value]) {
    let text = |variant: &Value, key: &str| variant[key].as_str().map(str::to_owned);
    range(
        out,
        variants.iter().filter_map(|variant| text(variant, "price")).collect(),
    );
    for key in ["currency", "availability"] {
        put(out, key, variants.iter().find_map(|variant| text(variant, key)));
    }
}

fn range(out: &mut Map<String, Value>, mut prices: Vec<String>) {
    let value = |price: &String| price.parse::<f64>().unwrap_or_default();
    prices.sort_by(|a, b| value(a).total_cmp(&value(b)));
    prices.dedup_by(|a, b| value(a).total_cmp(&value(b)).is_eq());
    if prices.len() > 1 {
        put(out, "price_high", prices.pop());
    }
    put(out, "price", prices.into_iter().next());
}

fn variant(item: Thing<'_>) -> Option<Value> {
    let mut out = Map::new();
    put(&mut out, "name", item.short(&["name"]));
    texts(&mut out, item, TEXTS);
    // An offer is its own offer; one without a name or a number tells no variant.
    if out.is_empty() {
        return None;
    }
    put(&mut out, "url", item.addresses("url", 1).pop());
    let mut offers = offers(item);
    offers.push(item);
    price(&mut out, &offers);
    Some(Value::Object(out))
}

fn rating(item: Thing<'_>) -> Option<Value> {
    let rating = item.get("aggregateRating")?;
    let mut out = Map::new();
    put(&mut out, "value", Some(number(&rating.short(&["ratingValue"])?)?));
    put(
        &mut out,
        "best",
        rating.short(&["bestRating"]).and_then(|text| number(&text)),
    );
    put(
        &mut out,
        "count",
        rating
            .short(&["reviewCount", "ratingCount"])
            .and_then(|text| number(&text)),
    );
    Some(Value::Object(out))
}

/// Currencies of thousand parts, in which three digits behind a point are parts.
const MILLESIMAL: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// A price as a decimal number. A text for readers (`1.299 €`), and not for machines (`1.299`), that has three digits behind its only point
/// means thousands.
fn amount(text: &str, told: Option<&str>) -> Option<String> {
    let own = currency(text);
    let whole: Option<&str> = text
        .split(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')
        .find(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    let is_thousands = |part: &&str| {
        part.split_once('.').is_some_and(|(before, after)| {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            (1..=3).contains(&before.len())
                && !before.starts_with('0')
                && after.len() == 3
                && digits(before)
                && digits(after)
        })
    };
    let is_read = text.trim().len() > whole.map_or(0, str::len);
    let millesimal = [own.as_deref(), told]
        .into_iter()
        .flatten()
        .any(|code| MILLESIMAL.contains(&code.trim()))
        || MILLESIMAL.iter().any(|code| text.contains(code));
    match whole.filter(|part| is_read && !millesimal && is_thousands(part)) {
        Some(part) => Some(part.replace('.', "")),
        None => number(text),
    }
}

/// `€ 1.299,00`, `1,299.00` and `1299` as decimal numbers with a point. Of two kinds of separators the last one is the
/// decimal one; a comma alone is, unless three digits follow.
fn number(text: &str) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let body: String = text[start..]
        .chars()
        .filter(|c| !matches!(c, '\'' | '’' | '\u{a0}' | '\u{202f}' | ' '))
        .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
        .take(24)
        .collect();
    let body = body.trim_end_matches(['.', ',']);
    let (point, comma) = (body.rfind('.'), body.rfind(','));
    let decimal = match (point, comma) {
        (Some(point), Some(comma)) => Some(point.max(comma)),
        (None, Some(comma)) => (body.matches(',').count() == 1 && body.len() - comma != 4).then_some(comma),
        (Some(point), None) => (body.matches('.').count() == 1).then_some(point),
        (None, None) => None,
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    Some(match decimal {
        Some(at) => format!("{}.{}", digits(&body[..at]), digits(&body[at..])),
        None => digits(body),
    })
}

/// An ISO 4217 code, or the one that a symbol most often means.
fn currency(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Some(text.to_ascii_uppercase());
    }
    let symbols = [
        ("€", "EUR"),
        ("£", "GBP"),
        ("US$", "USD"),
        ("¥", "JPY"),
        ("₹", "INR"),
        ("$", "USD"),
        ("CHF", "CHF"),
    ];
    let found = symbols.iter().find(|(symbol, _)| text.contains(symbol));
    found.map(|(_, code)| (*code).to_owned())
}

fn availability(text: &str) -> Option<String> {
    let word: String = text
        .rsplit(['/', '#'])
        .next()
        .unwrap_or(text)
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect();
    let known = match word.to_ascii_lowercase().as_str() {
        "instock" | "available" | "availablefororder" => "in_stock",
        "outofstock" | "oos" => "out_of_stock",
        "soldout" => "sold_out",
        "preorder" | "presale" => "pre_order",
        "backorder" => "back_order",
        "limitedavailability" => "limited",
        "discontinued" => "discontinued",
        "onlineonly" => "online_only",
        "instoreonly" => "in_store_only",
        "madetoorder" => "made_to_order",
        _ => return None,
    };
    Some(known.to_owned())
}

fn condition(text: &str) -> Option<String> {
    let word = text
        .rsplit(['/', '#'])
        .next()
        .unwrap_or(text)
        .trim()
        .to_ascii_lowercase();
    let word = word.trim_end_matches("condition");
    let known = ["new", "used", "refurbished", "damaged"].contains(&word);
    known.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_in_either_habit() {
        for (text, value) in [
            ("9.90", "9.90"),
            ("1299", "1299"),
            ("€ 1.299,00", "1299.00"),
            ("1,299.50 USD", "1299.50"),
            ("1,299", "1299"),
            ("9,5", "9.5"),
            ("12,345,678", "12345678"),
            ("1.234.567", "1234567"),
            ("1 299,00 kr", "1299.00"),
            ("CHF 1'299.–", "1299"),
            ("19.", "19"),
        ] {
            assert_eq!(number(text).as_deref(), Some(value), "{text}");
        }
        assert_eq!(number("free"), None);
        for (text, currency, value) in [
            ("1.299 €", None, "1299"),
            ("ab 12.990 EUR", Some("EUR"), "12990"),
            ("R$ 1.299", None, "1299"),
            ("1.299", Some("EUR"), "1.299"),
            ("12.345 KWD", None, "12.345"),
            ("د.ك 12.345", Some("KWD"), "12.345"),
            ("0.299 €", None, "0.299"),
            ("1.299,00 €", None, "1299.00"),
            ("$1,299.00", None, "1299.00"),
            ("9.90 €", None, "9.90"),
        ] {
            assert_eq!(amount(text, currency).as_deref(), Some(value), "{text}");
        }
        assert_eq!(currency("eur").as_deref(), Some("EUR"));
        assert_eq!(currency("from £5").as_deref(), Some("GBP"));
        assert_eq!(currency("9.90"), None);
        assert_eq!(availability("http://schema.org/InStock").as_deref(), Some("in_stock"));
        assert_eq!(availability("out of stock").as_deref(), Some("out_of_stock"));
        assert_eq!(condition("https://schema.org/NewCondition").as_deref(), Some("new"));
    }
}
