//! Failed logins, counted for the account and for the address that they come from. After some free ones each failure costs a wait
//! that doubles. The counters stand in Postgres, so that all replicas count together and a restart forgets nothing.
//!
//! An attempt is counted before its password is looked at and taken back when it succeeds: a thousand guesses at once are a thousand
//! failures, not one. While a wait lasts nothing is counted, so that whoever keeps somebody else out has to keep at it, and never for longer than
//! the longest wait. Accounts that do not exist are counted like others.
//!
//! A browser that somebody has logged in with is known by a signed text that it keeps, and counted by itself: strangers who fail on
//! purpose lock themselves out, and not the account's own people (the device cookies of OWASP's guide). The text opens nothing.
use sea_orm::{ConnectionTrait, QueryResult};
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
    /// Somebody with a session, who is asked for the password or a code again.
    Person(Uuid),
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
    counted: Vec<Option<Vec<u8>>>,
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

    /// Counters that this attempt was counted on for nothing.
    fn others(&self) -> impl Iterator<Item = &Vec<u8>> {
        let others = self.counted.iter().enumerate().filter(|(n, _)| *n != self.chosen);
        others.filter_map(|(_, key)| key.as_ref()).chain(&self.address)
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
        let (mut blocks, mut counted, mut waits) = (false, Vec::new(), None);
        for subject in on {
            let key = self.counter_of(*subject, now);
            let counts = self.count(&*tx, &key, free, now).await?;
            blocks |= counts.unwrap_or(false);
            counted.push(counts.map(|_| key.clone()));
            waits = waits.or(counts.is_none().then_some(key));
        }
        if let Some(key) = waits
            && counted.iter().all(Option::is_none)
        {
            return Err(Self::refusal(&*tx, &key, now).await?);
        }
        if let Some(key) = &address {
            match self.count(&*tx, key, free * ADDRESS, now).await? {
                Some(last) => blocks |= last,
                None => return Err(Self::refusal(&*tx, key, now).await?),
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

    /// The account's failures are forgotten; the address keeps those of its others, so that a thief with one good account can't go
    /// on guessing at the rest.
    pub async fn succeed(tx: &impl ConnectionTrait, attempt: &Attempt) -> Result<()> {
        if let Some(Some(key)) = attempt.counted.get(attempt.chosen) {
            let forget = "DELETE FROM login_attempts WHERE key = $1";
            tx.execute_raw(sql(forget, [key.clone().into()])).await?;
        }
        Self::passed(tx, attempt).await
    }

    /// The first of two steps was right: the address gets this attempt back, as the second step counts one of its own, and so do other
    /// accounts of the same e-mail address. The account keeps it until a code is right, so that codes are guessed no faster.
    pub async fn passed(tx: &impl ConnectionTrait, attempt: &Attempt) -> Result<()> {
        let back = "UPDATE login_attempts SET failures = greatest(failures - 1, 0), blocked_until = least(blocked_until, last_at) WHERE key = $1";
        for key in attempt.others() {
            tx.execute_raw(sql(back, [key.clone().into()])).await?;
        }
        Ok(())
    }

    /// An operator's way out for an account that others keep locked.
    pub async fn forget(&self, tx: &impl ConnectionTrait, account: &str) -> Result<()> {
        let key = self.counter("account", account);
        tx.execute_raw(sql("DELETE FROM login_attempts WHERE key = $1", [key.into()]))
            .await?;
        Ok(())
    }

    async fn refusal(tx: &impl ConnectionTrait, key: &[u8], now: OffsetDateTime) -> Result<Error> {
        let query = "SELECT blocked_until FROM login_attempts WHERE key = $1";
        let row: Option<QueryResult> = tx.query_one_raw(sql(query, [key.to_vec().into()])).await?;
        let until = row
            .map(|row| row.try_get::<OffsetDateTime>("", "blocked_until"))
            .transpose()?;
        let left = until.map_or(time::Duration::ZERO, |until| until - now);
        let retry_after = Duration::try_from(left).unwrap_or_default().max(Duration::from_secs(1));
        Ok(Error::new(
            Kind::TooMany { retry_after },
            "login_blocked",
            "too many logins have failed; wait before the next one",
        ))
    }

    fn counter_of(&self, on: Subject<'_>, now: OffsetDateTime) -> Vec<u8> {
        let (account, device) = match on {
            Subject::Person(user) => return self.counter("person", &user.to_string()),
            Subject::Account(account, device) => (self.counter("account", account), device),
        };
        let known = device.and_then(|text| serde_json::from_slice::<Device>(&self.devices.open(text)?).ok());
        let known = known.filter(|known| known.account == hex::encode(&account) && known.until > now.unix_timestamp());
        known.map_or(account, |known| self.counter("device", &known.id.to_string()))
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
