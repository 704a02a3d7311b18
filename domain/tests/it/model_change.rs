//! An index changes to another embedding model beside itself, and answers all the while.
use domain::{
    answering::Answerer,
    jobs,
    pages::{
        index,
        model_change::{self, Switched},
        store, vector_index,
    },
    retrieval::{Loader, Mode, Searcher},
    tenancy::{Customer, Db},
};
use embedding::{Embedder, Kind, local::Known};
use sea_orm::ConnectionTrait;
use std::sync::Arc;
use testkit::Kit;
use uuid::Uuid;

const PAGES: [(&str, &str); 3] = [
    ("Shipping", "Parcels are delivered within two to four working days."),
    ("Returns", "Send goods back within 60 days and get your money refunded."),
    ("Boats", "The Fjord 14 weighs 24 kg and carries 130 kg."),
];
const GERMAN: &str = "Wie lange kann ich Waren zurückgeben?";

/// Publishes a page of one chunk with the model's vector, as an embed job does.
async fn publish(kit: &Kit, customer: &Customer, model: &(Arc<dyn Embedder>, Uuid), heading: &str, text: &str) {
    let url = format!("https://{}/{}", customer.domain, heading.to_lowercase());
    let page = testkit::page(url, heading, text);
    let tx = kit.db.tenant(customer).await.unwrap();
    model_change::adopt(&tx, model.1).await.unwrap();
    assert_eq!(model_change::hold(&tx).await.unwrap(), Some(model.1));
    let stored = store::save(&tx, &page).await.unwrap();
    let pending = index::pending(&tx, stored.id, false).await.unwrap().unwrap();
    let chunk = testkit::embedded(&*model.0, heading, text).await;
    index::publish(&tx, &pending, Some(model.1), &[chunk]).await.unwrap();
    tx.commit().await.unwrap();
}

/// One round of a job's: embeds what is missing and stores it; whether there was anything.
async fn embed(kit: &Kit, customer: &Customer, model: &(Arc<dyn Embedder>, Uuid), limit: u64) -> bool {
    let tx = kit.db.tenant(customer).await.unwrap();
    let bare = model_change::missing(&tx, model.1, (Uuid::nil(), Uuid::nil()), limit)
        .await
        .unwrap();
    let inputs: Vec<String> = bare.iter().map(model_change::Bare::input).collect();
    let vectors = model.0.embed(Kind::Passage, &inputs).await.unwrap();
    let new: Vec<_> = bare.iter().map(|bare| bare.id).zip(vectors).collect();
    model_change::store(&tx, model.1, &new).await.unwrap();
    tx.commit().await.unwrap();
    !bare.is_empty()
}

async fn switch(kit: &Kit, customer: &Customer, model: Uuid) -> Switched {
    let tx = kit.db.tenant(customer).await.unwrap();
    let switched = model_change::switch(&tx, model).await.unwrap();
    tx.commit().await.unwrap();
    switched
}

fn configured(searcher: &Searcher) -> (Arc<dyn Embedder>, Uuid) {
    let (embedder, id) = searcher.model().unwrap();
    (embedder.clone(), id)
}

#[tokio::test]
async fn searches_go_by_the_old_model_until_every_chunk_has_its_new_vector() {
    let kit = Kit::start().await;
    let customer = kit.customer("shop.example").await;
    let before = Searcher::new(kit.db.clone(), Some(testkit::local_model().await))
        .await
        .unwrap();
    let old = configured(&before);
    for (heading, text) in &PAGES[..2] {
        publish(&kit, &customer, &old, heading, text).await;
    }
    // What a process has that was restarted with another model.
    let (minilm, loader_of) = (old.0.clone(), "all-MiniLM-L6-v2");
    let loader: Loader = Arc::new(move |name| {
        let found = (name == loader_of).then(|| minilm.clone());
        Box::pin(async move { found })
    });
    let e5 = testkit::model(Known::E5Small).await;
    let after = Searcher::with_loader(kit.db.clone(), Some(e5), Some(loader))
        .await
        .unwrap();
    let new = configured(&after);
    let best = async |question: &str| {
        let found = after.search(&customer, question, Mode::Hybrid, 3).await.unwrap();
        assert_eq!(found.mode, "hybrid");
        assert!(
            found.passages.iter().all(|p| p.cosine.is_some()),
            "{:?}",
            found.passages
        );
        found.passages[0].title.clone()
    };
    assert_eq!(best("how long until my order comes?").await, "Shipping");

    assert_eq!(switch(&kit, &customer, new.1).await, Switched::Missing(2));
    assert!(embed(&kit, &customer, &new, 1).await);
    assert_eq!(best("can I have a refund").await, "Returns");
    // A crawl goes on meanwhile, with the old model.
    publish(&kit, &customer, &old, PAGES[2].0, PAGES[2].1).await;
    assert_eq!(switch(&kit, &customer, new.1).await, Switched::Missing(2));
    while embed(&kit, &customer, &new, 64).await {}
    let tx = kit.db.tenant(&customer).await.unwrap();
    assert_eq!(model_change::progress(&tx, new.1).await.unwrap(), (3, 3));
    drop(tx);
    let version = kit.count("SELECT index_version FROM customer_configs").await;
    assert_eq!(best("how much does the boat weigh").await, "Boats");
    assert_eq!(switch(&kit, &customer, new.1).await, Switched::Yes);

    assert_eq!(
        kit.count("SELECT index_version FROM customer_configs").await,
        version + 1
    );
    assert_eq!(kit.count("SELECT count(*) FROM next_embeddings").await, 0);
    let changed = format!("SELECT count(*) FROM page_embeddings WHERE model_id = '{}'", new.1);
    assert_eq!(kit.count(&changed).await, 3);
    // The first search after it went by what the process knew, found out, and was repeated.
    assert_eq!(best(GERMAN).await, "Returns");
    // A process that was not restarted has no such model and says so.
    assert_eq!(
        before.search(&customer, "refund", Mode::Hybrid, 3).await.unwrap().mode,
        "lexical"
    );
}

#[tokio::test]
async fn every_index_of_another_model_changes_and_what_has_none_needs_no_change() {
    let kit = Kit::start().await;
    let [old, _empty, new, bare] = [
        kit.customer("old.example").await,
        kit.customer("empty.example").await,
        kit.customer("new.example").await,
        kit.customer("bare.example").await,
    ];
    let searcher = Searcher::new(kit.db.clone(), Some(testkit::local_model().await))
        .await
        .unwrap();
    let model = configured(&searcher);
    for customer in [&old, &new, &bare] {
        publish(&kit, customer, &model, PAGES[0].0, PAGES[0].1).await;
    }
    let other = index::model_id(&kit.db, "another", 384).await.unwrap();
    let tx = kit.db.system().await.unwrap();
    for statement in [
        format!("UPDATE customer_configs SET embedding_model_id = '{other}' WHERE domain = 'old.example'"),
        format!("UPDATE customer_configs SET embedding_model_id = '{other}' WHERE domain = 'empty.example'"),
        "UPDATE page_embeddings e SET model_id = NULL, embedding = NULL FROM customer_configs c
         WHERE c.id = e.customer_id AND c.domain = 'bare.example'"
            .to_owned(),
    ] {
        tx.execute_unprepared(&statement).await.unwrap();
    }
    tx.commit().await.unwrap();
    let made = model_change::plan(&kit.db, model.1).await.unwrap();
    let customers = "SELECT count(DISTINCT j.customer_id) FROM jobs j JOIN customer_configs c ON c.id = j.customer_id
        WHERE j.kind = 'embed' AND c.domain IN ('old.example', 'bare.example')";
    assert_eq!((made.len(), kit.count(customers).await), (2, 2));
    let again = model_change::plan(&kit.db, model.1).await.unwrap();
    assert!(again.iter().all(|job| !job.fresh), "one change at a time");
    assert_eq!(
        kit.count("SELECT count(*) FROM customer_configs WHERE embedding_model_id IS NULL")
            .await,
        1
    );

    // The operator thinks better of it: changes to the first model end before those to the next begin.
    let next = model_change::plan(&kit.db, other).await.unwrap();
    assert_eq!(next.iter().filter(|job| job.fresh).count(), 2, "{next:?}");
    for job in made {
        let found = "SELECT count(*) FROM jobs WHERE state = 'cancelled' AND id = ";
        assert_eq!(kit.count(&format!("{found}'{}'", job.id)).await, 1);
    }
    let tx = kit.db.tenant(&new).await.unwrap();
    let mine = jobs::list(&tx, &jobs::Filter::default(), 9).await.unwrap();
    assert_eq!(mine.len(), 1, "its index has the first model");
}

#[tokio::test]
async fn a_model_gets_one_vector_index_and_a_broken_one_is_made_anew() {
    let kit = Kit::start().await;
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    let valid = "SELECT count(*) FROM pg_index i WHERE i.indisvalid AND i.indrelid = 'page_embeddings'::regclass
        AND pg_get_expr(i.indpred, i.indrelid) LIKE '%' || (SELECT id FROM embedding_models WHERE name = 'provided') || '%'";
    assert!(vector_index::ensure(&owner, "provided", 1536).await.unwrap());
    assert!(!vector_index::ensure(&owner, "provided", 1536).await.unwrap());
    assert_eq!(kit.count(valid).await, 1);
    let broken = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = (SELECT i.indexrelid FROM pg_index i
        WHERE pg_get_expr(i.indpred, i.indrelid) LIKE '%' || (SELECT id FROM embedding_models WHERE name = 'provided') || '%')";
    owner.execute_unprepared(broken).await.unwrap();
    assert_eq!(kit.count(valid).await, 0);
    assert!(vector_index::ensure(&owner, "provided", 1536).await.unwrap());
    assert_eq!(kit.count(valid).await, 1);
    for known in Known::ALL {
        let model = known.model();
        assert!(
            !vector_index::ensure(&owner, &model.name, model.dimension)
                .await
                .unwrap(),
            "{}",
            model.name
        );
    }
    assert_eq!(
        vector_index::ensure(&owner, "provided", 768).await.unwrap_err().code(),
        "model_dimension"
    );
    assert!(
        !vector_index::ensure(&owner, "huge", 4096).await.unwrap(),
        "nothing can be made for it"
    );
}

#[tokio::test]
async fn another_customer_s_chunks_get_no_vectors() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let searcher = Searcher::new(kit.db.clone(), Some(testkit::local_model().await))
        .await
        .unwrap();
    let model = configured(&searcher);
    publish(&kit, &b, &model, PAGES[0].0, PAGES[0].1).await;
    let other = index::model_id(&kit.db, "another", 3).await.unwrap();
    let foreign = {
        let tx = kit.db.tenant(&b).await.unwrap();
        model_change::missing(&tx, other, (Uuid::nil(), Uuid::nil()), 9)
            .await
            .unwrap()[0]
            .id
    };
    let tx = kit.db.tenant(&a).await.unwrap();
    model_change::store(
        &tx,
        other,
        &[(foreign, vec![1.0, 0.0, 0.0]), (Uuid::nil(), vec![1.0, 0.0, 0.0])],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(kit.count("SELECT count(*) FROM next_embeddings").await, 0);
}

#[tokio::test]
async fn whether_the_site_answers_is_judged_by_what_the_index_was_made_with() {
    let kit = Kit::start().await;
    let customer = kit.customer("shop.example").await;
    let e5 = testkit::model(Known::E5Small).await;
    let before = Searcher::new(kit.db.clone(), Some(e5.clone())).await.unwrap();
    let old = configured(&before);
    for (heading, text) in PAGES {
        publish(&kit, &customer, &old, heading, text).await;
    }
    // An English model is configured, and the index still has the one that knows German, too.
    let loader: Loader = Arc::new(move |_| {
        let e5 = e5.clone();
        Box::pin(async move { Some(e5) })
    });
    let english = testkit::local_model().await;
    let after = Searcher::with_loader(kit.db.clone(), Some(english), Some(loader))
        .await
        .unwrap();
    let answerer = Answerer::new(&kit.db, after, &kit.config.model).unwrap();
    let answer = answerer.preview(&customer, GERMAN).await.unwrap();
    assert!(answer.text.contains("60 days"), "{}", answer.text);
}
