//! How much callers may ask for. The figures are those of docs/OPERATIONS.md.
use limits::Rate;
use std::time::Duration;

use super::{Network, Reader};

/// Limits of requests and connections.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Without them nothing is counted: for load tests.
    pub enabled: bool,
    /// How much of what.
    pub rates: Rates,
    /// Anonymous connections, or behind a trusted proxy anonymous requests, of one address at a time.
    pub connections: usize,
    /// Streams of events that one customer's callers follow at a time, in each process.
    pub streams: usize,
    /// More than this from an anonymous address is a block of that time, doubling.
    pub address: Rate,
    /// Anonymous addresses that are remembered in that time.
    pub addresses: u64,
    /// Addresses that are not counted by address, such as this machine's own. A proxy stands in `TRUSTED_PROXIES` instead.
    pub exempt: Vec<Network>,
    /// The longest wait for Redis; then the process counts by itself.
    pub redis_wait: Duration,
    /// Suspicious anonymous addresses prove work.
    pub challenge: bool,
}

/// One rate for each limit.
#[derive(Clone, Copy, Debug)]
#[expect(
    missing_docs,
    reason = "named as the variables are; `domain::limits` says what each counts"
)]
pub struct Rates {
    pub chat_domain: Rate,
    pub chat_session: Rate,
    pub chat_ip: Rate,
    pub chat_key: Rate,
    pub session_ip: Rate,
    pub visitor_session: Rate,
    pub visitor_ip: Rate,
    pub credential_ip: Rate,
    pub login_ip: Rate,
    pub read: Rate,
    pub read_key: Rate,
    pub change: Rate,
    pub change_key: Rate,
    pub scrape: Rate,
    pub embed: Rate,
    pub sync: Rate,
    pub batch: Rate,
    pub webhook_ip: Rate,
    pub probe_ip: Rate,
}

impl LimitsConfig {
    pub(crate) fn read(r: &mut Reader) -> Self {
        let enabled = switch(r, "LIMITS", true);
        let challenge = match r.optional("CHALLENGE").as_deref() {
            None | Some("auto") => true,
            Some("off") => false,
            Some(_) => {
                r.wrong("CHALLENGE", "must be auto or off", "auto");
                true
            }
        };
        Self {
            enabled,
            rates: Rates::read(r),
            connections: r.number("LIMIT_CONNECTIONS", 10, 1..=100_000, "10"),
            streams: r.number("LIMIT_STREAMS", 200, 1..=100_000, "200"),
            address: rate(r, "LIMIT_ADDRESS", 1000, 3600),
            addresses: r.number("LIMIT_ADDRESSES", 100_000, 1..=100_000_000, "100000"),
            exempt: exempt(r),
            redis_wait: Duration::from_millis(r.number("LIMITS_REDIS_MS", 100, 1..=60_000, "100")),
            challenge,
        }
    }
}

impl Rates {
    fn read(r: &mut Reader) -> Self {
        const MINUTE: u64 = 60;
        const QUARTER: u64 = 15 * MINUTE;
        const HOUR: u64 = 60 * MINUTE;
        Self {
            chat_domain: rate(r, "LIMIT_CHAT_DOMAIN", 60, MINUTE),
            chat_session: rate(r, "LIMIT_CHAT_SESSION", 100, QUARTER),
            chat_ip: rate(r, "LIMIT_CHAT_IP", 30, MINUTE),
            chat_key: rate(r, "LIMIT_CHAT_KEY", 600, MINUTE),
            session_ip: rate(r, "LIMIT_SESSION_IP", 30, MINUTE),
            visitor_session: rate(r, "LIMIT_VISITOR_SESSION", 300, QUARTER),
            visitor_ip: rate(r, "LIMIT_VISITOR_IP", 120, MINUTE),
            credential_ip: rate(r, "LIMIT_CREDENTIAL_IP", 30, MINUTE),
            login_ip: rate(r, "LIMIT_LOGIN_IP", 10, QUARTER),
            read: rate(r, "LIMIT_READ", 1200, QUARTER),
            read_key: rate(r, "LIMIT_READ_KEY", 600, MINUTE),
            change: rate(r, "LIMIT_CHANGE", 50, QUARTER),
            change_key: rate(r, "LIMIT_CHANGE_KEY", 600, QUARTER),
            scrape: rate(r, "LIMIT_SCRAPE", 10, HOUR),
            embed: rate(r, "LIMIT_EMBED", 1000, HOUR),
            sync: rate(r, "LIMIT_SYNC", 60, HOUR),
            batch: rate(r, "LIMIT_BATCH", 30, HOUR),
            webhook_ip: rate(r, "LIMIT_WEBHOOK_IP", 600, MINUTE),
            probe_ip: rate(r, "LIMIT_PROBE_IP", 600, MINUTE),
        }
    }
}

fn rate(r: &mut Reader, name: &'static str, quota: u32, seconds: u64) -> Rate {
    let default = Rate::of(quota, seconds);
    r.parsed(name, default, "60/60s")
}

fn switch(r: &mut Reader, name: &'static str, default: bool) -> bool {
    match r.optional(name).as_deref() {
        None => default,
        Some("on") => true,
        Some("off") => false,
        Some(_) => {
            r.wrong(name, "must be on or off", "on");
            default
        }
    }
}

/// `none` is nobody; not set, this machine.
fn exempt(r: &mut Reader) -> Vec<Network> {
    match r.optional("LIMIT_EXEMPT").as_deref() {
        Some("none") => Vec::new(),
        Some(_) => r.list("LIMIT_EXEMPT", "127.0.0.0/8,::1"),
        None => ["127.0.0.0/8", "::1"]
            .into_iter()
            .filter_map(|network| network.parse().ok())
            .collect(),
    }
}
