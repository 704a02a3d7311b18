//! How much callers may ask for: who is held against which limits ([`Class`], [`Who`]), addresses that operators have blocked
//! ([`BlockList`]), and proofs of work for suspicious visitors ([`Challenge`]). The counting itself is the crate `limits`.
//!
//! What must stay true: limits refuse (429), they never break (5xx), and they never just let through: without Redis each process
//! keeps every limit by itself. What a stranger is told of limits is the stranger's own: how busy a site is stays the site's.
mod blocks;
mod challenge;
mod class;
mod store;

use limits::{Ask, Blocks, Left, Limiter, Memory, Rate, Settings, Stranger, Verdict};
use metrics::{counter, gauge};
use redis_link::{Address, Limits, Link};
use secrecy::ExposeSecret;
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub use blocks::{Block, BlockList};
pub use challenge::{Challenge, solve};
pub use class::{Class, Who};
pub use store::CacheServer;

use crate::{
    Error, Result,
    clock::Clock,
    config::{Config, LimitsConfig, Network},
    error::Kind,
};
use challenge::Challenges;

/// Blocks double up to this.
const LONGEST_BLOCK: Duration = Duration::from_hours(24);
/// So long after a block its address is like any other.
const FORGET: Duration = Duration::from_hours(24);
/// Requests of all addresses together that come after too many new ones.
const CROWD: (u32, u64) = (50, 1);
/// More refusals of one address in a period of `LIMIT_ADDRESS` are told in the log.
const STORM: u64 = 100;
/// The limits of connections and of streams at once, which have no period.
pub const CONNECTIONS: &str = "connections";
/// See [`CONNECTIONS`].
pub const STREAMS: &str = "streams";
/// So many times what one address may is what a /48 of IPv6 may: see [`site`].
pub const OF_SITE: u32 = 16;
/// While Redis is away, one request in this time looks for it.
const RETRY: Duration = Duration::from_secs(1);
/// Addresses whose failed credentials and probes are counted in the process.
const LOCAL: usize = 20_000;
/// Where the process's own time begins, in µs: longer than any period.
const BEGINNING: u64 = 10_000_000_000_000;

/// Holds requests against their limits.
pub struct Gate {
    limiter: Limiter,
    config: LimitsConfig,
    challenges: Challenges,
    /// Counts what needs no Redis.
    local: Mutex<Memory>,
    begun: Instant,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What it asks for.
    pub class: Class,
    /// It is a change as well, which is counted in the same breath.
    pub changes: bool,
    /// Who asks.
    pub who: &'a Who,
    /// From where, if that counts: see [`Gate::group`].
    pub group: Option<&'a str>,
    /// An answered challenge.
    pub proof: Option<&'a str>,
}

/// One limit as its caller may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: &'static str,
    /// How much it gives.
    pub rate: Rate,
    /// What is left.
    pub left: Left,
}

/// What becomes of a request.
#[derive(Debug)]
pub struct Passage {
    /// The caller's own limits.
    pub lines: Vec<Line>,
    /// Why it may not go on, if it may not.
    pub refusal: Option<Refusal>,
}

/// Why a request may not go on.
#[derive(Debug)]
pub struct Refusal {
    /// What the caller is told.
    pub error: Error,
    /// What would let it in.
    pub challenge: Option<Box<Challenge>>,
    /// The limit that was reached, where it is none of those that a request is counted on.
    pub line: Option<Box<Line>>,
}

impl Refusal {
    /// Told of this limit, of which nothing is left.
    fn by(mut self, name: &'static str, rate: Rate, full_in: Duration) -> Self {
        let left = Left { remaining: 0, full_in };
        self.line = Some(Box::new(Line { name, rate, left }));
        self
    }
}

impl Gate {
    /// None if the configuration wants no limits.
    pub fn new(config: &Config, clock: Clock) -> Result<Option<Self>> {
        if !config.limits.enabled {
            tracing::warn!("LIMITS is off: nobody is held against any limit, and no address is blocked by itself");
            return Ok(None);
        }
        let url = config.redis.cache_url.expose_secret();
        let address = Address::parse(url).map_err(|e| Error::internal("REDIS_CACHE_URL", e))?;
        let figures = &config.limits;
        let blocks = Blocks {
            rate: figures.address,
            longest: LONGEST_BLOCK.max(figures.address.period()),
            forget: FORGET,
        };
        let settings = Settings {
            name: "omniops-limits".into(),
            blocks,
            addresses: figures.addresses,
            crowd: Rate::of(CROWD.0, CROWD.1),
            proofs: challenge::LIFETIME * 2,
            deadline: figures.redis_wait,
            retry: RETRY,
        };
        // Longer than the deadline, so that a slow answer is a request's misfortune and not the connection's end.
        let patience = (figures.redis_wait * 4).max(Duration::from_secs(1));
        let waits = Limits {
            connect: patience,
            answer: patience,
        };
        Ok(Some(Self {
            limiter: Limiter::new(Link::new(address, waits), &settings),
            config: figures.clone(),
            challenges: Challenges::new(&config.security.keys, clock),
            local: Mutex::new(Memory::new(LOCAL, blocks)),
            begun: Instant::now(),
        }))
    }

    /// How the address is counted; none if it is exempt. IPv6 addresses count by their /64. One that speaks for others whom nobody
    /// can tell apart is never exempt: they are the whole internet.
    pub fn group(&self, address: IpAddr, speaks_for_others: bool) -> Option<String> {
        let exempt = self.config.exempt.iter().any(|network| network.contains(address));
        (!exempt || speaks_for_others).then(|| group(address))
    }

    /// Holds a request against its limits.
    pub async fn check(&self, request: &Request<'_>) -> Passage {
        let of = |class| class::limits(&self.config.rates, class, request.who, request.group);
        let mut asked = if request.changes { of(Class::Change) } else { Vec::new() };
        asked.extend(of(request.class));
        let mut ask = Ask {
            limits: asked,
            stranger: None,
        };
        let answer = if request.class == Class::Probe {
            self.local().check(&ask, self.now())
        } else {
            ask.stranger = self.stranger(request);
            if ask.limits.is_empty() && ask.stranger.is_none() {
                return Passage {
                    lines: Vec::new(),
                    refusal: None,
                };
            }
            let decision = self.limiter.check(&ask).await;
            gauge!("omniops_limits_alone").set(f64::from(u8::from(self.limiter.is_alone())));
            decision.answer
        };
        let lines = ask.limits.iter().zip(&answer.left).map(|(limit, left)| Line {
            name: limit.name,
            rate: limit.rate,
            left: *left,
        });
        let lines: Vec<Line> = lines.collect();
        let refusal = self.refusal(request, &lines, answer.verdict);
        if refusal.is_some() && answer.violations == STORM + 1 {
            let address = request.group.unwrap_or_default();
            tracing::warn!(
                event = "rate_limit_storm",
                address,
                "an address was refused more than {STORM} times"
            );
        }
        let lines: Vec<Line> = lines.into_iter().filter(|line| class::is_own(line.name)).collect();
        // What blocks an address is no limit of this request alone.
        let refusal = refusal.map(|refusal| match refusal.error.kind() {
            Kind::TooMany { retry_after } if lines.is_empty() => {
                let wait = *retry_after;
                refusal.by("address", self.config.address, wait)
            }
            _ => refusal,
        });
        Passage { lines, refusal }
    }

    fn stranger(&self, request: &Request<'_>) -> Option<Stranger> {
        let group = request
            .group
            .filter(|_| request.who.is_anonymous() && request.class != Class::Webhook)?;
        Some(Stranger {
            group: group.to_owned(),
            // Widgets answer challenges; other clients of these calls have keys.
            challenged: self.config.challenge && matches!(request.class, Class::Session | Class::Chat),
            proof: request.proof.and_then(|answer| self.challenges.check(answer, group)),
        })
    }

    fn refusal(&self, request: &Request<'_>, lines: &[Line], verdict: Verdict) -> Option<Refusal> {
        let (reason, code, wait, message) = match verdict {
            Verdict::Allowed => return None,
            Verdict::Refused { by, wait } => {
                let line = lines.get(by)?;
                let (quota, seconds) = (line.rate.quota(), line.rate.period().as_secs());
                let told = format!("more than {quota} requests in {seconds} s {}", class::whose(line.name));
                (line.name, "rate_limited", wait, told)
            }
            Verdict::Held { wait } => {
                let told = "this address goes on asking although it was refused".to_owned();
                ("held", "rate_limited", wait, told)
            }
            Verdict::Blocked { wait, fresh } => {
                if fresh {
                    counter!("omniops_addresses_blocked_total").increment(1);
                    let address = request.group.unwrap_or_default();
                    tracing::warn!(
                        event = "address_blocked",
                        address,
                        seconds = wait.as_secs(),
                        "an address is blocked"
                    );
                }
                let told = "this address is blocked for sending too many requests".to_owned();
                ("blocked", "address_blocked", wait, told)
            }
            Verdict::Crowded { wait } => {
                let told = "too many visitors come at once".to_owned();
                ("crowd", "rate_limited", wait, told)
            }
            Verdict::Challenged { effort } => return Some(self.challenged(request, effort)),
        };
        Some(refuse(request.class, reason, code, wait, &message))
    }

    fn challenged(&self, request: &Request<'_>, effort: u32) -> Refusal {
        let message = "this address must prove some work first: see the header omniops-challenge";
        let refusal = refuse(
            request.class,
            "challenge",
            "challenge_required",
            Duration::ZERO,
            message,
        );
        // Without randomness there is no challenge, and the caller comes again later.
        let challenge = self
            .challenges
            .issue(request.group.unwrap_or_default(), effort)
            .ok()
            .map(Box::new);
        Refusal { challenge, ..refusal }
    }

    /// The refusal of a connection over the number that one anonymous address may have.
    pub fn too_many_connections(&self, class: Class) -> Refusal {
        let message = format!(
            "more than {} connections at once from this address",
            self.config.connections
        );
        let wait = Duration::from_secs(5);
        let refusal = refuse(class, "connections", "too_many_connections", wait, &message);
        let most = u32::try_from(self.config.connections).unwrap_or(u32::MAX);
        refusal.by(CONNECTIONS, Rate::of(most, wait.as_secs()), wait)
    }

    /// The refusal of a stream over the number that one customer's callers may follow at once.
    pub fn too_many_streams(&self, class: Class) -> Refusal {
        let message = format!("more than {} streams at once for this customer", self.config.streams);
        let wait = Duration::from_secs(5);
        let refusal = refuse(class, "streams", "too_many_streams", wait, &message);
        let most = u32::try_from(self.config.streams).unwrap_or(u32::MAX);
        refusal.by(STREAMS, Rate::of(most, wait.as_secs()), wait)
    }

    /// The refusal of a connection over the number that one customer's callers may have open at once.
    pub fn too_many_of_customer(&self, class: Class) -> Refusal {
        let message = format!(
            "more than {} connections at once for this customer",
            self.config.streams
        );
        let wait = Duration::from_secs(5);
        let refusal = refuse(class, "connections", "too_many_connections", wait, &message);
        let most = u32::try_from(self.config.streams).unwrap_or(u32::MAX);
        refusal.by(CONNECTIONS, Rate::of(most, wait.as_secs()), wait)
    }

    /// Anonymous connections of one address.
    pub fn connections(&self) -> usize {
        self.config.connections
    }

    /// Refuses to look up another credential for an address that has sent too many which nobody has: each lookup asks the
    /// database. Counted in the process.
    pub fn before_lookup(&self, class: Class, group: &str) -> Option<Refusal> {
        let limits = class::limits(&self.config.rates, Class::Read, &Who::Stranger, Some(group));
        let now = self.now();
        let wait = limits.iter().find_map(|limit| self.local().full_for(limit, now))?;
        let message = "too many credentials from this address that are not valid";
        let refusal = refuse(class, "credential-ip", "rate_limited", wait, message);
        let rate = self.config.rates.credential_ip;
        Some(refusal.by("credential-ip", rate, rate.period()))
    }

    /// Notes that a credential of this address was looked up in vain.
    pub fn failed_lookup(&self, group: &str) {
        let limits = class::limits(&self.config.rates, Class::Read, &Who::Stranger, Some(group));
        let ask = Ask { limits, stranger: None };
        self.local().check(&ask, self.now());
    }

    /// Addresses that are blocked for what they did, and for how long.
    pub async fn blocked(&self) -> Result<Vec<(String, Duration)>> {
        self.limiter.blocked().await.map_err(away)
    }

    /// Forgets what an address did; true if it was blocked.
    pub async fn pardon(&self, network: Network) -> Result<bool> {
        match group_of(network) {
            Some(group) => self.limiter.pardon(&group).await.map_err(away),
            None => Ok(false),
        }
    }

    fn local(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        BEGINNING + self.begun.elapsed().as_micros() as u64
    }
}

fn away(error: redis::RedisError) -> Error {
    Error::unavailable("redis_unavailable", "Redis does not answer", error)
}

/// One text for an address, or for the /64 that counts as one.
fn group(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from_bits(network))
        }
    }
}

/// The /48 around a /64, as [`Gate::group`] writes it; none for other addresses. It is what a provider of IPv6 gives one customer, who has
/// 65,536 networks in it that each count as an address: together they have [`OF_SITE`] times what one has.
pub fn site(group: &str) -> Option<String> {
    let address: Ipv6Addr = group.strip_suffix("/64")?.parse().ok()?;
    let site = Ipv6Addr::from_bits(address.to_bits() >> 80 << 80);
    Some(format!("{site}/48"))
}

/// The same of a network that is one address, or within one /64.
fn group_of(network: Network) -> Option<String> {
    let text = network.to_string();
    let (address, length) = text.split_once('/')?;
    let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
    let is_one = if address.is_ipv4() { length == 32 } else { length >= 64 };
    is_one.then(|| group(address))
}

fn refuse(class: Class, reason: &'static str, code: &'static str, wait: Duration, message: &str) -> Refusal {
    counter!("omniops_rate_limited_total", "class" => class.as_str(), "reason" => reason).increment(1);
    let seconds = wait.as_micros().div_ceil(1_000_000).max(1) as u64;
    let kind = Kind::TooMany {
        retry_after: Duration::from_secs(seconds),
    };
    let message = match reason {
        "challenge" => message.to_owned(),
        _ => format!("{message}; try again in {seconds} s"),
    };
    Refusal {
        error: Error::new(kind, code, message),
        challenge: None,
        line: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_network_and_ipv4_by_address() {
        let of = |text: &str| group(text.parse().unwrap());
        assert_eq!(of("203.0.113.7"), "203.0.113.7");
        assert_eq!(of("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::ffff"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }

    #[test]
    fn a_group_is_named_by_any_of_its_addresses() {
        let of = |text: &str| group_of(text.parse().unwrap());
        assert_eq!(of("203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(of("2001:db8:1:2::5").as_deref(), Some("2001:db8:1:2::/64"));
        assert_eq!(of("2001:db8:1:2::/64").as_deref(), Some("2001:db8:1:2::/64"));
        assert_eq!((of("203.0.113.0/24"), of("2001:db8::/32")), (None, None));
    }
}
