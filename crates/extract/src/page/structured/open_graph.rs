//! What the head's meta elements say about a product or an article (<https://ogp.me>, and Facebook's `product:` names), in the
//! form of JSON-LD.

use serde_json::{Map, Value, json};

use super::text;
use crate::page::{dom::Dom, meta};

/// Our name, and the meta elements that give it, best first.
const ITEM: &[(&str, &[&str])] = &[
    ("name", &["og:title", "twitter:title"]),
    ("description", &["og:description", "description"]),
    ("image", &["og:image", "twitter:image"]),
    ("url", &["og:url"]),
    ("brand", &["product:brand", "og:brand"]),
    ("sku", &["product:retailer_item_id", "product:sku"]),
    ("gtin", &["product:ean", "product:gtin", "product:upc", "product:isbn"]),
    ("mpn", &["product:mfr_part_no"]),
    ("category", &["product:category"]),
    ("color", &["product:color"]),
    ("size", &["product:size"]),
    ("material", &["product:material"]),
];
const OFFER: &[(&str, &[&str])] = &[
    (
        "price",
        &["product:sale_price:amount", "product:price:amount", "og:price:amount"],
    ),
    (
        "priceCurrency",
        &[
            "product:sale_price:currency",
            "product:price:currency",
            "og:price:currency",
        ],
    ),
    ("availability", &["product:availability", "og:availability"]),
    ("itemCondition", &["product:condition"]),
];

/// The product or article of the page; none if the page does not say that it is one.
pub(super) fn item(dom: &Dom) -> Option<Value> {
    let said = meta::content(dom, "og:type").unwrap_or_default().to_ascii_lowercase();
    let offer = fields(dom, OFFER);
    let kind = if said.contains("product") || offer.contains_key("price") {
        "Product"
    } else if said == "article" {
        "Article"
    } else {
        return None;
    };
    let mut item = fields(dom, ITEM);
    item.insert("@type".to_owned(), json!(kind));
    if !offer.is_empty() {
        item.insert("offers".to_owned(), Value::Object(offer));
    }
    Some(Value::Object(item))
}

fn fields(dom: &Dom, names: &[(&str, &[&str])]) -> Map<String, Value> {
    let first = |metas: &[&str]| metas.iter().find_map(|name| meta::content(dom, name));
    let found = names.iter().filter_map(|(name, metas)| Some((*name, first(metas)?)));
    found
        .map(|(name, value)| (name.to_owned(), json!(text::cut(value, text::LONG))))
        .collect()
}
