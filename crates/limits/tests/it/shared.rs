//! Replicas that share one Redis.

use super::{DAY, ask, blocks, from, limit, limiter, link, rate, settings};
use futures::future::join_all;
use limits::{Ask, Blocks, Clock, Limiter, Remote, Settings, Verdict};
use std::time::Duration;
use valkey_lab::Server;

async fn allowed(limiter: &Limiter, ask: &Ask) -> bool {
    let decision = limiter.check(ask).await;
    assert!(!decision.alone);
    decision.answer.verdict == Verdict::Allowed
}

#[tokio::test]
async fn a_thousand_at_once_over_two_replicas_let_exactly_a_hundred_through() {
    let server = Server::start().await;
    let replicas = [limiter(&server), limiter(&server)];
    let ask = ask(&[("everybody", DAY)]);
    let all = join_all((0..1000).map(|at| allowed(&replicas[at % 2], &ask))).await;
    assert_eq!(all.into_iter().filter(|allowed| *allowed).count(), 100);
}

#[tokio::test]
async fn a_request_is_counted_by_all_of_its_limits_or_by_none() {
    let server = Server::start().await;
    let limiter = limiter(&server);
    let both = ask(&[("wide", "5/1d"), ("narrow", "2/1d")]);
    assert!(allowed(&limiter, &both).await && allowed(&limiter, &both).await);
    for _ in 0..20 {
        let answer = limiter.check(&both).await.answer;
        assert!(matches!(answer.verdict, Verdict::Refused { by: 1, .. }), "{answer:?}");
        assert_eq!((answer.left[0].remaining, answer.left[1].remaining), (3, 0));
    }
    // The refused ones have not touched the wide limit: somebody else has all three.
    let other = ask(&[("wide", "5/1d"), ("another", "9/1d")]);
    for _ in 0..3 {
        assert!(allowed(&limiter, &other).await);
    }
    assert!(!allowed(&limiter, &other).await);
}

#[tokio::test]
async fn one_request_is_one_round_trip() {
    let server = Server::start().await;
    let limiter = limiter(&server);
    let many = from("192.0.2.1", "500/1d");
    // The first one loads the script.
    limiter.check(&many).await;
    let calls = async || {
        let stats = server.command::<String>("INFO commandstats").await;
        let of = |name: &str| {
            let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:")));
            line.map_or(0, |line| {
                let number = line.split(['=', ',']).nth(1).unwrap();
                number.parse::<u64>().unwrap()
            })
        };
        (of("evalsha"), of("eval") + of("script|load"))
    };
    let (before, loads) = calls().await;
    for _ in 0..50 {
        limiter.check(&many).await;
    }
    assert_eq!(calls().await, (before + 50, loads));
}

#[tokio::test]
async fn too_many_requests_block_an_address_and_each_further_block_is_twice_as_long() {
    let server = Server::start().await;
    let blocks = Blocks {
        rate: rate("10/60s"),
        longest: Duration::from_mins(3),
        forget: Duration::from_mins(10),
    };
    let remote = Remote::new(
        link(&server.url()),
        "test",
        blocks,
        1000,
        rate("1/1s"),
        Duration::from_mins(1),
    );
    let mut now = 1_790_000_000_000_000;
    let ask = from("192.0.2.1", "1000/1d");
    for minutes in [1, 2, 3, 3] {
        for _ in 0..10 {
            let answer = remote.check(&ask, Clock::At(now)).await.unwrap();
            assert_eq!(answer.verdict, Verdict::Allowed);
        }
        let wait = Duration::from_mins(minutes);
        let answer = remote.check(&ask, Clock::At(now)).await.unwrap();
        assert_eq!(answer.verdict, Verdict::Blocked { wait, fresh: true });
        now += 1_000_000;
        let answer = remote.check(&ask, Clock::At(now)).await.unwrap();
        let wait = wait.checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(answer.verdict, Verdict::Blocked { wait, fresh: false });
        now += wait.as_micros() as u64;
    }
    // Forgotten: the next block is a first one.
    now += 600_000_000;
    for _ in 0..10 {
        remote.check(&ask, Clock::At(now)).await.unwrap();
    }
    let answer = remote.check(&ask, Clock::At(now)).await.unwrap();
    let wait = Duration::from_mins(1);
    assert_eq!(answer.verdict, Verdict::Blocked { wait, fresh: true });
}

#[tokio::test]
async fn a_block_is_seen_and_lifted_by_every_replica() {
    let server = Server::start().await;
    let settings = Settings {
        blocks: Blocks {
            rate: rate("3/1h"),
            ..blocks()
        },
        ..settings()
    };
    let replicas = [(); 2].map(|()| Limiter::new(link(&server.url()), &settings));
    let bad = from("2001:db8::/64", DAY);
    for at in 0..3 {
        assert!(allowed(&replicas[at % 2], &bad).await);
    }
    for replica in &replicas {
        assert!(!allowed(replica, &bad).await);
        let blocked = replica.blocked().await.unwrap();
        assert!(
            matches!(&blocked[..], [(group, left)] if group == "2001:db8::/64" && left.as_secs() > 3500),
            "{blocked:?}"
        );
    }
    assert!(
        allowed(&replicas[0], &from("2001:db8:0:1::/64", DAY)).await,
        "a neighbour is not blocked"
    );
    assert!(replicas[0].pardon("2001:db8::/64").await.unwrap());
    assert!(!replicas[0].pardon("2001:db8::/64").await.unwrap());
    assert!(allowed(&replicas[0], &bad).await);
    assert!(replicas[1].blocked().await.unwrap().is_empty());
}

#[tokio::test]
async fn strangers_are_remembered_up_to_a_number_and_further_ones_share_one_limit() {
    let server = Server::start().await;
    let settings = Settings {
        addresses: 20,
        crowd: rate("5/1d"),
        ..settings()
    };
    let limiter = Limiter::new(link(&server.url()), &settings);
    let address = |at: usize| from(&format!("198.51.100.{at}"), "50/1d");
    for at in 0..20 {
        assert!(allowed(&limiter, &address(at)).await);
    }
    let kept: u64 = server.command("DBSIZE").await;
    for at in 20..25 {
        assert!(allowed(&limiter, &address(at)).await);
    }
    for at in 25..250 {
        let answer = limiter.check(&address(at)).await.answer;
        assert!(matches!(answer.verdict, Verdict::Crowded { .. }), "{answer:?}");
    }
    // One key more: what they share.
    assert_eq!(server.command::<u64>("DBSIZE").await, kept + 1);
    assert!(allowed(&limiter, &address(3)).await, "those that are known go on");
}

#[tokio::test]
async fn a_suspicious_address_proves_work_and_each_proof_is_good_once() {
    let server = Server::start().await;
    let limiter = limiter(&server);
    let mut ask = from("192.0.2.9", "6/1d");
    ask.stranger.as_mut().unwrap().challenged = true;
    for _ in 0..3 {
        assert!(allowed(&limiter, &ask).await);
    }
    let asked = limiter.check(&ask).await.answer;
    assert_eq!(
        (asked.verdict, asked.left[0].remaining),
        (Verdict::Challenged { effort: 0 }, 3)
    );
    ask.stranger.as_mut().unwrap().proof = Some("first".into());
    assert!(allowed(&limiter, &ask).await);
    assert_eq!(
        limiter.check(&ask).await.answer.verdict,
        Verdict::Challenged { effort: 0 }
    );
    // A proof does not open a limit that has no room, and is not used up by it.
    for proof in ["second", "third"] {
        ask.stranger.as_mut().unwrap().proof = Some(proof.into());
        assert!(allowed(&limiter, &ask).await);
    }
    ask.stranger.as_mut().unwrap().proof = Some("fourth".into());
    assert!(matches!(
        limiter.check(&ask).await.answer.verdict,
        Verdict::Refused { by: 0, .. }
    ));
    ask.limits = vec![limit("elsewhere", DAY)];
    assert!(allowed(&limiter, &ask).await);
}
