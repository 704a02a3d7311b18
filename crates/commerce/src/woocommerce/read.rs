//! Rows of the API as products. Pure.
use egress::Response;
use serde_json::Value;
use time::{Duration, PrimitiveDateTime, macros::format_description};

use crate::{
    Availability, Entry, Product, Variant,
    answer::{list, name, text, url},
    product::amount,
    text::plain,
};

/// How many rows the whole list has.
pub(super) fn total(response: &Response) -> Option<u64> {
    response.headers.get("x-wp-total")?.to_str().ok()?.parse().ok()
}

/// When the row changed last: `2026-11-21T20:54:55`, in UTC.
pub(super) fn modified(row: &Value) -> Option<String> {
    minutes_before(0, row["date_modified_gmt"].as_str()?)
}

/// The moment so many minutes before this one, in the same form; none for another form.
pub(super) fn minutes_before(minutes: i64, text: &str) -> Option<String> {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let at = PrimitiveDateTime::parse(text, form).ok()?;
    at.checked_sub(Duration::minutes(minutes))?.format(form).ok()
}

/// Whether everybody may see the product.
pub(super) fn is_shown(row: &Value) -> bool {
    row["status"] == "publish" && row["catalog_visibility"] != "hidden" && text(&row["post_password"]).is_none()
}

/// A row of the list; none for what is no product.
pub(super) fn entry(row: &Value, currency: Option<&str>) -> Option<Entry> {
    let id = text(&row["id"])?;
    let name = name(&row["name"]);
    let (Some(name), true) = (name, is_shown(row)) else {
        return Some(Entry::Hidden(id));
    };
    let described = [&row["short_description"], &row["description"]].map(|part| text(part).unwrap_or_default());
    let categories = list(&row["categories"]).filter_map(|category| self::name(&category["name"]));
    Some(Entry::Shown(Box::new(Product {
        id,
        name,
        sku: text(&row["sku"]),
        url: url(&row["permalink"]),
        image: list(&row["images"]).find_map(|image| url(&image["src"])),
        description: plain(&described.join("\n")),
        categories: categories.filter(|name| name != "Uncategorized").collect(),
        attributes: list(&row["attributes"]).filter_map(attribute).collect(),
        price: price(row),
        price_high: None,
        currency: currency.map(str::to_owned),
        availability: availability(row),
        stock: row["stock_quantity"].as_i64(),
        variants: Vec::new(),
        modified: modified(row),
    })))
}

fn attribute(attribute: &Value) -> Option<(String, Vec<String>)> {
    let options: Vec<String> = list(&attribute["options"]).filter_map(name).collect();
    Some((name(&attribute["name"])?, options)).filter(|(_, options)| !options.is_empty())
}

/// A row of a product's variations.
pub(super) fn variant(row: &Value) -> Option<Variant> {
    if row["status"].as_str().is_some_and(|status| status != "publish") {
        return None;
    }
    let option = |option: &Value| Some((name(&option["name"])?, name(&option["option"])?));
    Some(Variant {
        id: text(&row["id"])?,
        options: list(&row["attributes"]).filter_map(option).collect(),
        sku: text(&row["sku"]),
        price: price(row),
        availability: availability(row),
        stock: row["stock_quantity"].as_i64(),
    })
}

fn price(row: &Value) -> Option<String> {
    text(&row["price"]).as_deref().and_then(amount)
}

fn availability(row: &Value) -> Availability {
    match row["stock_status"].as_str() {
        Some("instock") => Availability::InStock,
        Some("outofstock") => Availability::OutOfStock,
        Some("onbackorder") => Availability::BackOrder,
        _ => Availability::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// A row as a real shop (WooCommerce 9.4.3) gives it.
    fn mug() -> Value {
        json!({"id":10,"name":"Mug &amp; Saucer","slug":"mug","permalink":"https://s.example/p/mug/","type":"simple","status":"publish","sku":"M1",
            "price":"9.99","regular_price":"12.50","sale_price":"9.99","manage_stock":true,"stock_quantity":7,"stock_status":"instock",
            "short_description":"<p>Holds much.</p>","categories":[{"id":16,"name":"Mugs","slug":"mugs"}],"images":[{"id":5,"src":"https://s.example/m.jpg","alt":""}],
            "attributes":[{"id":0,"name":"Color","variation":false,"options":["Blue"]}],"variations":[],"date_modified_gmt":"2026-11-21T20:54:55"})
    }

    #[test]
    fn a_row_is_a_product() {
        let Some(Entry::Shown(product)) = entry(&mug(), Some("EUR")) else {
            panic!("it is shown")
        };
        assert_eq!((product.id.as_str(), product.name.as_str()), ("10", "Mug & Saucer"));
        assert_eq!(
            (product.price.as_deref(), product.currency.as_deref()),
            (Some("9.99"), Some("EUR"))
        );
        assert_eq!((product.availability, product.stock), (Availability::InStock, Some(7)));
        assert_eq!(product.attributes, [("Color".to_owned(), vec!["Blue".to_owned()])]);
        assert_eq!(modified(&mug()).as_deref(), Some("2026-11-21T20:54:55"));
    }

    #[test]
    fn what_is_not_for_everybody_is_hidden() {
        for (field, value) in [
            ("status", json!("draft")),
            ("status", json!("private")),
            ("status", json!("trash")),
            ("catalog_visibility", json!("hidden")),
            ("post_password", json!("open sesame")),
            ("name", json!("")),
        ] {
            let mut row = mug();
            row[field] = value;
            assert_eq!(entry(&row, None), Some(Entry::Hidden("10".into())), "{field}");
        }
        assert_eq!(entry(&json!({ "name": "no id" }), None), None);
    }

    #[test]
    fn a_moment_before_has_the_same_form() {
        let before = |text| minutes_before(5, text);
        assert_eq!(before("2026-11-21T20:54:55").as_deref(), Some("2026-11-21T20:49:55"));
        assert_eq!(before("2024-03-01T00:02:00").as_deref(), Some("2024-02-29T23:57:00"));
        assert_eq!(before("2026-01-01T00:00:01").as_deref(), Some("2025-12-31T23:55:01"));
        for other in [
            "",
            "yesterday",
            "2026-11-21T20:54:55Z",
            "2026-11-21 20:54:55",
            "２026-11-21T20:54:55",
        ] {
            assert_eq!(before(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_shop_sends_is_too_odd(text in ".{0,40}", number in any::<i64>()) {
            for field in ["id", "name", "permalink", "price", "stock_quantity", "categories", "images", "attributes", "date_modified_gmt"] {
                for odd in [json!(text), json!(number), json!(null), json!([text]), json!({ "name": text }), json!([{ "options": text }])] {
                    let mut row = mug();
                    row[field] = odd;
                    let _ = (entry(&row, None), variant(&row), modified(&row));
                }
            }
        }
    }
}
