//! The page store and the index: versions, chunks that keep their vectors, and searches that find them.
use domain::{
    pages::{
        frontier::{self, Counts, Lead, Next},
        index, languages,
        request::{self, ScrapeRequest},
        store::{self, Change, FetchedPage},
    },
    retrieval::{Mode, Searcher},
    tenancy::{Customer, Db, TenantTx},
};
use embedding::Kind;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::Kit;
use uuid::Uuid;

fn page(url: &str, title: &str, markdown: &str) -> FetchedPage {
    FetchedPage {
        etag: Some("\"1\"".into()),
        structured: testkit::json_ld(&[("faq", serde_json::json!({ "question": "Why?" }))]),
        ..testkit::page(url, title, markdown)
    }
}

fn chunk(heading: &str, text: &str, embedding: Option<Vec<f32>>) -> index::NewChunk {
    index::NewChunk {
        embedding,
        ..testkit::chunk(heading, text)
    }
}

async fn publish(tx: &TenantTx, id: Uuid, model: Option<Uuid>, chunks: &[index::NewChunk]) {
    let pending = index::pending(tx, id, true).await.unwrap().unwrap();
    index::publish(tx, &pending, model, chunks).await.unwrap();
}

#[tokio::test]
async fn a_page_s_version_grows_with_its_content_only() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let first = store::save(&tx, &page("https://a.example/", "T", "one")).await.unwrap();
    let same = store::save(&tx, &page("https://a.example/", "T", "one")).await.unwrap();
    let changed = store::save(&tx, &page("https://a.example/", "T", "two")).await.unwrap();
    assert_eq!(
        [first.change, same.change, changed.change],
        [Change::New, Change::Same, Change::Changed]
    );
    assert_eq!(first.id, changed.id);
    assert_eq!(store::get(&tx, first.id).await.unwrap().version, 2);
    assert_eq!(
        store::known(&tx, "https://a.example/")
            .await
            .unwrap()
            .unwrap()
            .etag
            .as_deref(),
        Some("\"1\"")
    );
}

#[tokio::test]
async fn an_unchanged_chunk_keeps_its_vector_when_its_page_changes() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let stored = store::save(&tx, &page("https://a.example/", "T", "x")).await.unwrap();
    let vector = |x: f32| {
        Some(
            std::iter::once(x)
                .chain(std::iter::repeat_n(0.0, 383))
                .collect::<Vec<f32>>(),
        )
    };
    let model = Some(index::LOCAL_MODEL);
    publish(
        &tx,
        stored.id,
        model,
        &[chunk("T", "stays", vector(0.5)), chunk("T", "goes", vector(0.25))],
    )
    .await;
    let hashes = ["stays", "goes", "comes"].map(|text| chunk("T", text, None).hash);
    assert_eq!(
        index::embedded(&tx, &hashes, index::LOCAL_MODEL).await.unwrap().len(),
        2
    );
    publish(
        &tx,
        stored.id,
        model,
        &[chunk("T", "comes", vector(0.125)), chunk("T", "stays", None)],
    )
    .await;
    tx.commit().await.unwrap();
    let kept = "SELECT count(*) FROM page_embeddings WHERE text = 'stays' AND ordinal = 1
                AND (embedding::halfvec(384))::vector <-> ('[0.5' || repeat(',0', 383) || ']')::vector < 0.001";
    assert_eq!(kit.count(kept).await, 1);
    assert_eq!(kit.count("SELECT count(*) FROM page_embeddings").await, 2);
}

async fn index_texts(kit: &Kit, customer: &Customer, texts: &[(&str, &str)]) -> Searcher {
    let embedder = testkit::local_model().await;
    let searcher = Searcher::new(kit.db.clone(), Some(embedder.clone())).await.unwrap();
    let tx = kit.db.tenant(customer).await.unwrap();
    for (heading, text) in texts {
        let url = format!("https://{}/{}", customer.domain, heading.to_lowercase());
        let stored = store::save(&tx, &page(&url, heading, text)).await.unwrap();
        let vector = embedder
            .embed(Kind::Passage, &[format!("{heading}\n{text}")])
            .await
            .unwrap()
            .remove(0);
        publish(
            &tx,
            stored.id,
            Some(index::LOCAL_MODEL),
            &[chunk(heading, text, Some(vector))],
        )
        .await;
    }
    tx.commit().await.unwrap();
    searcher
}

#[tokio::test]
async fn a_search_finds_by_meaning_and_by_words_and_only_in_the_customer_s_own_pages() {
    let kit = Kit::start().await;
    let (a, b) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let texts = [
        ("Shipping", "Parcels are delivered within two to four working days."),
        ("Returns", "Send goods back within 60 days and get your money refunded."),
        ("Model XR-7741", "The spare rudder fits all touring kayaks."),
    ];
    let searcher = index_texts(&kit, &a, &texts).await;
    let best = async |question: &str, mode| {
        let search = searcher.search(&a, question, mode, 5).await.unwrap();
        (search.passages[0].title.clone(), search.mode)
    };
    assert_eq!(
        best("how long until my order comes?", Mode::Hybrid).await,
        ("Shipping".into(), "hybrid")
    );
    assert_eq!(
        best("can I have a refund", Mode::Vector).await,
        ("Returns".into(), "vector")
    );
    assert_eq!(
        best("XR-7741", Mode::Lexical).await,
        ("Model XR-7741".into(), "lexical")
    );
    assert!(
        searcher
            .search(&b, "refund", Mode::Hybrid, 5)
            .await
            .unwrap()
            .passages
            .is_empty()
    );
    let odd = searcher
        .search(&a, "' OR 1=1; & | ! <-> :* \\", Mode::Hybrid, 5)
        .await
        .unwrap();
    assert_eq!(odd.passages.len(), 3, "odd characters are just no words");
}

#[tokio::test]
async fn the_next_urls_of_a_large_site_cost_no_more_than_those_of_a_small_one() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let job = request::request_scrape(&tx, &ScrapeRequest::of("https://a.example/"))
        .await
        .unwrap()
        .id;
    frontier::work_by_keys(&*tx).await.unwrap();
    let leads: Vec<Lead> = (0..2000)
        .map(|n| Lead::new(format!("https://a.example/{n}"), 1))
        .collect();
    let admit = async |leads: &[Lead]| {
        frontier::admit(&*tx, customer.id, job, leads, 5000)
            .await
            .unwrap()
            .len()
    };
    let take = async |limit| frontier::take(&*tx, job, 0, limit).await.unwrap().len();
    let finish = async |leads: &[Lead]| {
        let visited: Vec<_> = leads.iter().map(|lead| (lead.url.as_str(), &Next::Done)).collect();
        frontier::finish(&*tx, job, &visited).await.unwrap();
    };
    // The statements are planned while there is nothing.
    finish(&leads[..1]).await;
    assert_eq!((take(1).await, admit(&leads).await), (0, 2000));
    let read = async || {
        let count = "SELECT sum(pg_stat_get_xact_tuples_fetched(indexrelid))::bigint AS n FROM pg_index WHERE indrelid = 'crawl_frontier'::regclass";
        let row = tx
            .query_one_raw(Statement::from_string(DbBackend::Postgres, count))
            .await;
        row.unwrap().unwrap().try_get::<i64>("", "n").unwrap()
    };
    for visits in [0..16, 16..32] {
        let before = read().await;
        assert_eq!((admit(&leads[visits.clone()]).await, take(16).await), (0, 16));
        finish(&leads[visits.clone()]).await;
        let named: Vec<String> = leads[visits].iter().map(|lead| lead.url.clone()).collect();
        assert_eq!(frontier::take_named(&*tx, job, &named).await.unwrap().len(), 0);
        let rows = read().await - before;
        assert!((64..320).contains(&rows), "{rows} rows are read for 64");
        // Another connection plans them later, by what was known when each job had one URL.
        begin_another(&kit, &customer).await;
        let owner = Db::connect_owner(&kit.config.database).await.unwrap();
        owner.execute_unprepared("ANALYZE crawl_frontier").await.unwrap();
        tx.execute_unprepared("DISCARD PLANS").await.unwrap();
    }
}

/// A crawl that knows one URL.
async fn begin_another(kit: &Kit, customer: &Customer) {
    let tx = kit.db.tenant(customer).await.unwrap();
    let url = "https://a.example/another";
    let job = request::request_scrape(&tx, &ScrapeRequest::of(url)).await.unwrap().id;
    frontier::admit(&*tx, customer.id, job, &[Lead::new(url, 0)], 1)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_crawl_s_worklist_admits_each_url_once_and_gives_up_what_kills_its_workers() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let job = request::request_scrape(&tx, &ScrapeRequest::of("https://a.example/"))
        .await
        .unwrap()
        .id;
    let leads = |names: &[&str]| {
        names
            .iter()
            .map(|n| Lead::new(format!("https://a.example/{n}"), 1))
            .collect::<Vec<_>>()
    };
    let admit = async |names: &[&str], room| {
        frontier::admit(&*tx, customer.id, job, &leads(names), room)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(
        admit(&["a", "A", "b", "a"], 9).await,
        3,
        "paths differ by case, and a double is one"
    );
    assert_eq!(admit(&["b", "a"], 9).await, 0, "known");
    assert_eq!(admit(&["b", "c", "d"], 1).await, 1, "known ones take no room");
    assert_eq!(admit(&["e"], 0).await, 0);
    let take = async |limit| frontier::take(&*tx, job, 0, limit).await.unwrap();
    for attempt in 1..=3 {
        let taken = take(1).await;
        assert_eq!(
            (taken[0].open.url.as_str(), taken[0].open.attempts),
            ("https://a.example/a", attempt)
        );
        let given_up = frontier::reopen(&*tx, job).await.unwrap();
        assert_eq!(given_up.len(), usize::from(attempt == 3));
    }
    let b = "https://a.example/b";
    let named = [b.to_owned(), b.to_owned(), "https://a.example/x".to_owned()];
    assert_eq!(frontier::take_named(&*tx, job, &named).await.unwrap().len(), 1);
    assert_eq!(take(10).await.len(), 2);
    let visited = [(b, &Next::Done), ("https://a.example/c", &Next::Later)];
    frontier::finish(&*tx, job, &visited).await.unwrap();
    let counts = async || frontier::counts(&*tx, job).await.unwrap();
    let of = |total, done| Counts {
        total,
        done,
        waiting: 0,
    };
    assert_eq!(counts().await, of(4, 2));
    let waits = Next::Waits(b.to_owned());
    frontier::finish(&*tx, job, &[("https://a.example/c", &waits)])
        .await
        .unwrap();
    let told = counts().await;
    assert_eq!((told.done, told.visited()), (2, 3), "it has been asked for");
    frontier::finish(&*tx, job, &[("https://a.example/c", &Next::Later)])
        .await
        .unwrap();
    frontier::release(&*tx, job).await.unwrap();
    assert_eq!(frontier::open(&*tx, job).await.unwrap(), ["https://a.example/A"]);
    assert_eq!(frontier::abandon(&*tx, job, "budget: minutes").await.unwrap(), 2);
    assert_eq!(counts().await, of(4, 4));
}

#[tokio::test]
async fn a_crawl_starts_on_the_customer_s_own_domains_and_is_checked_before() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let refused = [
        ("https://other.example/", "url"),
        ("ftp://a.example/", "url"),
        ("https://user:pw@a.example/", "url"),
        ("nonsense", "url"),
    ];
    for (url, field) in refused {
        let error = request::request_scrape(&tx, &ScrapeRequest::of(url)).await.unwrap_err();
        assert!(error.public_message().starts_with(field), "{url}: {error}");
    }
    let endless = ScrapeRequest {
        max_pages: 0,
        ..ScrapeRequest::of("https://a.example/")
    };
    assert!(request::request_scrape(&tx, &endless).await.is_err());
    drop(tx);
    assert_eq!(kit.count("SELECT count(*) FROM jobs").await, 0);

    let host = "preview.example".parse().unwrap();
    domain::tenancy::add_domain(&kit.db, &customer, &host).await.unwrap();
    let tx = kit.db.tenant(&customer).await.unwrap();
    let job = request::request_scrape(&tx, &ScrapeRequest::of("https://preview.example/"))
        .await
        .unwrap();
    assert_eq!(
        store::scrape_settings(&tx, job.id).await.unwrap().max_pages,
        10,
        "without proof, a preview only"
    );
}

#[tokio::test]
async fn customers_whose_pages_are_mostly_not_english_are_known() {
    let kit = Kit::start().await;
    for (domain, languages) in [
        ("laden.example", ["de", "de-CH", "de", "de", "en", ""]),
        ("shop.example", ["en", "en-GB", "de", "de", "en", "en"]),
    ] {
        let customer = kit.customer(domain).await;
        let tx = kit.db.tenant(&customer).await.unwrap();
        for (n, language) in languages.into_iter().enumerate() {
            let page = FetchedPage {
                language: Some(language.to_owned()).filter(|code| !code.is_empty()),
                ..page(&format!("https://{domain}/{n}"), "T", &format!("text {n}"))
            };
            store::save(&tx, &page).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    let found = languages::mostly_foreign(&kit.db).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.domain.as_str(), one.foreign_pages, one.pages))
        .collect();
    assert_eq!(found, [("laden.example", 4, 5)]);
}
