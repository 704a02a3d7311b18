//! What a search tells of the passages that it finds.
use domain::pages::index::{self, Kind, NewChunk};
use serde_json::json;

use crate::app::App;

#[tokio::test]
async fn each_passage_says_what_it_was_made_of() {
    let app = App::start().await;
    let page = app
        .page("Shipping", "Shipping costs 4.90 EUR within the country.")
        .await;
    let chunk = |kind, heading: &str, text: &str| NewChunk {
        kind,
        ..testkit::chunk(heading, text)
    };
    let tx = app.kit.db.tenant(&app.shop).await.unwrap();
    let pending = index::pending(&tx, page, true).await.unwrap().unwrap();
    let chunks = [
        chunk(Kind::Content, "Shipping", "Shipping costs 4.90 EUR within the country."),
        chunk(
            Kind::Faq,
            "Shipping > Is shipping free?",
            "Shipping of orders above 80 EUR is free.",
        ),
        chunk(
            Kind::Product,
            "Box",
            "A box for shipping of paddles, made of cardboard.",
        ),
    ];
    index::publish(&tx, &pending, None, &chunks).await.unwrap();
    tx.commit().await.unwrap();
    let found = app
        .get("/api/search?q=shipping")
        .bearer(&app.key)
        .send()
        .await
        .expect(200);
    let items = found["items"].as_array().unwrap();
    let kind = |part: &str| {
        let found = items
            .iter()
            .find(|item| item["text"].as_str().is_some_and(|text| text.contains(part)));
        found.map(|item| item["kind"].clone())
    };
    assert_eq!(kind("4.90 EUR"), Some(json!("content")), "{found}");
    assert_eq!(kind("80 EUR"), Some(json!("faq")), "{found}");
    assert_eq!(kind("cardboard"), Some(json!("product")), "{found}");
}
