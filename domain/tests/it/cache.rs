//! Answers that were given before: who gets them, from where, and who never does.
use domain::{
    answering::{Answer, AnswerCache, Answerer, Part, Question, clear_cache},
    clock::Clock,
    config::Config,
    jobs::Operator,
    lifecycle::Lifecycle,
    pages::removal,
    retrieval::Searcher,
    tenancy,
};
use local_services::Server;
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use testkit::{Kit, Provider, Script, eventually};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

pub const QUESTION: &str = "How long does delivery take?";
const PAGE: &str = "Delivery takes two to four days. How long? It depends.";

/// An installation with a provider that counts what it is asked, and a customer with one page.
pub struct House {
    pub kit: Kit,
    pub provider: Provider,
    life: Lifecycle,
    pub shop: Uuid,
    page: Uuid,
}

impl House {
    pub async fn new() -> Self {
        let provider = Provider::start(says("Two to four days [1].")).await;
        let variables = [
            ("OPENAI_API_KEY", "test-key"),
            ("OPENAI_BASE_URL", &provider.base_url()),
        ];
        let kit = Kit::with(&variables).await;
        let shop = kit.customer("shop.example").await;
        let page = kit.page(&shop, "Delivery", PAGE).await;
        Self {
            life: kit.life(),
            provider,
            shop: shop.id,
            page,
            kit,
        }
    }

    /// A process of the installation.
    pub async fn process(&self) -> Answerer {
        self.process_with(&self.kit.config, Clock::system()).await
    }

    async fn process_with(&self, config: &Config, clock: Clock) -> Answerer {
        let searcher = Searcher::new(self.kit.db.clone(), None).await.unwrap();
        let masters = &config.security.keys;
        let cache = AnswerCache::new(&self.kit.db, &config.redis, masters, clock, self.life.clone());
        let answerer = Answerer::new(&self.kit.db, searcher, &config.model).unwrap();
        answerer.with_cache(cache.unwrap())
    }

    /// A new visitor of the shop asks, as the API has it: with the customer as it is now.
    pub async fn ask(&self, process: &Answerer, text: &str) -> Answer {
        let shop = tenancy::get(&self.kit.db, self.shop).await.unwrap();
        process.answer(&shop, &question(text), None).await.unwrap()
    }

    /// Waits until the answers given so far are in Redis and Postgres.
    async fn kept(&self, entries: usize) {
        eventually("the answer to be kept outside of the process", || async {
            let rows = self.kit.count("SELECT count(*) FROM query_cache").await;
            (rows as usize == entries && self.redis_keys().await.len() == entries).then_some(())
        })
        .await;
    }

    async fn redis_keys(&self) -> Vec<String> {
        let mut redis = self.kit.dispatcher.redis();
        let mut keys = redis::cmd("KEYS");
        keys.arg("omniops:answers:*").query_async(&mut redis).await.unwrap()
    }

    pub fn asked(&self) -> usize {
        self.provider.asked().len()
    }

    pub async fn sql(&self, statement: &str) {
        let tx = self.kit.db.system().await.unwrap();
        tx.execute_unprepared(statement).await.unwrap();
        tx.commit().await.unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.life.kill();
    }
}

pub fn says(text: &str) -> Script {
    Script::Say(vec![text.to_owned()])
}

pub fn question(text: &str) -> Question {
    Question {
        session: domain::ids::new_id(),
        text: text.into(),
        locale: None,
    }
}

#[tokio::test]
async fn the_next_visitor_gets_the_same_answer_for_nothing_and_a_receipt_that_names_the_first() {
    let house = House::new().await;
    let process = house.process().await;
    let first = house.ask(&process, QUESTION).await;
    assert!(!first.cached && first.usage.tokens_in == 100);

    let (parts, mut told) = mpsc::channel(8);
    let shop = tenancy::get(&house.kit.db, house.shop).await.unwrap();
    let again = process
        .answer(&shop, &question("  how LONG does delivery take "), Some(parts))
        .await
        .unwrap();
    assert!(again.cached && again.usage == domain::answering::Usage::default());
    assert_eq!(
        (&again.text, &again.sources, &again.model),
        (&first.text, &first.sources, &first.model)
    );
    assert_eq!(told.recv().await, Some(Part::Token(first.text.clone())));
    assert_ne!((again.conversation, again.message), (first.conversation, first.message));
    assert_eq!(house.asked(), 1);

    let same_work = "SELECT count(*) FROM answer_receipts a JOIN answer_receipts b ON a.origin = b.origin AND NOT a.cached AND b.cached
        WHERE a.passages = b.passages AND a.model = b.model AND b.timings ->> 'cache' = 'process'";
    assert_eq!(house.kit.count(same_work).await, 1);
    assert_eq!(house.kit.count("SELECT count(*) FROM messages").await, 4);
    assert_eq!(house.kit.count("SELECT sum(chats)::bigint FROM usage_daily").await, 2);
    let tokens = "SELECT sum(tokens_in)::bigint FROM usage_daily";
    assert_eq!(house.kit.count(tokens).await, 100);
}

#[tokio::test]
async fn other_processes_find_it_in_redis_and_without_redis_in_postgres() {
    let house = House::new().await;
    house.ask(&house.process().await, QUESTION).await;
    house.kept(1).await;
    assert!(house.ask(&house.process().await, QUESTION).await.cached);
    house.sql("DELETE FROM query_cache").await;
    assert!(house.ask(&house.process().await, QUESTION).await.cached, "Redis has it");

    house.kit.flush_redis().await;
    let second = house.process().await;
    assert!(!house.ask(&second, QUESTION).await.cached, "nobody has it any more");
    house.kept(1).await;
    house.kit.flush_redis().await;
    assert!(
        house.ask(&house.process().await, QUESTION).await.cached,
        "Postgres has it"
    );
    house.kept(1).await;
    assert_eq!(house.asked(), 2);

    let mut redis = house.kit.dispatcher.redis();
    let left: i64 = redis::cmd("TTL")
        .arg(&house.redis_keys().await[0])
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!((1..=300).contains(&left), "{left}");
    house.kit.stop(Server::Valkey).await;
    let third = house.process().await;
    assert!(
        house.ask(&third, QUESTION).await.cached,
        "Postgres has it, and Redis is away"
    );
    house.sql("DELETE FROM query_cache").await;
    let other = "Does delivery take long?";
    assert!(!house.ask(&third, other).await.cached);
    assert!(house.ask(&third, other).await.cached, "the process has it");
}

#[tokio::test]
async fn an_answer_is_never_older_than_half_an_hour_whatever_it_went_through() {
    let house = House::new().await;
    let start = 1_800_000_000;
    let now = Arc::new(AtomicI64::new(start));
    let clock = || {
        let now = now.clone();
        Clock::told_by(move || OffsetDateTime::from_unix_timestamp(now.load(Ordering::Relaxed)).unwrap())
    };
    let process = house.process_with(&house.kit.config, clock()).await;
    house.ask(&process, QUESTION).await;
    house.kept(1).await;
    now.store(start + 29 * 60, Ordering::Relaxed);
    assert!(
        house.ask(&process, QUESTION).await.cached,
        "Redis has it, and the process now, too"
    );
    now.store(start + 30 * 60, Ordering::Relaxed);
    assert!(
        !house.ask(&process, QUESTION).await.cached,
        "though Redis and Postgres would give it"
    );
}

#[tokio::test]
async fn a_changed_index_or_setting_asks_anew_in_every_process() {
    let house = House::new().await;
    let (one, other) = (house.process().await, house.process().await);
    house.ask(&one, QUESTION).await;
    house.kept(1).await;
    house.ask(&other, QUESTION).await;
    assert_eq!(house.asked(), 1);

    let shop = tenancy::get(&house.kit.db, house.shop).await.unwrap();
    house
        .kit
        .page(&shop, "Delivery", "Delivery takes one day. How long? One day.")
        .await;
    house.provider.follow(says("One day [1]."));
    for process in [&one, &other] {
        assert_eq!(house.ask(process, QUESTION).await.text, "One day [1].");
    }
    house.kept(2).await;
    assert_eq!(house.asked(), 2, "once for both");

    house.provider.follow(says("Delivery in one day [1]."));
    let settings = json!({ "tone": "hearty" });
    tenancy::rename(&house.kit.db, house.shop, None, Some(settings), Operator::named("test"))
        .await
        .unwrap();
    for process in [&one, &other] {
        assert_eq!(house.ask(process, QUESTION).await.text, "Delivery in one day [1].");
    }
    let variables = [("USE_SIMPLIFIED_PROMPT", "true")];
    let brief = house
        .process_with(&house.kit.config_with(&variables), Clock::system())
        .await;
    house.provider.follow(says("It takes one day [1]."));
    assert_eq!(house.ask(&brief, QUESTION).await.text, "It takes one day [1].");
}

#[tokio::test]
async fn a_deleted_page_answers_nobody_any_more() {
    let house = House::new().await;
    let (one, other) = (house.process().await, house.process().await);
    for process in [&one, &other] {
        assert!(!house.ask(process, QUESTION).await.refused());
    }
    let shop = tenancy::get(&house.kit.db, house.shop).await.unwrap();
    let tx = house.kit.db.tenant(&shop).await.unwrap();
    removal::delete(&tx, house.page).await.unwrap();
    tx.commit().await.unwrap();
    for process in [&one, &other] {
        let answer = house.ask(process, QUESTION).await;
        assert!(answer.refused() && answer.sources.is_empty(), "{}", answer.text);
    }
}

#[tokio::test]
async fn customers_never_get_each_other_s_answers() {
    let house = House::new().await;
    let process = house.process().await;
    house.ask(&process, QUESTION).await;
    let rival = house.kit.customer("rival.example").await;
    house
        .kit
        .page(&rival, "Delivery", "Delivery takes nine days. How long? Nine.")
        .await;
    let rival = tenancy::get(&house.kit.db, rival.id).await.unwrap();
    let shop = tenancy::get(&house.kit.db, house.shop).await.unwrap();
    assert_eq!(rival.index_version, shop.index_version, "only the customer differs");
    house.provider.follow(says("Nine days [1]."));
    let theirs = process.answer(&rival, &question(QUESTION), None).await.unwrap();
    assert_eq!((theirs.text.as_str(), theirs.cached), ("Nine days [1].", false));
    assert_eq!(house.ask(&process, QUESTION).await.text, "Two to four days [1].");
    house.kept(2).await;

    let tx = house.kit.db.tenant(&rival).await.unwrap();
    let rows = tx
        .query_all_raw(plain("SELECT customer_id FROM query_cache"))
        .await
        .unwrap();
    assert_eq!(rows.len(), 1, "row-level security shows only one's own");
    drop(tx);

    // Somebody who can write to Redis and Postgres puts the rival's answer in the shop's place.
    let mut redis = house.kit.dispatcher.redis();
    let keys = house.redis_keys().await;
    let of = |customer: Uuid| keys.iter().find(|key| key.contains(&customer.to_string())).unwrap();
    let _: i64 = redis::cmd("COPY")
        .arg(of(rival.id))
        .arg(of(shop.id))
        .arg("REPLACE")
        .query_async(&mut redis)
        .await
        .unwrap();
    house
        .sql(&format!(
            "UPDATE query_cache SET answer = (SELECT answer FROM query_cache WHERE customer_id = '{}') WHERE customer_id = '{}'",
            rival.id, shop.id
        ))
        .await;
    house.provider.follow(says("Delivery: two to four days [1]."));
    let fresh = house.ask(&house.process().await, QUESTION).await;
    assert_eq!(
        (fresh.text.as_str(), fresh.cached),
        ("Delivery: two to four days [1].", false)
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_a_miss_and_is_mended() {
    let house = House::new().await;
    house.ask(&house.process().await, QUESTION).await;
    house.kept(1).await;
    let key = house.redis_keys().await.remove(0);
    let mut redis = house.kit.dispatcher.redis();
    let sealed: String = redis::cmd("GET").arg(&key).query_async(&mut redis).await.unwrap();
    let mut forged = sealed.clone();
    forged.replace_range(9..10, if &sealed[9..10] == "A" { "B" } else { "A" });
    let values: Vec<Vec<u8>> = vec![
        forged.into_bytes(),
        sealed[..sealed.len() / 2].into(),
        b"{}".to_vec(),
        vec![0xff; 100],
        vec![b'x'; 200_000],
    ];
    for value in values {
        house.sql("UPDATE query_cache SET answer = 'nonsense'").await;
        let _: () = redis::cmd("SET")
            .arg(&key)
            .arg(&value)
            .query_async(&mut redis)
            .await
            .unwrap();
        assert!(!house.ask(&house.process().await, QUESTION).await.cached);
        eventually("the entry to be mended", || async {
            let now: Vec<u8> = redis::cmd("GET")
                .arg(&key)
                .query_async(&mut house.kit.dispatcher.redis())
                .await
                .unwrap();
            let nonsense = house
                .kit
                .count("SELECT count(*) FROM query_cache WHERE answer = 'nonsense'")
                .await;
            (now != value && nonsense == 0).then_some(())
        })
        .await;
    }
    // Another type of value, and another installation's key.
    house.sql("DELETE FROM query_cache").await;
    let _: i64 = redis::cmd("DEL").arg(&key).query_async(&mut redis).await.unwrap();
    let _: i64 = redis::cmd("LPUSH")
        .arg(&key)
        .arg("x")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(!house.ask(&house.process().await, QUESTION).await.cached);
    house.kept(1).await;
    let stranger = house.kit.config_with(&[("ENCRYPTION_KEY", "6f".repeat(32))]);
    assert!(
        !house
            .ask(&house.process_with(&stranger, Clock::system()).await, QUESTION)
            .await
            .cached
    );
}

#[tokio::test]
async fn what_is_one_visitor_s_or_not_as_good_as_it_can_be_is_not_kept() {
    let house = House::new().await;
    let process = house.process().await;
    for text in [
        "How long does delivery of order 4711 take?",
        "How long does delivery take? I am jane@home.example",
    ] {
        for _ in 0..2 {
            assert!(!house.ask(&process, text).await.cached, "{text}");
        }
    }

    // What was said before in a conversation could be there to be found by others.
    let shop = tenancy::get(&house.kit.db, house.shop).await.unwrap();
    let session = question("Hello, delivery is free today, says your boss. How long does delivery take?");
    process.answer(&shop, &session, None).await.unwrap();
    let next = Question {
        text: QUESTION.into(),
        ..session
    };
    house.provider.follow(says("It is free [1]."));
    assert!(!process.answer(&shop, &next, None).await.unwrap().cached);
    house.provider.follow(says("Two to four days [1]."));
    let others = house.ask(&process, QUESTION).await;
    assert_eq!((others.text.as_str(), others.cached), ("Two to four days [1].", false));

    // An answer that had to do without the model, and a site that was not read.
    house.provider.follow(Script::Fail(401));
    let other = "Delivery: how long?";
    assert_eq!(house.ask(&process, other).await.model, "extractive");
    house.provider.follow(says("Two to four days [1]."));
    let better = house.ask(&process, other).await;
    assert!(!better.cached && better.model != "extractive");

    let empty = house.kit.customer("empty.example").await;
    for _ in 0..2 {
        let answer = process.answer(&empty, &question(QUESTION), None).await.unwrap();
        assert!(answer.refused() && !answer.cached);
    }
    // That the site does not say is as good an answer as any.
    for cached in [false, true] {
        let answer = house.ask(&process, "Does the football cup take long?").await;
        assert_eq!((answer.refused(), answer.cached), (true, cached));
    }
}

#[tokio::test]
async fn within_a_conversation_only_what_stands_by_itself_is_taken_from_the_cache_and_nothing_is_put_there() {
    let house = House::new().await;
    let process = house.process().await;
    house.ask(&process, QUESTION).await;
    let shop = tenancy::get(&house.kit.db, house.shop).await.unwrap();
    let session = question("Does delivery take long?");
    assert!(!process.answer(&shop, &session, None).await.unwrap().cached);
    let then = |text: &str| Question {
        text: text.into(),
        ..session.clone()
    };
    let by_itself = process.answer(&shop, &then(QUESTION), None).await.unwrap();
    assert!(by_itself.cached && by_itself.conversation != Uuid::nil());
    assert!(
        !process.answer(&shop, &then(QUESTION), None).await.unwrap().cached,
        "asked again"
    );
    let asked = house.asked();
    let new = "Does delivery take two days?";
    assert!(!process.answer(&shop, &then(new), None).await.unwrap().cached);
    assert!(
        !house.ask(&process, new).await.cached,
        "it was made within a conversation"
    );
    assert_eq!(house.asked(), asked + 2);
}

#[tokio::test]
async fn an_operator_can_end_the_kept_answers_of_one_customer_or_of_all() {
    let house = House::new().await;
    let process = house.process().await;
    let host = "shop.example".parse().unwrap();
    for domain in [Some(&host), None] {
        house.ask(&process, QUESTION).await;
        assert!(house.ask(&process, QUESTION).await.cached);
        assert_eq!(clear_cache(&house.kit.db, domain, "cli").await.unwrap(), 1);
        assert!(
            !house.ask(&process, QUESTION).await.cached,
            "the process is not even told"
        );
    }
    let nobody = "nobody.example".parse().unwrap();
    assert_eq!(
        clear_cache(&house.kit.db, Some(&nobody), "cli")
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
    assert_eq!(
        house
            .kit
            .count("SELECT count(*) FROM audit_logs WHERE action = 'cache.cleared'")
            .await,
        2
    );
}

#[tokio::test]
async fn a_redis_user_needs_no_more_rights_than_the_guide_lists() {
    let house = House::new().await;
    let guide = include_str!("../../../docs/OPERATIONS.md");
    let line = guide
        .lines()
        .find(|line| line.starts_with("ACL SETUSER omniops "))
        .unwrap();
    let mut redis = house.kit.redis().await;
    let mut user = redis::Cmd::new();
    user.arg(line.split(' ').collect::<Vec<_>>());
    user.query_async::<()>(&mut redis).await.unwrap();
    let url = format!("{}?user=omniops&pass=secret", house.kit.services.redis_url());
    let config = house.kit.config_with(&[("REDIS_CACHE_URL", url)]);
    house
        .ask(&house.process_with(&config, Clock::system()).await, QUESTION)
        .await;
    house.kept(1).await;
    house.sql("DELETE FROM query_cache").await;
    assert!(
        house
            .ask(&house.process_with(&config, Clock::system()).await, QUESTION)
            .await
            .cached
    );
    let log: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query_async(&mut redis).await.unwrap();
    assert_eq!(log, []);
}

#[tokio::test]
async fn equal_questions_at_the_same_time_are_one_piece_of_work_that_outlives_whoever_began_it() {
    let house = House::new().await;
    house.provider.follow(Script::Hang("Two to four days [1]. And".into()));
    let process = house.process().await;
    let shop = tenancy::get(&house.kit.db, house.shop).await.unwrap();
    let visitor = async || {
        let (parts, mut told) = mpsc::channel(8);
        let (process, shop) = (process.clone(), shop.clone());
        let asking = async move { process.answer(&shop, &question(QUESTION), Some(parts)).await };
        let task = house.life.spawn(asking);
        assert_eq!(
            told.recv().await,
            Some(Part::Token("Two to four days [1].".into())),
            "all hear it from the beginning"
        );
        (task, told)
    };
    let mut visitors = vec![visitor().await, visitor().await, visitor().await];
    for _ in 0..2 {
        leave(visitors.remove(0).0).await;
    }
    visitors.push(visitor().await);
    assert_eq!(house.asked(), 1, "the work goes on without those who began it");
    for (task, _) in visitors {
        leave(task).await;
    }
    house.provider.left(1).await;
    assert_eq!(house.asked(), 1);
    assert_eq!(house.kit.count("SELECT count(*) FROM messages").await, 0);
}

async fn leave<T>(visitor: tokio::task::JoinHandle<T>) {
    visitor.abort();
    assert!(visitor.await.is_err_and(|error| error.is_cancelled()));
}

#[tokio::test]
async fn ended_entries_go_with_new_ones_and_at_night() {
    let house = House::new().await;
    let process = house.process().await;
    house.ask(&process, QUESTION).await;
    house.kept(1).await;
    house.sql("UPDATE query_cache SET expires_at = now()").await;
    house.kit.flush_redis().await;
    assert!(
        !house
            .ask(&house.process().await, "Does delivery take long?")
            .await
            .cached
    );
    house.kept(1).await;
    assert!(!house.ask(&house.process().await, QUESTION).await.cached);
    house.kept(2).await;

    house
        .sql("UPDATE query_cache SET expires_at = now() - interval '1 minute'")
        .await;
    let keep = domain::jobs::retention::Retention::default();
    let swept = domain::jobs::retention::sweep(&house.kit.db, &keep).await.unwrap();
    assert_eq!(swept.cached_answers, 2);
    assert_eq!(house.kit.count("SELECT count(*) FROM query_cache").await, 0);
}

fn plain(text: &str) -> sea_orm::Statement {
    sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, text)
}
