//! The script, the process's own memory, and a model that is as simple as the rules are told.

use super::{link, rate};
use limits::{Answer, Ask, Blocks, Clock, Limit, Memory, Remote, Stranger, Verdict};
use proptest::{prelude::*, test_runner::TestRunner};
use std::{collections::BTreeMap, time::Duration};
use valkey_lab::Server;

/// Anything after 1970: what the script sees with its own clock.
const BEGINNING: u64 = 1_790_000_000_000_000;

fn small() -> Blocks {
    Blocks {
        rate: rate("16/60s"),
        longest: Duration::from_mins(5),
        forget: Duration::from_mins(10),
    }
}

/// One request: µs since the one before, which limits, from which address.
#[derive(Clone, Debug)]
struct Step {
    pause: u64,
    limits: Vec<usize>,
    address: Option<usize>,
    challenged: bool,
    proof: Option<u8>,
}

fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![40 => 0..300_000u64, 6 => 0..10_000_000u64, 1 => 0..400_000_000u64];
    let limits = proptest::sample::subsequence(vec![0, 1, 2, 3], 0..=4);
    let proof = proptest::option::weighted(0.3, 0..6u8);
    let address = proptest::option::weighted(0.8, 0..2usize);
    (pause, limits, address, proptest::bool::weighted(0.3), proof).prop_map(
        |(pause, limits, address, challenged, proof)| Step {
            pause,
            limits,
            address,
            challenged,
            proof,
        },
    )
}

const RATES: [&str; 4] = ["3/10s", "7/60s", "1/1s", "20/1h"];

fn request(step: &Step) -> Ask {
    let limit = |at: &usize| Limit {
        name: "test",
        key: match step.address {
            Some(address) if *at == 0 => format!("of-address:{address}"),
            _ => format!("shared:{at}"),
        },
        rate: rate(RATES[*at]),
        by_address: step.address.is_some() && *at == 0,
    };
    Ask {
        limits: step.limits.iter().map(limit).collect(),
        stranger: step.address.map(|address| Stranger {
            group: format!("192.0.2.{address}"),
            challenged: step.challenged,
            proof: step.proof.map(|proof| format!("proof {proof}")),
        }),
    }
}

/// Every history has the same end in Redis and in the process.
#[test]
fn the_script_and_the_memory_decide_alike() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(Server::start());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(80));
    let link = runtime.block_on(async { link(&server.url()) });
    let decided = std::cell::RefCell::new(BTreeMap::<&str, usize>::new());
    runner
        .run(&proptest::collection::vec(step(), 1..200), |steps| {
            let remote = Remote::new(
                link.clone(),
                &format!("history {}", server_name(&steps)),
                small(),
                1000,
                rate("1/1s"),
                Duration::from_hours(1),
            );
            let mut memory = Memory::new(1000, small());
            let mut now = BEGINNING;
            for step in &steps {
                now += step.pause;
                let ask = request(step);
                let theirs = runtime.block_on(remote.check(&ask, Clock::At(now))).unwrap();
                let ours = memory.check(&ask, now);
                *decided.borrow_mut().entry(word(&ours)).or_default() += 1;
                prop_assert_eq!(&theirs, &ours, "{:?} at {}", step, now);
            }
            Ok(())
        })
        .unwrap();
    // Not by agreeing on the simple cases only.
    let decided = decided.into_inner();
    for verdict in ["allowed", "refused", "held", "blocked", "challenged"] {
        assert!(decided.contains_key(verdict), "{verdict} is missing in {decided:?}");
    }
}

/// Shrinking runs a history again, which must not find the keys of another.
fn server_name(steps: &[Step]) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{} of {}", NEXT.fetch_add(1, Ordering::Relaxed), steps.len())
}

fn word(answer: &Answer) -> &'static str {
    match answer.verdict {
        Verdict::Allowed => "allowed",
        Verdict::Refused { .. } => "refused",
        Verdict::Held { .. } => "held",
        Verdict::Blocked { .. } => "blocked",
        Verdict::Crowded { .. } => "crowded",
        Verdict::Challenged { .. } => "challenged",
    }
}

/// A bucket that holds `quota` and is filled evenly: GCRA told in another way.
struct Bucket {
    quota: f64,
    per_micro: f64,
    level: f64,
    seen: u64,
}

impl Bucket {
    fn take(&mut self, now: u64) -> bool {
        self.level = self.quota.min(self.level + (now - self.seen) as f64 * self.per_micro);
        self.seen = now;
        // What a float has lost over a long history is far less than this.
        let full = self.level >= 1.0 - 1e-6;
        if full {
            self.level -= 1.0;
        }
        full
    }
}

proptest! {
    /// Whatever the pace, as many are let through as a bucket that is filled evenly would give.
    #[test]
    fn a_limit_is_a_bucket_that_fills_evenly(
        quota in 1u32..50, seconds in 1u64..100, pauses in proptest::collection::vec(0u64..30, 1..300),
    ) {
        let of = limits::Rate::new(quota, Duration::from_secs(seconds)).unwrap();
        let interval = seconds * 1_000_000 / u64::from(quota);
        let mut memory = Memory::new(10, small());
        let mut bucket = Bucket {
            quota: f64::from(quota),
            per_micro: 1.0 / interval as f64,
            level: f64::from(quota),
            seen: BEGINNING,
        };
        let mut now = BEGINNING;
        for pause in pauses {
            // A tenth of the interval is the grain, so that both meet the edge exactly.
            now += pause * interval / 10;
            let limit = Limit { name: "test", key: "k".into(), rate: of, by_address: false };
            let ask = Ask { limits: vec![limit], stranger: None };
            let allowed = memory.check(&ask, now).verdict == Verdict::Allowed;
            let expected = bucket.take(now);
            // Tenths of an interval that is no multiple of ten are cut off; at the very edge both answers are right.
            if (bucket.level - 1.0).abs() > 1e-3 && bucket.level.abs() > 1e-3 {
                prop_assert_eq!(allowed, expected, "at {} with {}", now, bucket.level);
            } else if allowed != expected {
                break;
            }
        }
    }
}
