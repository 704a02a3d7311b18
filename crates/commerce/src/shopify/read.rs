//! What the API answers, as products, errors and costs. Pure.
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Availability, Entry, Error, Product, Variant,
    answer::{list, name, text, told, url},
    product::amount,
    text::plain,
};

/// Changes of the last minutes before a moment are asked for again.
const OVERLAP: time::Duration = time::Duration::minutes(5);
/// Throttled without figures, the shop is left alone so long.
const USUAL_WAIT: Duration = Duration::from_secs(2);

/// The API's own form of a product's number.
pub(super) fn gid(id: &str) -> Option<String> {
    let is_number = (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("gid://shopify/Product/{id}"))
}

/// A little before this moment; none for what is none.
pub(super) fn shortly_before(since: &str) -> Option<String> {
    let at = OffsetDateTime::parse(since, &Rfc3339).ok()?;
    at.checked_sub(OVERLAP)?.format(&Rfc3339).ok()
}

/// Whether everybody may see the product.
pub(super) fn is_shown(row: &Value) -> bool {
    row["status"] == "ACTIVE" && row["publishedAt"].is_string()
}

/// A row of the list; none for what is no product.
pub(super) fn entry(row: &Value, currency: Option<&str>) -> Option<Entry> {
    let id = text(&row["legacyResourceId"])?;
    let (Some(name), true) = (name(&row["title"]), is_shown(row)) else {
        return Some(Entry::Hidden(id));
    };
    let variants: Vec<Variant> = list(&row["variants"]["nodes"]).filter_map(variant).collect();
    let single = row["hasOnlyDefaultVariant"] == true;
    let first = variants.first().cloned().unwrap_or_default();
    let option = |option: &Value| {
        let values: Vec<String> = list(&option["values"]).filter_map(self::name).collect();
        Some((self::name(&option["name"])?, values)).filter(|(_, values)| !values.is_empty())
    };
    let mut attributes: Vec<_> = if single {
        Vec::new()
    } else {
        list(&row["options"]).filter_map(option).collect()
    };
    attributes.extend(self::name(&row["vendor"]).map(|vendor| ("Brand".to_owned(), vec![vendor])));
    let mut product = Product {
        id,
        name,
        sku: first.sku.filter(|_| single),
        url: url(&row["onlineStoreUrl"]),
        image: list(&row["media"]["nodes"]).find_map(|media| url(&media["preview"]["image"]["url"])),
        description: plain(&text(&row["descriptionHtml"]).unwrap_or_default()),
        categories: self::name(&row["productType"]).into_iter().collect(),
        attributes,
        price: first.price,
        price_high: None,
        currency: currency.map(str::to_owned),
        availability: first.availability,
        stock: row["totalInventory"]
            .as_i64()
            .filter(|_| row["tracksInventory"] == true),
        variants: if single { Vec::new() } else { variants },
        modified: text(&row["updatedAt"]),
    };
    product.sum_up();
    Some(Entry::Shown(Box::new(product)))
}

/// A node of a product's variants.
pub(super) fn variant(row: &Value) -> Option<Variant> {
    let option = |option: &Value| Some((name(&option["name"])?, name(&option["value"])?));
    let tracked = row["inventoryItem"]["tracked"] == true;
    let stock = row["inventoryQuantity"].as_i64().filter(|_| tracked);
    let availability = match row["availableForSale"].as_bool() {
        // It can be bought though none is there.
        Some(true) if stock.is_some_and(|stock| stock <= 0) => Availability::BackOrder,
        Some(true) => Availability::InStock,
        Some(false) => Availability::OutOfStock,
        None => Availability::Unknown,
    };
    Some(Variant {
        id: text(&row["legacyResourceId"])?,
        options: list(&row["selectedOptions"]).filter_map(option).collect(),
        sku: text(&row["sku"]),
        price: text(&row["price"]).as_deref().and_then(amount),
        availability,
        stock,
    })
}

/// What a request cost, and what is left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    requested: f64,
    available: f64,
    restored: f64,
}

impl Cost {
    /// Of an answer that tells.
    pub fn of(answer: &Value) -> Option<Self> {
        let cost = &answer["extensions"]["cost"];
        let status = &cost["throttleStatus"];
        let restored = status["restoreRate"].as_f64().filter(|rate| *rate > 0.0)?;
        Some(Self {
            requested: cost["requestedQueryCost"].as_f64()?,
            available: status["currentlyAvailable"].as_f64()?,
            restored,
        })
    }

    /// How long it takes until there is enough for another request like this one; none if there is.
    pub fn wait_for_another(self) -> Option<Duration> {
        let missing = self.requested - self.available;
        (missing > 0.0).then(|| Duration::try_from_secs_f64(missing / self.restored).unwrap_or(USUAL_WAIT))
    }
}

/// Why there is no data. Partial data is no answer: what is missing in it would look as if it were gone.
pub(super) fn error(answer: &Value, cost: Option<Cost>, secrets: &[SecretString]) -> Option<Error> {
    let errors = &answer["errors"];
    let first = match errors {
        Value::Null => None,
        Value::Array(errors) => errors.first(),
        other => Some(other),
    };
    let Some(first) = first else {
        return (!answer["data"].is_object()).then(|| Error::Unreadable("it has no data".into()));
    };
    Some(match first["extensions"]["code"].as_str() {
        Some("THROTTLED") => Error::Busy {
            retry_after: cost.and_then(Cost::wait_for_another).unwrap_or(USUAL_WAIT),
        },
        Some("ACCESS_DENIED" | "UNAUTHORIZED") => Error::Unauthorized(told(&first["message"], secrets)),
        _ => Error::Failing(format!("{}{}", told(&first["message"], secrets), told(first, secrets))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn lamp() -> Value {
        let variant = |id: &str, size: &str, price: &str, left: i64| {
            json!({ "id": format!("gid://shopify/ProductVariant/{id}"), "legacyResourceId": id,
            "sku": format!("L-{id}"), "price": price, "availableForSale": left > 0, "inventoryQuantity": left,
            "selectedOptions": [{ "name": "Size", "value": size }], "inventoryItem": { "tracked": true } })
        };
        json!({ "id": "gid://shopify/Product/7", "legacyResourceId": "7", "title": "Lamp", "status": "ACTIVE", "vendor": "Alder", "productType": "Lights",
            "descriptionHtml": "<p>Bright.</p>", "onlineStoreUrl": "https://shop.example/products/lamp", "updatedAt": "2026-11-21T20:54:55Z",
            "publishedAt": "2026-01-01T00:00:00Z", "totalInventory": 3, "tracksInventory": true, "hasOnlyDefaultVariant": false,
            "options": [{ "name": "Size", "values": ["S", "L"] }], "media": { "nodes": [] },
            "variants": { "nodes": [variant("1", "S", "19.00", 0), variant("2", "L", "29.00", 3)], "pageInfo": { "hasNextPage": false } } })
    }

    #[test]
    fn a_node_is_a_product_with_its_variants() {
        let Some(Entry::Shown(product)) = entry(&lamp(), Some("GBP")) else {
            panic!("it is shown")
        };
        assert_eq!(
            (product.price.as_deref(), product.price_high.as_deref()),
            (Some("19.00"), Some("29.00"))
        );
        assert_eq!((product.availability, product.stock), (Availability::InStock, Some(3)));
        assert_eq!(product.variants[0].availability, Availability::OutOfStock);
        assert_eq!(product.attributes[1], ("Brand".to_owned(), vec!["Alder".to_owned()]));
    }

    #[test]
    fn a_product_without_options_has_no_variants() {
        let mut row = lamp();
        row["hasOnlyDefaultVariant"] = json!(true);
        row["variants"]["nodes"].as_array_mut().unwrap().truncate(1);
        let Some(Entry::Shown(product)) = entry(&row, None) else {
            panic!("it is shown")
        };
        assert!(product.variants.is_empty());
        assert_eq!(
            (product.price.as_deref(), product.sku.as_deref()),
            (Some("19.00"), Some("L-1"))
        );
        assert_eq!(product.availability, Availability::OutOfStock);
    }

    #[test]
    fn what_is_not_for_everybody_is_hidden() {
        for (field, value) in [
            ("status", json!("DRAFT")),
            ("status", json!("UNLISTED")),
            ("publishedAt", json!(null)),
        ] {
            let mut row = lamp();
            row[field] = value;
            assert_eq!(entry(&row, None), Some(Entry::Hidden("7".into())), "{field}");
        }
        assert_eq!(entry(&Value::Null, None), None);
    }

    #[test]
    fn a_throttled_request_waits_as_long_as_the_refill_takes() {
        let answer = json!({ "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }], "extensions": { "cost": {
            "requestedQueryCost": 310, "actualQueryCost": null, "throttleStatus": { "maximumAvailable": 2000, "currentlyAvailable": 110, "restoreRate": 100 } } } });
        let cost = Cost::of(&answer);
        let retry_after = Duration::from_secs(2);
        assert_eq!(error(&answer, cost, &[]), Some(Error::Busy { retry_after }));
        let fine = json!({ "data": { "shop": {} }, "extensions": { "cost": { "requestedQueryCost": 10, "throttleStatus": { "currentlyAvailable": 990, "restoreRate": 50 } } } });
        assert_eq!(
            (
                error(&fine, Cost::of(&fine), &[]),
                Cost::of(&fine).and_then(Cost::wait_for_another)
            ),
            (None, None)
        );
    }

    #[test]
    fn errors_come_in_three_forms_and_partial_data_is_one() {
        let denied = json!({ "data": null, "errors": [{ "message": "Access denied for products field.", "extensions": { "code": "ACCESS_DENIED" } }] });
        assert!(matches!(error(&denied, None, &[]), Some(Error::Unauthorized(told)) if told.contains("products")));
        assert!(matches!(
            error(&json!({ "errors": "Not Found" }), None, &[]),
            Some(Error::Failing(_))
        ));
        let partial = json!({ "data": { "products": null }, "errors": [{ "message": "Timeout" }] });
        assert!(matches!(error(&partial, None, &[]), Some(Error::Failing(_))));
        assert!(matches!(error(&json!({}), None, &[]), Some(Error::Unreadable(_))));
    }

    #[test]
    fn ids_and_moments_of_others_never_reach_a_query() {
        assert_eq!(gid("12").as_deref(), Some("gid://shopify/Product/12"));
        for bad in ["", "1 OR 2", "gid://shopify/Order/1", "-1"] {
            assert_eq!(gid(bad), None);
        }
        assert_eq!(
            shortly_before("2026-11-21T20:54:55Z").as_deref(),
            Some("2026-11-21T20:49:55Z")
        );
        assert_eq!(shortly_before("' OR id:1"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_a_shop_sends_is_too_odd(text in ".{0,40}", number in any::<f64>()) {
            for field in ["legacyResourceId", "title", "variants", "options", "media", "descriptionHtml", "totalInventory"] {
                for odd in [json!(text), json!(number), json!(null), json!([text]), json!({ "nodes": [text] })] {
                    let mut row = lamp();
                    row[field] = odd.clone();
                    let _ = entry(&row, None);
                    let _ = error(&json!({ "errors": odd, "extensions": { "cost": { "requestedQueryCost": number } } }), None, &[]);
                }
            }
        }
    }
}
