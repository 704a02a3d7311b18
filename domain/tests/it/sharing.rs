//! Equal questions of several processes, and answers that link to hosts that a customer no longer has.
use domain::answering::{Answer, Answerer};
use local_services::Server;
use testkit::{Script, eventually};

use crate::cache::{House, QUESTION, question, says};

impl House {
    /// A visitor asks this process; the answer comes when it is there.
    fn asking<'a>(&'a self, process: &'a Answerer) -> impl Future<Output = Answer> + 'a {
        self.ask(process, QUESTION)
    }

    /// How often Redis was asked to set something.
    async fn sets(&self) -> u64 {
        let mut redis = self.kit.dispatcher.redis();
        let mut info = redis::cmd("INFO");
        let told: String = info.arg("commandstats").query_async(&mut redis).await.unwrap();
        let line = told.lines().find_map(|line| line.strip_prefix("cmdstat_set:calls="));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }

    async fn claims(&self) -> usize {
        let mut redis = self.kit.dispatcher.redis();
        let mut keys = redis::cmd("KEYS");
        let keys: Vec<String> = keys.arg("omniops:answering:*").query_async(&mut redis).await.unwrap();
        keys.len()
    }
}

#[tokio::test]
async fn one_process_writes_what_several_are_asked_at_once() {
    let house = House::new().await;
    house
        .provider
        .follow(Script::Held(vec!["Two to four days [1].".into()]));
    let (one, other) = (house.process().await, house.process().await);
    let before = house.sets().await;
    let (first, second, ()) = tokio::join!(house.asking(&one), house.asking(&other), async {
        eventually("both processes to claim the work", || async {
            (house.sets().await >= before + 2).then_some(())
        })
        .await;
        house.provider.let_go();
    });
    assert_eq!(house.asked(), 1, "the model was asked once");
    assert_eq!((&first.text, &first.sources), (&second.text, &second.sources));
    assert_eq!(
        [first.cached, second.cached].iter().filter(|cached| **cached).count(),
        1
    );
    let waited = "SELECT count(*) FROM answer_receipts WHERE cached AND timings ->> 'cache' = 'elsewhere'";
    assert_eq!(house.kit.count(waited).await, 1);
    assert_eq!(
        house.kit.count("SELECT sum(tokens_in)::bigint FROM usage_daily").await,
        100,
        "paid once"
    );
    eventually("the claim to be given up", || async {
        (house.claims().await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_a_process_whose_visitor_has_left_or_that_hangs() {
    let house = House::new().await;
    house.provider.follow(Script::Mute);
    let (one, other) = (house.process().await, house.process().await);
    let visitor = tokio::select! {
        _ = house.asking(&one) => panic!("the model is mute"),
        () = async {
            eventually("the model to be asked", || async { (house.asked() == 1).then_some(()) }).await;
        } => "left",
    };
    assert_eq!(visitor, "left");
    eventually("the claim to be given up", || async {
        (house.claims().await == 0).then_some(())
    })
    .await;
    house.provider.left(1).await;

    // A claim that nobody gives up, as of a process that was killed or hangs, is waited for only so long.
    let stuck = tokio::select! {
        answer = house.asking(&one) => answer,
        answer = async {
            eventually("the model to be asked again", || async { (house.asked() == 2).then_some(()) }).await;
            house.provider.follow(says("Two to four days [1]."));
            house.asking(&other).await
        } => answer,
    };
    assert_eq!((stuck.text.as_str(), stuck.cached), ("Two to four days [1].", false));
}

#[tokio::test]
async fn without_redis_every_process_answers_by_itself() {
    let house = House::new().await;
    house.kit.stop(Server::Valkey).await;
    let (one, other) = (house.process().await, house.process().await);
    let (first, second) = tokio::join!(house.asking(&one), house.asking(&other));
    assert_eq!(
        (first.text.as_str(), second.text),
        ("Two to four days [1].", first.text.clone())
    );
}

#[tokio::test]
async fn an_answer_ends_in_every_process_when_a_host_of_the_customer_goes() {
    let house = House::new().await;
    let also = "INSERT INTO customer_domains (id, customer_id, host, token, verified_at, method)
        SELECT gen_random_uuid(), id, 'old.example', 't', now(), 'operator' FROM customer_configs WHERE domain = 'shop.example'";
    let (one, other) = (house.process().await, house.process().await);
    let loses = [
        "UPDATE customer_domains SET verified_at = NULL WHERE host = 'old.example'",
        "DELETE FROM customer_domains WHERE host = 'old.example'",
        "UPDATE customer_domains SET customer_id = (SELECT id FROM customer_configs WHERE domain = 'rival.example') WHERE host = 'old.example'",
    ];
    house.kit.customer("rival.example").await;
    for (n, lost) in loses.into_iter().enumerate() {
        house
            .sql("DELETE FROM customer_domains WHERE host = 'old.example'")
            .await;
        house.sql(also).await;
        house.ask(&one, QUESTION).await;
        for process in [&one, &other] {
            assert!(house.ask(process, QUESTION).await.cached, "{n}");
        }
        let asked = house.asked();
        house.sql(lost).await;
        for process in [&one, &other] {
            house.ask(process, QUESTION).await;
        }
        assert_eq!(house.asked(), asked + 1, "{lost}");
    }
    // A host that was never proved was never linked to.
    house
        .sql("DELETE FROM customer_domains WHERE host = 'old.example'")
        .await;
    house.sql(&also.replace("now(), ", "NULL, ")).await;
    let asked = house.asked();
    house.ask(&one, QUESTION).await;
    house
        .sql("DELETE FROM customer_domains WHERE host = 'old.example'")
        .await;
    house.ask(&other, QUESTION).await;
    assert!(house.asked() <= asked + 1);
    let shop = domain::tenancy::get(&house.kit.db, house.shop).await.unwrap();
    let still = one.answer(&shop, &question(QUESTION), None).await.unwrap();
    assert!(still.cached);
}
