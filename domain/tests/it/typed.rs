//! Answers without a model that come from typed rows, and from two sections at once.
use domain::{
    pages::store::{self, FetchedPage},
    tenancy::Customer,
};
use serde_json::{Value, json};
use testkit::Kit;

use crate::answering::installation;

async fn describe(kit: &Kit, customer: &Customer, path: &str, text: &str, rows: &[(&str, Value)]) {
    let tx = kit.db.tenant(customer).await.unwrap();
    let page = FetchedPage {
        structured: testkit::json_ld(rows),
        ..testkit::page(format!("https://shop.example/{path}"), path, text)
    };
    store::save(&tx, &page).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn prices_and_ways_to_reach_somebody_come_from_typed_rows() {
    let (kit, customer, answerer) = installation(&[]).await;
    let product = json!({"name": "Fjord 14", "price": "1290.00", "currency": "EUR", "availability": "in_stock"});
    let boats = "The Fjord 14 weighs 24 kg and carries 130 kg.";
    describe(&kit, &customer, "boats", boats, &[("product", product)]).await;
    let contact = json!({"telephones": ["+47 55 55 01 40"], "emails": ["hello@shop.example"], "addresses": []});
    describe(&kit, &customer, "contact", "Drop in.", &[("contact", contact)]).await;

    let answer = answerer.preview(&customer, "How much is the Fjord 14?").await.unwrap();
    assert_eq!(answer.text, "**Fjord 14**: €1290.00, in stock [1]");
    assert_eq!(answer.sources[0].url, "https://shop.example/boats");

    let answer = answerer.preview(&customer, "What is your phone number?").await.unwrap();
    assert_eq!(answer.text, "Telephone: +47 55 55 01 40 [1]");
    assert_eq!(answer.sources[0].url, "https://shop.example/contact");

    let others = "What is the phone number of the Bergen Tourist Board?";
    assert!(answerer.preview(&customer, others).await.unwrap().refused());
    assert_eq!(
        kit.count("SELECT count(*) FROM messages").await,
        0,
        "a preview stores nothing"
    );
}

#[tokio::test]
async fn a_question_of_two_parts_is_answered_from_two_pages() {
    let (_kit, customer, answerer) = installation(&[]).await;
    let question = "How long does delivery take and how many days do I have to send something back?";
    let answer = answerer.preview(&customer, question).await.unwrap();
    assert_eq!(
        answer.text,
        "Parcels arrive within two to four working days. Bulky goods take a week. [1]\n\n\
         You can send everything back within 60 days. The refund takes five working days. [2]"
    );
    let urls: Vec<&str> = answer.sources.iter().map(|s| s.url.as_str()).collect();
    assert_eq!(urls, ["https://shop.example/shipping", "https://shop.example/returns"]);
}

#[tokio::test]
async fn a_simplified_answer_is_short_also_where_the_site_is_not_and_two_things_are_asked() {
    let (kit, customer, answerer) = installation(&[("USE_SIMPLIFIED_PROMPT", "true")]).await;
    let street = format!("Quay 1, {} Bergen", "behind the old harbour house, ".repeat(20));
    let contact = json!({"telephones": [], "emails": [], "addresses": [street]});
    describe(&kit, &customer, "contact", "Drop in.", &[("contact", contact)]).await;
    for question in [
        "Where are you located?",
        "How long does delivery take and how many days do I have to send something back?",
    ] {
        let answer = answerer.preview(&customer, question).await.unwrap();
        let words = answer.text.split_whitespace().count();
        assert!(
            !answer.refused() && (5..=75).contains(&words),
            "{words}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_refusal_leads_to_people_by_what_the_site_publishes() {
    let (kit, customer, answerer) = installation(&[]).await;
    let refusal = async || {
        let answer = answerer
            .preview(&customer, "Who won the football world cup?")
            .await
            .unwrap();
        assert!(answer.refused(), "{}", answer.text);
        let urls: Vec<String> = answer.sources.into_iter().map(|source| source.url).collect();
        (answer.text, urls)
    };
    let said = "I'm sorry, I found nothing about that on this site.";
    assert_eq!(refusal().await, (said.to_owned(), vec![]));

    // A page that is for it, before anything on it is marked up.
    describe(&kit, &customer, "contact", "Drop in.", &[]).await;
    let page = "https://shop.example/contact".to_owned();
    assert_eq!(
        refusal().await,
        (format!("{said} You can reach us at {page}."), vec![page.clone()])
    );

    let telephone = json!({"telephones": ["+47 55 55 01 40"], "emails": [], "addresses": []});
    describe(&kit, &customer, "contact", "Drop in now.", &[("contact", telephone)]).await;
    assert_eq!(
        refusal().await,
        (
            format!("{said} You can reach us at +47 55 55 01 40."),
            vec![page.clone()]
        )
    );

    let both = json!({"telephones": ["+47 55 55 01 40"], "emails": ["hello@shop.example"], "addresses": []});
    describe(&kit, &customer, "contact", "Drop in soon.", &[("contact", both)]).await;
    assert_eq!(
        refusal().await,
        (format!("{said} You can reach us at hello@shop.example."), vec![page])
    );
}
