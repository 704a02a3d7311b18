//! A product as a page of the index: what it is, without its price and stock. Pure.
use ::commerce::Product;

use crate::{language, pages::store::FetchedPage};

/// Longest description that is indexed, in characters.
const DESCRIPTION: usize = 20_000;

/// The page of a product at its address.
pub(super) fn of(product: &Product, url: &str) -> FetchedPage {
    let description: String = product.description.chars().take(DESCRIPTION).collect();
    let mut parts = vec![format!("# {}", product.name)];
    parts.extend(blocks(&description));
    let facts = facts(product);
    if !facts.is_empty() {
        parts.push(facts);
    }
    let markdown = parts.join("\n\n");
    FetchedPage {
        url: url.to_owned(),
        canonical: Some(url.to_owned()),
        title: product.name.clone(),
        language: language::detect(&description).map(|locale| locale.code().to_owned()),
        markdown,
        status: 200,
        etag: None,
        last_modified: None,
        structured: Vec::new(),
        navigational: false,
    }
}

/// Lines as paragraphs; items that follow each other as one list. A line can't begin a heading of its own.
fn blocks(description: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut in_list = false;
    for line in description.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.trim_start_matches('#').trim_start();
        let item = line.starts_with("- ");
        match blocks.last_mut() {
            Some(list) if item && in_list => {
                list.push('\n');
                list.push_str(line);
            }
            _ => blocks.push(line.to_owned()),
        }
        in_list = item;
    }
    blocks
}

fn facts(product: &Product) -> String {
    let categories = (!product.categories.is_empty()).then(|| format!("- Category: {}", product.categories.join(", ")));
    let attributes = product
        .attributes
        .iter()
        .map(|(name, values)| format!("- {name}: {}", values.join(", ")));
    let sku = product.sku.as_ref().map(|sku| format!("- SKU: {sku}"));
    categories
        .into_iter()
        .chain(attributes)
        .chain(sku)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_s_page_says_what_it_is_and_not_what_it_costs() {
        let product = Product {
            id: "10".into(),
            name: "Fjord mug".into(),
            sku: Some("M1".into()),
            description:
                "# Holds half a litre of whatever you like.\n- Dishwasher safe\n- Made of stoneware\nFired twice."
                    .into(),
            categories: vec!["Mugs".into(), "Kitchen".into()],
            attributes: vec![("Color".into(), vec!["Blue".into(), "Grey".into()])],
            price: Some("19.75".into()),
            stock: Some(4711),
            ..Product::default()
        };
        let page = of(&product, "https://shop.example/p/mug");
        assert_eq!(
            page.markdown,
            "# Fjord mug\n\nHolds half a litre of whatever you like.\n\n- Dishwasher safe\n- Made of stoneware\n\nFired twice.\n\n- Category: Mugs, Kitchen\n- Color: Blue, Grey\n- SKU: M1"
        );
        assert!(!page.markdown.contains("19.75") && !page.markdown.contains("4711"));
    }
}
