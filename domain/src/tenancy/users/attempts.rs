//! Failed logins, counted for the account and for the address that they come from. After some free ones each failure costs a wait
//! that doubles. The counters stand in Postgres, so that all replicas count together and a restart forgets nothing.
//!
//! An attempt is counted before its password is looked at and taken back when it succeeds: a thousand guesses at once are a thousand
//! failures, not one. While a wait lasts nothing is counted, so that whoever keeps somebody else out has to keep at it, and never for longer than
//! the longest wait. Accounts that do not exist are counted like others.
//!
//! A browser that somebody has logged in with is known by a signed text that it keeps, and counted by itself: strangers who fail on
//! purpose lock themselves out, and not the account's own people (the device cookies of OWASP's guide). The text opens nothing.
//!
//! What strangers are counted by is forgotten by time alone: two accounts of one e-mail address, which two customers have made, are
//! counted alike whatever becomes of either, so that nobody reads from the waits of the own one whether there is another.
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Error, Result,
    config::AccountsConfig,
    error::Kind,
    ids,
    secrets::{self, MasterKeys, Secret, Signer},
    tenancy::{Db, sql},
};

/// An address may fail so many times as often as an account: a whole office stands behind one.
const ADDRESS: i32 = 4;
/// Failures older than this no longer count.
const MEMORY: time::Duration = time::Duration::DAY;
/// Forgotten counters that are removed with one attempt.
const SWEPT: i64 = 20;
/// A device that nobody logs in with is forgotten after this time.
const KNOWN: time::Duration = time::Duration::days(90);

/// One statement counts, unless the wait is not over: then it changes nothing.
const COUNT: &str = "
INSERT INTO login_attempts AS a (key, failures, last_at, blocked_until)
VALUES ($1, 1, $2, $2)
ON CONFLICT (key) DO UPDATE SET
  failures = CASE WHEN a.last_at < $3 THEN 1 ELSE a.failures + 1 END,
  last_at = $2,
  blocked_until = CASE WHEN a.last_at < $3 OR a.failures + 1 < $4 THEN $2
    ELSE $2 + make_interval(secs => least($6::float8, $5::float8 * 2 ^ least(a.failures + 1 - $4, 30))) END
WHERE a.blocked_until <= $2
RETURNING failures, blocked_until > $2 AS blocks";

/// Takes an attempt back.
const BACK: &str = "UPDATE login_attempts SET failures = greatest(failures - 1, 0), blocked_until = least(blocked_until, last_at) WHERE key = $1";

/// Counts attempts.
#[derive(Clone)]
pub struct Attempts {
    db: Db,
    key: Secret,
    devices: Signer,
    config: AccountsConfig,
}

/// What failures are counted for, beside the address.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// An account by its id, or an address that is nobody's, from a device that may be known.
    Account(&'a str, Option<&'a str>),
    /// The second factor of an account, from a device that may be known.
    Code(&'a str, Option<&'a str>),
    /// Somebody with a session, who is asked for the password again.
    Person(Uuid),
}

/// What an attempt was counted by.
struct Counter {
    key: Vec<u8>,
    /// It is nobody's but the account's own, so that success clears it.
    own: bool,
}

/// What a known device's text says.
#[derive(Serialize, Deserialize)]
struct Device {
    /// The account's counter.
    account: String,
    id: Uuid,
    until: i64,
}

/// An attempt that was counted.
pub struct Attempt {
    /// The counters of the subjects, in their order; none of one that has to wait.
    counted: Vec<Option<Counter>>,
    /// Which of them it turned out to be.
    chosen: usize,
    address: Option<Vec<u8>>,
    /// The next ones have to wait.
    pub blocks: bool,
}

impl Attempt {
    /// Whether this subject may be tried: its wait is over.
    pub fn admits(&self, subject: usize) -> bool {
        self.counted.get(subject).is_some_and(Option::is_some)
    }

    /// It was about this one of the subjects.
    pub fn choose(&mut self, subject: usize) {
        self.chosen = subject;
    }

    /// The subject that a known device was counted for.
    pub fn known(&self) -> Option<usize> {
        let own = |counter: &Option<Counter>| counter.as_ref().is_some_and(|counter| counter.own);
        self.counted.iter().position(own)
    }

    /// The counters of the subjects in the order in which all take them, and whether success clears each.
    fn counters(&self) -> Vec<(&[u8], bool)> {
        let counted = self.counted.iter().enumerate();
        let counted = counted.filter_map(|(n, counter)| counter.as_ref().map(|counter| (n, counter)));
        let mut all: Vec<_> = counted
            .map(|(n, counter)| (counter.key.as_slice(), counter.own && n == self.chosen))
            .collect();
        all.sort_unstable();
        all
    }
}

impl Attempts {
    /// Keys of counters are hashed under the installation's master key: the table tells no addresses.
    pub fn new(db: Db, keys: &MasterKeys, config: AccountsConfig) -> Self {
        let key = keys.present().derive("login attempts");
        let devices = Signer::new(keys, "known devices");
        Self {
            db,
            key,
            devices,
            config,
        }
    }

    /// Counts an attempt on each of these, or refuses it while all of them, or the address, have to wait.
    pub async fn begin(&self, on: &[Subject<'_>], ip: Option<&str>, now: OffsetDateTime) -> Result<Attempt> {
        let free = self.config.free_failures as i32;
        let address = ip.map(|ip| self.counter("address", &network(ip)));
        let tx = self.db.system().await?;
        let mut counters: Vec<_> = on.iter().map(|on| self.counter_of(*on, now)).enumerate().collect();
        // In one order, so that two who count the same ones don't wait for each other.
        counters.sort_unstable_by(|(_, a), (_, b)| a.key.cmp(&b.key));
        let (mut blocks, mut waits) = (false, Vec::new());
        let mut counted: Vec<Option<Counter>> = on.iter().map(|_| None).collect();
        for (n, counter) in counters {
            match self.count(&*tx, &counter.key, free, now).await? {
                Some(last) => {
                    blocks |= last;
                    counted[n] = Some(counter);
                }
                None => waits.push(counter.key),
            }
        }
        if waits.len() == on.len() {
            return Err(Self::refusal(&*tx, &waits, now).await?);
        }
        if let Some(key) = &address {
            match self.count(&*tx, key, free * ADDRESS, now).await? {
                Some(last) => blocks |= last,
                None => return Err(Self::refusal(&*tx, std::slice::from_ref(key), now).await?),
            }
        }
        let sweep = "DELETE FROM login_attempts WHERE key IN (SELECT key FROM login_attempts WHERE last_at < $1 AND blocked_until < $1
                     LIMIT $2 FOR UPDATE SKIP LOCKED)";
        tx.execute_raw(sql(sweep, [(now - MEMORY).into(), SWEPT.into()]))
            .await?;
        tx.commit().await?;
        Ok(Attempt {
            counted,
            chosen: 0,
            address,
            blocks,
        })
    }

    /// Counts one, and tells whether the next has to wait; none while a wait lasts.
    async fn count(
        &self,
        tx: &impl ConnectionTrait,
        key: &[u8],
        free: i32,
        now: OffsetDateTime,
    ) -> Result<Option<bool>> {
        let values = [
            key.to_vec().into(),
            now.into(),
            (now - MEMORY).into(),
            free.into(),
            self.config.block.as_secs_f64().into(),
            self.config.block_most.as_secs_f64().into(),
        ];
        let row = tx.query_one_raw(sql(COUNT, values)).await?;
        Ok(row.map(|row| row.try_get("", "blocks")).transpose()?)
    }

    /// It was right: the failures of a known device, of a person with a session and of codes are forgotten. What strangers are
    /// counted by gets this attempt back and keeps the others, so that a thief with one good account can't go on guessing at the rest.
    pub async fn succeed(tx: &impl ConnectionTrait, attempt: &Attempt) -> Result<()> {
        Self::settle(tx, attempt, "DELETE FROM login_attempts WHERE key = $1").await
    }

    /// It was no failure, or nobody has looked: all get it back. What follows, a code, is counted by itself.
    pub async fn give_back(&self, attempt: &Attempt) -> Result<()> {
        let tx = self.db.system().await?;
        Self::settle(&*tx, attempt, BACK).await?;
        tx.commit().await
    }

    async fn settle(tx: &impl ConnectionTrait, attempt: &Attempt, own: &str) -> Result<()> {
        for (key, clears) in attempt.counters() {
            let what = if clears { own } else { BACK };
            tx.execute_raw(sql(what, [key.to_vec().into()])).await?;
        }
        if let Some(key) = &attempt.address {
            tx.execute_raw(sql(BACK, [key.clone().into()])).await?;
        }
        Ok(())
    }

    /// An operator's way out for an account that others keep locked.
    pub async fn forget(&self, tx: &impl ConnectionTrait, account: &str) -> Result<()> {
        for kind in ["account", "code"] {
            let key = self.counter(kind, account);
            tx.execute_raw(sql("DELETE FROM login_attempts WHERE key = $1", [key.into()]))
                .await?;
        }
        Ok(())
    }

    /// As the audit log names an address that is nobody's: people type other secrets into the wrong field, so nobody without the
    /// installation's key can try what it was.
    pub fn nobody(&self, address: &str) -> String {
        let name = hex::encode(self.counter("unknown", address));
        format!("unknown:{}", &name[..16])
    }

    /// Until the first of these waits is over.
    async fn refusal(tx: &impl ConnectionTrait, keys: &[Vec<u8>], now: OffsetDateTime) -> Result<Error> {
        let query = "SELECT blocked_until FROM login_attempts WHERE key = $1";
        let mut until: Option<OffsetDateTime> = None;
        for key in keys {
            if let Some(row) = tx.query_one_raw(sql(query, [key.clone().into()])).await? {
                let one: OffsetDateTime = row.try_get("", "blocked_until")?;
                until = Some(until.map_or(one, |until| until.min(one)));
            }
        }
        let left = until.map_or(time::Duration::ZERO, |until| until - now);
        let retry_after = Duration::try_from(left).unwrap_or_default().max(Duration::from_secs(1));
        Ok(Error::new(
            Kind::TooMany { retry_after },
            "login_blocked",
            "too many logins have failed; wait before the next one",
        ))
    }

    fn counter_of(&self, on: Subject<'_>, now: OffsetDateTime) -> Counter {
        let own = |key| Counter { key, own: true };
        let (account, device) = match on {
            Subject::Person(user) => return own(self.counter("person", &user.to_string())),
            Subject::Account(account, device) | Subject::Code(account, device) => (account, device),
        };
        let key = self.counter("account", account);
        let known = device.and_then(|text| serde_json::from_slice::<Device>(&self.devices.open(text)?).ok());
        let known = known.filter(|known| known.account == hex::encode(&key) && known.until > now.unix_timestamp());
        match (known, on) {
            (Some(known), _) => own(self.counter("device", &known.id.to_string())),
            (None, Subject::Code(..)) => own(self.counter("code", account)),
            (None, _) => Counter { key, own: false },
        }
    }

    /// The text by which the device is known that has just logged in to this account.
    pub fn know(&self, account: &str, now: OffsetDateTime) -> Result<String> {
        let device = Device {
            account: hex::encode(self.counter("account", account)),
            id: ids::new_id(),
            until: (now + KNOWN).unix_timestamp(),
        };
        Ok(self.devices.seal(&serde_json::to_vec(&device)?))
    }

    fn counter(&self, kind: &str, of: &str) -> Vec<u8> {
        secrets::hmac_sha256(&self.key, format!("{kind}:{of}").as_bytes())
    }
}

/// What one customer of a provider has: an IPv4 address, or an IPv6 network of 64 bits.
fn network(ip: &str) -> String {
    match ip.parse() {
        Ok(std::net::IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => format!("{:x?}", &address.segments()[..4]),
        },
        _ => ip.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn an_ipv6_network_is_one_and_a_mapped_address_is_the_address() {
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
