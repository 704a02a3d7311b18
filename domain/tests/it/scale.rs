//! A provider's model, whose scale nobody knows: texts that have nothing to do with each other are near by it. It is judged as the others
//! are all the same, and what it costs is counted.
use crate::answering::{ask, session};
use domain::{
    answering::Answerer,
    pages::{index, store},
    retrieval::Searcher,
};
use embedding::{
    Calibration, Embedder, Model,
    openai::{OpenAi, Settings},
};
use std::{sync::Arc, time::Duration};
use testkit::{Kit, Provider, Script};

const SHIPPING: &str = "Parcels arrive within two to four working days. Bulky goods take a week.";
const BOATS: &str = "The Fjord 14 weighs 24 kg and carries 130 kg.";

/// Unrelated texts have a cosine of about 0.7 by it.
fn crowded(provider: &Provider) -> Arc<dyn Embedder> {
    let settings = Settings {
        base_url: provider.base_url(),
        key: None,
        model: Model {
            name: "crowded".into(),
            dimension: 385,
            max_tokens: 256,
            multilingual: true,
            calibration: Calibration::default(),
        },
        served_as: "crowded".into(),
        price: 20.0,
        passage_prefix: String::new(),
        query_prefix: String::new(),
        deadline: Duration::from_mins(1),
        patience: Duration::from_mins(1),
    };
    Arc::new(OpenAi::new(settings).unwrap())
}

#[tokio::test]
async fn a_model_to_which_all_texts_are_near_is_measured_and_refuses_what_the_site_does_not_say() {
    let provider = Provider::start(Script::Mute).await;
    provider.embed_by(testkit::local_model().await, 0.7);
    let model = crowded(&provider);
    let kit = Kit::start().await;
    let customer = kit.customer("shop.example").await;
    let searcher = Searcher::new(kit.db.clone(), Some(model.clone())).await.unwrap();
    let id = searcher.model().map(|(_, id)| id);
    let tx = kit.db.tenant(&customer).await.unwrap();
    for (path, heading, text) in [
        ("shipping", "Shipping > Delivery", SHIPPING),
        ("boats", "Kayaks > Fjord 14", BOATS),
    ] {
        let page = testkit::page(format!("https://shop.example/{path}"), heading, text);
        let stored = store::save(&tx, &page).await.unwrap();
        let pending = index::pending(&tx, stored.id, false).await.unwrap().unwrap();
        let chunk = testkit::embedded(&*model, heading, text).await;
        index::publish(&tx, &pending, id, &[chunk]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let answerer = Answerer::new(&kit.db, searcher, &kit.config.model).unwrap();
    let say = async |question: &str| {
        answerer
            .answer(&customer, &ask(session(), question), None)
            .await
            .unwrap()
    };
    let answer = say("How long does delivery take?").await;
    assert!(!answer.refused(), "{}", answer.text);
    let other = say("Who won the football world cup?").await;
    let why = other.refusal.map(domain::answering::Refusal::as_str);
    assert_eq!(why, Some("not_on_site"), "{}", other.text);

    let kept = "SELECT count(*) FROM embedding_models WHERE name = 'crowded'
        AND abs(cosine_zero - 0.7) < 0.03 AND abs(cosine_one - 1) < 0.03";
    assert_eq!(kit.count(kept).await, 1);
    let counted = "SELECT count(*) FROM usage_daily WHERE tokens_in > 10 AND abs(cost_usd - tokens_in * 20 / 1e6) < 1e-9 AND chats = 2";
    assert_eq!(kit.count(counted).await, 1, "what the vectors of questions cost");

    // Another process knows it without asking.
    provider.follow(Script::Fail(500));
    let searcher = Searcher::new(kit.db.clone(), Some(model)).await.unwrap();
    assert!(searcher.embed_query(None, &["anything".into()]).await.is_err());
    let (zero, known) = (0.7, searcher.models().configured().unwrap().calibration());
    assert!((known.zero - zero).abs() < 0.03, "{known:?}");
}
