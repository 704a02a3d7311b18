//! Crawls that share a host, against a real Valkey.
use super::*;
use domain::config::CrawlConfig;
use futures::future::{join_all, select_all};
use redis_link::Limits;
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use testkit::{Kit, Server, eventually};
use tokio::time::{Instant, sleep, timeout};

#[test]
fn the_sites_own_wish_comes_first_and_local_sites_are_not_spared() {
    let own: HostPort = "127.0.0.1:8080".parse().unwrap();
    let other: HostPort = "shop.test:80".parse().unwrap();
    let mut config = CrawlConfig {
        user_agent: "OmniopsBot/1".into(),
        per_host: 4,
        delay: Duration::from_millis(250),
        delay_is_set: false,
        egress_allow: vec![own.clone()],
    };
    assert_eq!(delay(&config, &other, None), Duration::from_millis(250));
    assert_eq!(delay(&config, &own, None), Duration::ZERO);
    assert_eq!(
        delay(&config, &own, Some(Duration::from_secs(2))),
        Duration::from_secs(2)
    );
    assert_eq!(
        delay(&config, &other, Some(Duration::from_hours(1))),
        Duration::from_secs(30)
    );
    config.delay_is_set = true;
    assert_eq!(delay(&config, &own, None), Duration::from_millis(250));
}

/// Workers that share a Redis, as far as politeness goes, and one host.
struct Fleet {
    kit: Kit,
    host: HostPort,
}

impl Fleet {
    async fn start() -> Self {
        Self {
            kit: Kit::start().await,
            host: "shop.test:443".parse().unwrap(),
        }
    }

    /// A crawl on a worker of its own, with `slots` as its limit. It waits for Redis however busy the machine is: one that is not answered
    /// goes on with less than the test gives it.
    fn crawl(&self, slots: usize) -> Arc<Visitor> {
        self.waiting(slots, Duration::from_mins(1))
    }

    /// One that waits for Redis as long as crawls do.
    fn hasty(&self, slots: usize) -> Arc<Visitor> {
        self.waiting(slots, ANSWER)
    }

    fn waiting(&self, slots: usize, answer: Duration) -> Arc<Visitor> {
        let connect = answer.max(Limits::default().connect);
        let limits = Limits {
            connect,
            answer: connect,
        };
        let redis = Link::new(self.kit.dispatcher.redis().address().clone(), limits);
        Politeness::waiting(slots, redis, answer).visitor(&self.host, Uuid::now_v7())
    }

    async fn redis<T: redis::FromRedisValue>(&self, command: &mut redis::Cmd) -> T {
        command.query_async(&mut self.kit.dispatcher.redis()).await.unwrap()
    }
}

/// Does `work` while the crawls keep what they hold.
async fn beside<T>(crawls: &[&Arc<Visitor>], work: impl Future<Output = T>) -> T {
    let keepers = select_all(crawls.iter().map(|crawl| Box::pin(crawl.keep())));
    tokio::select! {
        done = work => done,
        (never, ..) = keepers => match never {},
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    eventually(what, || async { condition().then_some(()) }).await;
}

#[tokio::test]
async fn a_host_has_no_more_requests_under_way_than_its_limit_whoever_sends_them() {
    let fleet = Fleet::start().await;
    let crawls = [fleet.crawl(4), fleet.crawl(4), fleet.crawl(4)];
    let (busy, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let lane = async |crawl: &Arc<Visitor>, lane: u64| {
        for n in 0..25 {
            let turn = crawl.turn(Duration::ZERO).await;
            most.fetch_max(busy.fetch_add(1, SeqCst) + 1, SeqCst);
            sleep(Duration::from_millis((lane * 7 + n * 3) % 11)).await;
            busy.fetch_sub(1, SeqCst);
            turn.answered(Duration::from_millis(5));
        }
    };
    let [first, second, third] = &crawls;
    // The later ones come while the first has everything, and the first goes while the others are at work.
    let all = async {
        tokio::join!(
            async {
                join_all((0..6).map(|n| lane(first, n))).await;
                first.leave().await;
            },
            async {
                until("the first crawl at work", || most.load(SeqCst) == 4).await;
                join_all((0..6).map(|n| lane(second, n))).await;
            },
            join_all((0..6).map(|n| lane(third, n))),
        )
    };
    beside(&[second, third], async {
        tokio::select! {
            _ = all => {}
            never = first.keep() => match never {},
        }
    })
    .await;
    assert_eq!(most.load(SeqCst), 4);
}

#[tokio::test]
async fn crawls_of_a_host_get_equal_shares_and_what_nobody_else_needs() {
    let fleet = Fleet::start().await;
    let (first, second) = (fleet.crawl(5), fleet.crawl(5));
    let held = join_all((0..5).map(|_| first.turn(Duration::ZERO))).await;
    assert_eq!(first.pace().slots, 5);
    let newcomer = second.turn(Duration::ZERO);
    beside(&[&first, &second], async {
        until("the first crawl to be asked for slots", || first.pace().slots < 5).await;
        assert_eq!(second.pace().slots, 0, "nothing is given out that is still held");
        drop(held);
        newcomer.await;
        until("equal shares", || first.pace().slots + second.pace().slots == 5).await;
        assert!(first.pace().slots >= 2 && second.pace().slots >= 2);
    })
    .await;
    second.leave().await;
    beside(&[&first], until("all slots", || first.pace().slots == 5)).await;
}

#[tokio::test]
async fn requests_begin_a_delay_apart_in_turns_between_crawls() {
    let fleet = Fleet::start().await;
    let (first, second) = (fleet.crawl(4), fleet.crawl(4));
    let (delay, start, order) = (Duration::from_millis(60), Instant::now(), Mutex::new(Vec::new()));
    let lane = async |crawl: &Arc<Visitor>, name: char| {
        for _ in 0..5 {
            drop(crawl.turn(delay).await);
            order.lock().unwrap().push((name, start.elapsed()));
        }
    };
    let lanes = async {
        tokio::join!(
            lane(&first, 'a'),
            lane(&first, 'a'),
            lane(&second, 'b'),
            lane(&second, 'b')
        )
    };
    beside(&[&first, &second], lanes).await;
    let order: Vec<(char, Duration)> = order.into_inner().unwrap();
    assert!(order.last().unwrap().1 >= delay * 19, "{order:?}");
    // From when both crawls are known until the first of them is through.
    let ends = |name| {
        let first = order.iter().position(|turn| turn.0 == name).unwrap();
        (first, order.iter().rposition(|turn| turn.0 == name).unwrap())
    };
    let ((first_a, last_a), (first_b, last_b)) = (ends('a'), ends('b'));
    let both = order[first_a.max(first_b)..last_a.min(last_b)].chunk_by(|one, next| one.0 == next.0);
    // Two, or three where both of one crawl come after a moment in which nothing moved.
    assert!(both.map(<[_]>::len).max() <= Some(3), "{order:?}");
}

#[tokio::test]
async fn what_a_dead_worker_held_is_free_when_its_lease_is_over() {
    let fleet = Fleet::start().await;
    let (dead, alive) = (fleet.crawl(2), fleet.crawl(2));
    let _held = (dead.turn(Duration::ZERO).await, dead.turn(Duration::ZERO).await);
    let key = key_of(&fleet.host);
    assert_eq!(key, "host:{shop.test}");
    let fields: Vec<String> = fleet.redis(redis::cmd("HKEYS").arg(&key)).await;
    let crawl = fields.iter().find(|field| field.starts_with("crawl:")).unwrap();
    let turn = alive.turn(Duration::ZERO);
    beside(&[&alive], async {
        tokio::pin!(turn);
        tokio::select! {
            _ = &mut turn => panic!("the slots are held"),
            () = until("the newcomer in the book", || alive.pace().crawls == 2) => {}
        }
        let _: () = fleet.redis(redis::cmd("HSET").arg(&key).arg(crawl).arg("1 2")).await;
        turn.await;
        until("all slots", || alive.pace().slots == 2).await;
    })
    .await;
    let left: i64 = fleet.redis(redis::cmd("PTTL").arg(&key)).await;
    assert!(left > 0, "the host is forgotten some time");
}

#[tokio::test]
async fn a_host_that_has_too_much_to_do_is_spared_by_all_and_recovers() {
    let fleet = Fleet::start().await;
    let (first, second) = (fleet.crawl(2), fleet.crawl(2));
    beside(&[&first, &second], async {
        let turn = second.turn(Duration::ZERO).await;
        assert!(!first.pace().slowed);
        first.turn(Duration::ZERO).await.refused(None);
        until("the other crawl to be slowed down", || second.pace().gap_ms >= 250).await;
        assert!(second.pace().slowed);
        for _ in 0..20_000 {
            turn.answered(Duration::from_millis(3));
        }
        until("the full pace", || first.pace().gap_ms == 0).await;
    })
    .await;
}

#[tokio::test]
async fn a_wait_that_a_host_asks_for_binds_all() {
    let fleet = Fleet::start().await;
    let (first, second) = (fleet.crawl(2), fleet.crawl(2));
    beside(&[&first, &second], async {
        drop(second.turn(Duration::ZERO).await);
        first.turn(Duration::ZERO).await.refused(Some(Duration::from_mins(5)));
        until("the other crawl to wait", || {
            second.paused() > Some(Duration::from_mins(4))
        })
        .await;
        assert!(first.paused() > Some(Duration::from_mins(4)));
        let third = fleet.crawl(2);
        let turn = third.turn(Duration::ZERO);
        let waits = async { until("a newcomer to know", || third.paused().is_some()).await };
        tokio::select! {
            _ = turn => panic!("nobody may ask"),
            () = waits => {}
        }
    })
    .await;
}

#[tokio::test]
async fn a_host_whose_answers_take_longer_and_longer_is_slowed_down() {
    let fleet = Fleet::start().await;
    let crawl = fleet.crawl(2);
    beside(&[&crawl], async {
        let turn = crawl.turn(Duration::ZERO).await;
        (0..50).for_each(|_| turn.answered(Duration::from_millis(40)));
        crawl.talk(false).await;
        assert_eq!(crawl.pace().gap_ms, 0);
        (0..50).for_each(|_| turn.answered(Duration::from_secs(3)));
        until("a lower pace", || crawl.pace().gap_ms >= 250).await;
    })
    .await;
}

#[tokio::test]
async fn without_redis_a_crawl_goes_on_carefully() {
    let fleet = Fleet::start().await;
    let (known, other) = (fleet.hasty(4), fleet.hasty(4));
    beside(&[&known, &other], async {
        drop((known.turn(Duration::ZERO).await, other.turn(Duration::ZERO).await));
        until("shares", || known.pace().slots == 2 && other.pace().slots == 2).await;
        fleet.kit.stop(Server::Valkey).await;
        let stranger = fleet.hasty(4);
        drop(stranger.turn(Duration::ZERO).await);
        assert_eq!(stranger.pace().slots, 1, "one that knows nothing takes one slot");
        known.talk(false).await;
        assert_eq!(known.pace().slots, 2, "one that was told keeps its share");
        // Both together begin no more often than they would with Redis.
        let start = Instant::now();
        for _ in 0..3 {
            drop(known.turn(Duration::from_millis(50)).await);
        }
        assert!(start.elapsed() >= Duration::from_millis(50) * 2 * 2);
        known.turn(Duration::ZERO).await.refused(None);
        known.talk(false).await;
        assert!(known.pace().slowed);
        fleet.kit.start_again(Server::Valkey).await;
        beside(&[&stranger], until("shares of three", || stranger.pace().crawls == 3)).await;
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_silent_costs_little() {
    let fleet = Fleet::start().await;
    let crawl = fleet.hasty(2);
    drop(crawl.turn(Duration::from_millis(1)).await);
    let _frozen = fleet.kit.freeze(Server::Valkey);
    let many = async {
        for _ in 0..100 {
            drop(crawl.turn(Duration::from_millis(1)).await);
        }
    };
    // A wait of half a second for each of them would take 50 s.
    assert!(timeout(Duration::from_secs(30), many).await.is_ok());
}

/// A crawl that gives way waits for what it has begun, and an answer that is not recorded would be asked for again.
#[tokio::test]
async fn an_answer_is_under_way_until_it_is_recorded() {
    let fleet = Fleet::start().await;
    let crawl = fleet.crawl(1);
    beside(&[&crawl], async {
        let turn = crawl.turn(Duration::ZERO).await;
        assert_eq!(crawl.under_way(), 1);
        let reading = turn.end();
        assert_eq!(crawl.under_way(), 1, "the answer is being read");
        let next = crawl.turn(Duration::ZERO).await;
        assert_eq!(crawl.under_way(), 2, "the slot is free meanwhile");
        drop(next);
        drop(reading);
        assert_eq!(crawl.under_way(), 0);
    })
    .await;
}
