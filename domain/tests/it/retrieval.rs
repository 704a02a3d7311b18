//! Searches against a real Postgres: the words' ranks are BM25's, each chunk is asked in its own language, and large customers are
//! searched by the vector index without missing what is theirs.
use domain::{
    pages::{
        index::{self, Kind, NewChunk},
        store::{self, FetchedPage},
    },
    retrieval::{EXACT_LIMIT, Mode, Passage, Searcher},
    tenancy::Customer,
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use testkit::Kit;

fn page(customer: &Customer, path: &str, language: &str, structured: &[(&str, Value)]) -> FetchedPage {
    FetchedPage {
        language: Some(language.into()),
        structured: testkit::json_ld(structured),
        ..testkit::page(format!("https://{}/{path}", customer.domain), path, path)
    }
}

/// A page of one chunk: (path, language, heading, text, tokens).
type Row<'a> = (&'a str, &'a str, &'a str, &'a str, i32);

async fn publish(kit: &Kit, customer: &Customer, rows: &[Row<'_>]) {
    let tx = kit.db.tenant(customer).await.unwrap();
    for (path, language, heading, text, tokens) in rows {
        let stored = store::save(&tx, &page(customer, path, language, &[])).await.unwrap();
        let pending = index::pending(&tx, stored.id, true).await.unwrap().unwrap();
        let chunk = NewChunk {
            tokens: *tokens,
            ..testkit::chunk(heading, text)
        };
        index::publish(&tx, &pending, None, &[chunk]).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn words(kit: &Kit, customer: &Customer, question: &str) -> Vec<Passage> {
    let searcher = Searcher::new(kit.db.clone(), None).await.unwrap();
    searcher
        .search(customer, question, Mode::Lexical, 20)
        .await
        .unwrap()
        .passages
}

const ROWS: [Row; 4] = [
    ("a", "en", "Boat", "kayak kayak kayak rudder", 20),
    ("b", "en", "Kayak", "rudder paddle", 10),
    ("c", "en", "Paddle", "tent tent stove", 30),
    ("d", "en", "Camp", "stove paddle", 40),
];

/// BM25 with k1 1.2, b 0.75 and a heading that counts five times, since keywords are asked for.
fn bm25(terms: &[(f64, f64)], length: f64) -> f64 {
    let (chunks, average) = (4.0, 2.75);
    let of = |(n, df): &(f64, f64)| {
        let idf = (1.0 + (chunks - df + 0.5) / (df + 0.5)).ln();
        idf * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * length / average))
    };
    terms.iter().map(of).sum()
}

#[tokio::test]
async fn words_rank_by_bm25_with_the_customer_s_own_counts() {
    let kit = Kit::start().await;
    let (customer, other) = (kit.customer("a.example").await, kit.customer("b.example").await);
    publish(&kit, &customer, &ROWS).await;
    publish(&kit, &other, &[("x", "en", "Kayak", "kayak paddle", 10)]).await;
    let found = words(&kit, &customer, "kayak paddle").await;
    let mut expected = [
        ("a", bm25(&[(3.0, 2.0)], 4.0)),
        ("b", bm25(&[(5.0, 2.0), (1.0, 3.0)], 2.0)),
        ("c", bm25(&[(5.0, 3.0)], 3.0)),
        ("d", bm25(&[(1.0, 3.0)], 2.0)),
    ];
    expected.sort_by(|a, b| b.1.total_cmp(&a.1));
    assert_eq!(found.len(), 4);
    for (passage, (title, rank)) in found.iter().zip(expected) {
        assert_eq!(passage.title, title);
        let relative = rank / expected[0].1;
        assert!(
            (passage.lexical - relative).abs() < 1e-6,
            "{title}: {} for {relative}",
            passage.lexical
        );
    }
    let coverage: Vec<f64> = found.iter().map(|p| p.coverage).collect();
    assert!(coverage[0] > 0.99, "b has both words");
    assert!(coverage[1..].iter().all(|c| (c - 0.5).abs() < 1e-9), "{coverage:?}");
}

#[tokio::test]
async fn counts_follow_what_is_taken_out_and_put_back() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    publish(&kit, &customer, &ROWS).await;
    let rarity = async || {
        let found = words(&kit, &customer, "kayak").await;
        (found.len(), found[0].words[0].rarity)
    };
    let before = rarity().await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let id = store::list(&tx, Some("/b"), None, 1).await.unwrap()[0].id;
    domain::pages::removal::delete(&tx, id).await.unwrap();
    tx.commit().await.unwrap();
    let without = rarity().await;
    assert_eq!((before.0, without.0), (2, 1));
    assert!(
        without.1 > before.1,
        "a word of one chunk in three is rarer than one of two in four"
    );
    let tx = kit.db.tenant(&customer).await.unwrap();
    domain::pages::removal::restore(&tx, id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rarity().await, before);
}

#[tokio::test]
async fn each_chunk_is_asked_in_its_own_language() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let rows = [
        (
            "en",
            "en",
            "Shipping",
            "The parcels die hard and arrive within two days.",
            20,
        ),
        (
            "de",
            "de",
            "Versand",
            "Lieferungen kommen innerhalb von zwei Tagen an.",
            20,
        ),
        ("ja", "ja", "配送", "XR-7741 配送", 20),
    ];
    publish(&kit, &customer, &rows).await;
    let found = words(&kit, &customer, "die Lieferung innerhalb von zwei Tagen").await;
    assert_eq!(found[0].title, "de");
    assert_eq!(
        (found[0].coverage, found[0].lexical),
        (1.0, 1.0),
        "stems and little words are German"
    );
    let english = found.iter().find(|p| p.title == "en").unwrap();
    assert!(
        english.lexical < 0.3,
        "a word that only looks the same: {}",
        english.lexical
    );
    assert_eq!(words(&kit, &customer, "when do parcels arrive").await[0].title, "en");
    assert_eq!(words(&kit, &customer, "XR-7741").await[0].title, "ja");
}

#[tokio::test]
async fn of_a_question_of_many_words_the_longest_count_and_odd_ones_do_no_harm() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let listed: Vec<String> = (0..40).map(|n| format!("w{}{n}", "o".repeat(n))).collect();
    let all = listed.join(" ");
    publish(
        &kit,
        &customer,
        &[("all", "en", "", &all, 40), ("first", "en", "", &listed[0], 10)],
    )
    .await;
    let found = words(&kit, &customer, &all).await;
    assert_eq!((found.len(), found[0].title.as_str()), (1, "all"));
    assert!(found[0].coverage > 0.99);
    for odd in ["' OR 1=1; & | ! <-> :* \\", "{1:1}/2", "?", "\u{1f600}", "the and of"] {
        assert_eq!(words(&kit, &customer, odd).await, []);
    }
}

/// Inserts chunks of one form, `vector` being SQL for what each has, and a page for them.
pub(super) async fn fill(kit: &Kit, customer: &Customer, chunks: i64, vector: &str) {
    let tx = kit.db.tenant(customer).await.unwrap();
    let stored = store::save(&tx, &page(customer, "filled", "en", &[])).await.unwrap();
    tx.commit().await.unwrap();
    let model = format!("CASE WHEN {vector} IS NOT NULL THEN '{}'::uuid END", index::LOCAL_MODEL);
    let insert = format!(
        "INSERT INTO page_embeddings (id, customer_id, page_id, ordinal, heading_path, text, text_hash, tokens, model_id, embedding)
         SELECT gen_random_uuid(), '{}', '{}', n, '', 'chunk ' || n, '', 10, {model}, {vector} FROM generate_series(1, {chunks}) n",
        customer.id, stored.id
    );
    let tx = kit.db.system().await.unwrap();
    tx.execute_unprepared(&insert).await.unwrap();
    tx.commit().await.unwrap();
}

/// A unit vector near the first axis, the nearer the smaller `n` is.
pub(super) const NEAR: &str =
    "(SELECT array_agg(CASE i WHEN 1 THEN 1 WHEN 2 + n % 300 THEN {far} + n / 100000.0 ELSE 0 END ORDER BY i)
  FROM generate_series(1, 384) i)::real[]::vector::halfvec";

#[tokio::test]
async fn the_vector_index_serves_large_customers_only_and_finds_what_is_theirs() {
    const SCANS: &str = "SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE indexrelname LIKE 'idx_embeddings_vector%'";
    let kit = Kit::start().await;
    let (large, small) = (kit.customer("large.example").await, kit.customer("small.example").await);
    // The other customer's chunks are all nearer to the question than the own ones, and more than the index looks at in one go.
    fill(&kit, &small, 600, &NEAR.replace("{far}", "0.1")).await;
    fill(
        &kit,
        &large,
        EXACT_LIMIT + 40,
        &format!("CASE WHEN n <= 100 THEN {} END", NEAR.replace("{far}", "0.5")),
    )
    .await;
    let owner = domain::tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
    owner.execute_unprepared("ANALYZE page_embeddings").await.unwrap();
    let searcher = Searcher::new(kit.db.clone(), Some(std::sync::Arc::new(FirstAxis::default())))
        .await
        .unwrap()
        .with_memory(0);
    let search = async |customer: &Customer| {
        searcher
            .search(customer, "chunk", Mode::Vector, 100)
            .await
            .unwrap()
            .passages
    };
    assert_eq!(search(&small).await.len(), 60);
    assert_eq!(kit.count(SCANS).await, 0);
    // A process learns by a search how large a customer is.
    assert_eq!(search(&large).await.len(), 60);
    assert_eq!(kit.count(SCANS).await, 0);
    let found = search(&large).await;
    assert_eq!(found.len(), 60);
    assert!(found.is_sorted_by_key(|p| p.ordinal), "nearest first");
    // An index that gives up at the first candidates, which are all the other customer's, is not the last to be asked.
    owner
        .execute_unprepared("ALTER ROLE omniops SET hnsw.max_scan_tuples = 1")
        .await
        .unwrap();
    let impatient = domain::tenancy::Db::connect(&kit.config.database).await.unwrap();
    let impatient = Searcher::new(impatient, Some(std::sync::Arc::new(FirstAxis::default())))
        .await
        .unwrap()
        .with_memory(0);
    for _ in 0..2 {
        let found = impatient.search(&large, "chunk", Mode::Vector, 100).await.unwrap();
        assert_eq!(found.passages.len(), 60);
    }
    // In memory there is no graph.
    let warm = searcher.clone().with_memory(64 << 20);
    for _ in 0..2 {
        warm.search(&large, "chunk", Mode::Lexical, 1).await.unwrap();
    }
    let found = warm.search(&large, "chunk", Mode::Vector, 100).await.unwrap().passages;
    assert_eq!(found.len(), 60);
    assert!(found.is_sorted_by_key(|p| p.ordinal), "nearest first");
    // Statistics are told when a connection has time.
    testkit::eventually("a scan of the vector index", async || {
        (kit.count(SCANS).await > 0).then_some(())
    })
    .await;
}

/// A model for which every text is the first axis, under the local model's name.
pub(super) struct FirstAxis(embedding::Model);

impl Default for FirstAxis {
    fn default() -> Self {
        Self(embedding::Model {
            name: "all-MiniLM-L6-v2".into(),
            dimension: 384,
            max_tokens: 256,
            multilingual: false,
            calibration: embedding::Calibration::default(),
        })
    }
}

#[async_trait::async_trait]
impl embedding::Embedder for FirstAxis {
    fn model(&self) -> &embedding::Model {
        &self.0
    }

    async fn embed(&self, _: embedding::Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, embedding::Error> {
        let mut vector = vec![0.0; 384];
        vector[0] = 1.0;
        Ok(texts.iter().map(|_| vector.clone()).collect())
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len()
    }
}

#[tokio::test]
async fn structured_data_waits_with_its_page_and_a_change_of_it_makes_the_page_wait_again() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let tx = kit.db.tenant(&customer).await.unwrap();
    let faq = |answer: &str| {
        (
            "faq",
            json!({ "questions": [{ "question": "Why?", "answer": answer }] }),
        )
    };
    let stored = store::save(
        &tx,
        &page(&customer, "p", "en", &[faq("Because."), ("article", json!({}))]),
    )
    .await
    .unwrap();
    let pending = index::pending(&tx, stored.id, false).await.unwrap().unwrap();
    assert_eq!(pending.extracted, json!([{ "kind": "faq", "data": faq("Because.").1 }]));
    let chunk = NewChunk {
        kind: Kind::Faq,
        text: "Because.".into(),
        ..NewChunk::default()
    };
    index::publish(&tx, &pending, None, &[chunk]).await.unwrap();
    assert!(index::pending(&tx, stored.id, false).await.unwrap().is_none());
    store::save(&tx, &page(&customer, "p", "en", &[faq("For a reason.")]))
        .await
        .unwrap();
    let pending = index::pending(&tx, stored.id, false).await.unwrap().unwrap();
    assert_eq!(pending.extracted[0]["data"]["questions"][0]["answer"], "For a reason.");
}

/// Scripts that write no words apart, with chunks in memory and in the database alone.
async fn finds_words(language: &str, rows: [(&str, &str, &str); 3], questions: &[(&str, &str)]) {
    let kit = Kit::start().await;
    let customer = kit.customer("shop.example").await;
    let rows = rows.map(|(path, heading, text)| (path, language, heading, text, 20));
    publish(&kit, &customer, &rows).await;
    let in_memory = Searcher::new(kit.db.clone(), None).await.unwrap();
    for searcher in [in_memory.clone().with_memory(0), in_memory] {
        for (question, path) in questions {
            let found = searcher.search(&customer, question, Mode::Lexical, 20).await.unwrap();
            let first = found.passages.first();
            let first = first.unwrap_or_else(|| panic!("{question} finds nothing"));
            assert!(first.url.ends_with(&format!("/{path}")), "{question}: {}", first.url);
        }
    }
}

#[tokio::test]
async fn japanese_questions_find_their_words() {
    let rows = [
        ("shipping", "配送", "送料は全国一律500円です。"),
        ("returns", "返品", "商品到着後60日以内であれば返品できます。"),
        ("tents", "商品", "テントは冬でもお使いいただけます。"),
    ];
    let questions = [
        ("送料はいくらですか?", "shipping"),
        ("60日以内に返品したい", "returns"),
        ("冬のテントはありますか", "tents"),
    ];
    finds_words("ja", rows, &questions).await;
}

#[tokio::test]
async fn chinese_questions_find_their_words() {
    let rows = [
        ("shipping", "配送", "国内订单的运费为十元。"),
        ("returns", "退货", "收到商品后六十天内可以退货。"),
        ("tents", "商品", "这款帐篷适合冬季使用。"),
    ];
    let questions = [
        ("运费是多少?", "shipping"),
        ("我想退货", "returns"),
        ("有冬季用的帐篷吗", "tents"),
    ];
    finds_words("zh", rows, &questions).await;
}

#[tokio::test]
async fn korean_questions_find_their_words() {
    let rows = [
        ("shipping", "배송", "국내 배송비는 3000원입니다."),
        ("returns", "반품", "상품을 받은 후 60일 이내에 반품할 수 있습니다."),
        ("tents", "상품", "이 텐트는 겨울에도 쓸 수 있습니다."),
    ];
    let questions = [
        ("배송비가 얼마예요?", "shipping"),
        ("반품하고 싶어요", "returns"),
        ("겨울용 텐트 있나요?", "tents"),
    ];
    finds_words("ko", rows, &questions).await;
}

#[tokio::test]
async fn neighbours_of_a_run_are_words_and_a_sign_alone_is_one() {
    let kit = Kit::start().await;
    for (text, words) in [
        ("送料無料です", "送料 料無 無料"),
        ("本を返す", "本 返"),
        ("XR-7741カヤック、青", "xr -7741 カヤ ヤッ ック 青"),
        ("送料 and 送料", "and 送料"),
        ("plain text", "plain text"),
    ] {
        let words = words
            .split(' ')
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(",");
        let read = format!(
            "SELECT count(*) FROM (SELECT tsvector_to_array(to_tsvector('simple', paired('{text}'))) AS w) read
             WHERE w <@ ARRAY[{words}] AND w @> ARRAY[{words}]"
        );
        assert_eq!(kit.count(&read).await, 1, "{text}");
    }
}
