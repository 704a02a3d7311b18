//! The limiter against a real Valkey.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

mod away;
mod model;
mod shared;

use limits::{Ask, Blocks, Limit, Limiter, Rate, Settings, Stranger};
use redis_link::{Address, Limits, Link};
use std::time::Duration;
use valkey_lab::Server;

/// Longer than any test runs, so that nothing comes back while it does.
const DAY: &str = "100/1d";

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn link(url: &str) -> Link {
    let limits = Limits {
        connect: Duration::from_secs(10),
        answer: Duration::from_secs(10),
    };
    Link::new(Address::parse(url).unwrap(), limits)
}

fn blocks() -> Blocks {
    Blocks {
        rate: rate("1000/1h"),
        longest: Duration::from_hours(24),
        forget: Duration::from_hours(24),
    }
}

/// Patient, so that a busy machine is not taken for one without Redis.
fn settings() -> Settings {
    Settings {
        name: "test".into(),
        blocks: blocks(),
        addresses: 100_000,
        crowd: rate("100/1s"),
        proofs: Duration::from_hours(1),
        deadline: Duration::from_secs(10),
        retry: Duration::from_secs(1),
    }
}

fn limiter(server: &Server) -> Limiter {
    Limiter::new(link(&server.url()), &settings())
}

fn limit(key: &str, of: &str) -> Limit {
    Limit {
        name: "test",
        key: key.into(),
        rate: rate(of),
        by_address: false,
    }
}

fn ask(limits: &[(&str, &str)]) -> Ask {
    Ask {
        limits: limits.iter().map(|(key, of)| limit(key, of)).collect(),
        stranger: None,
    }
}

/// From `address`, against a limit of that address.
fn from(address: &str, of: &str) -> Ask {
    let mut limit = limit(&format!("address-limit:{address}"), of);
    limit.by_address = true;
    Ask {
        limits: vec![limit],
        stranger: Some(Stranger {
            group: address.into(),
            challenged: false,
            proof: None,
        }),
    }
}
