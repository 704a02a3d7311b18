//! Session tokens of the widget: short-lived, signed, bound to the origin that they were given to and to the domain that answers
//! there. The server keeps no row for a visitor who only looks.
//!
//! A token is good for an hour, and its session for a day: until then a token, also one that has ended, is good for one thing more, which is
//! to be exchanged for a fresh one of the same session. A visitor whose tab slept keeps the conversation; a token that is found later
//! opens nothing by itself. Every use looks whether the customer and both domains are still there and verified.
use entity::customer;
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use std::{sync::LazyLock, time::Duration};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Customer, Db, HostName, columns, customers::UNLIMITED, sql};
use crate::{
    Error, Result,
    clock::Clock,
    error::Kind,
    ids,
    language::Locale,
    secrets::{MasterKeys, Signer},
};

/// A token lives this long; the widget exchanges it then.
const TOKEN: Duration = Duration::from_hours(1);
/// A session lives this long, however often its token was exchanged.
const SESSION: Duration = Duration::from_hours(24);

/// A visitor's session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorSession {
    /// The customer whose site it is.
    #[serde(rename = "c")]
    pub customer: Uuid,
    /// The session, which keys the conversation.
    #[serde(rename = "s")]
    pub session: Uuid,
    /// The host whose pages may use the token.
    #[serde(rename = "o")]
    pub origin: String,
    /// The domain that the widget speaks for.
    #[serde(rename = "d")]
    pub domain: String,
    /// The language that the widget began in.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// When the session began, in seconds since 1970.
    #[serde(rename = "b")]
    pub began: i64,
    /// When the token ends, in seconds since 1970.
    #[serde(rename = "e")]
    pub expires: i64,
}

impl VisitorSession {
    /// When the session ends for good, in seconds since 1970.
    pub fn ends(&self) -> i64 {
        self.began + SESSION.as_secs() as i64
    }

    /// The customer of a live session. A customer who is gone, or a host that no longer counts as verified, ends its sessions.
    pub async fn customer(&self, db: &Db) -> Result<Customer> {
        static LIVE: LazyLock<String> = LazyLock::new(|| {
            format!(
                "SELECT {}, {UNLIMITED} FROM customer_configs c WHERE c.id = $1 AND (SELECT count(*) FROM customer_domains d
                 WHERE d.customer_id = c.id AND d.host IN ($2, $3) AND d.verified_at IS NOT NULL) = CASE WHEN $2 = $3 THEN 1 ELSE 2 END",
                columns::<customer::Entity>("c")
            )
        });
        let values = [
            self.customer.into(),
            self.origin.as_str().into(),
            self.domain.as_str().into(),
        ];
        let tx = db.system().await?;
        let row = tx.query_one_raw(sql(&LIVE, values)).await?;
        let row = row.ok_or_else(|| refused("the session's domain does not answer here any more"))?;
        Customer::read(&row, "")
    }
}

/// Gives and checks session tokens.
#[derive(Clone)]
pub struct VisitorTokens {
    signer: Signer,
    clock: Clock,
}

impl VisitorTokens {
    /// Tokens signed under the installation's `masters`.
    pub fn new(masters: impl Into<MasterKeys>, clock: Clock) -> Self {
        Self {
            signer: Signer::new(masters, "widget session"),
            clock,
        }
    }

    /// A token for a visitor of `origin`, whose widget speaks for `domain`; of the session that it had, or of a new one.
    pub fn issue(
        &self,
        customer: Uuid,
        had: Option<&VisitorSession>,
        origin: &HostName,
        domain: &HostName,
        locale: Option<Locale>,
    ) -> Result<(String, VisitorSession)> {
        let now = self.clock.now();
        let mut session = VisitorSession {
            customer,
            session: had.map_or_else(ids::new_id, |had| had.session),
            origin: origin.to_string(),
            domain: domain.to_string(),
            locale: locale.map(|locale| locale.code().to_owned()),
            began: had.map_or(now.unix_timestamp(), |had| had.began),
            expires: (now + TOKEN).unix_timestamp(),
        };
        session.expires = session.expires.min(session.ends());
        Ok((self.signer.seal(&serde_json::to_vec(&session)?), session))
    }

    /// The session of a token presented from `origin`. A request without an origin is no browser's, and is refused.
    pub fn check(&self, token: &str, origin: Option<&HostName>) -> Result<VisitorSession> {
        let session = self.open(token, origin)?;
        if session.expires <= self.now() {
            return Err(refused("the session token has ended"));
        }
        Ok(session)
    }

    /// The session that a token, live or ended, may be exchanged within.
    pub fn renewable(&self, token: &str, origin: &HostName) -> Option<VisitorSession> {
        let session = self.open(token, Some(origin)).ok()?;
        (session.ends() > self.now()).then_some(session)
    }

    fn open(&self, token: &str, origin: Option<&HostName>) -> Result<VisitorSession> {
        let not_valid = || refused("the session token is not valid");
        let payload = self.signer.open(token).ok_or_else(not_valid)?;
        let session: VisitorSession = serde_json::from_slice(&payload).map_err(|_| not_valid())?;
        if origin.map(HostName::as_str) != Some(session.origin.as_str()) {
            return Err(refused("the session token belongs to another origin"));
        }
        Ok(session)
    }

    fn now(&self) -> i64 {
        self.clock.now().unix_timestamp()
    }
}

/// A session's moment for people.
pub fn moment(seconds: i64) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|e| Error::internal("a session's end", e))
}

fn refused(why: &str) -> Error {
    Error::new(Kind::Unauthorized, "invalid_session", why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

    fn at(hours: i64) -> VisitorTokens {
        VisitorTokens::new(b"master", Clock::fixed(NOON + time::Duration::hours(hours)))
    }

    #[test]
    fn a_token_is_good_for_its_origin_and_its_hour() {
        let shop: HostName = "shop.example".parse().unwrap();
        let (token, session) = at(0).issue(Uuid::nil(), None, &shop, &shop, Some(Locale::De)).unwrap();
        assert_eq!(at(0).check(&token, Some(&shop)).unwrap(), session);
        let other: HostName = "evil.example".parse().unwrap();
        assert!(at(0).check(&token, Some(&other)).is_err() && at(0).renewable(&token, &other).is_none());
        assert!(at(0).check(&token, None).is_err());
        assert_eq!(at(1).check(&token, Some(&shop)).unwrap_err().code(), "invalid_session");
        let foreign = VisitorTokens::new(b"other", Clock::fixed(NOON));
        assert!(foreign.check(&token, Some(&shop)).is_err() && foreign.renewable(&token, &shop).is_none());
    }

    #[test]
    fn a_session_is_renewed_for_a_day_and_no_longer() {
        let shop: HostName = "shop.example".parse().unwrap();
        let (mut token, first) = at(0).issue(Uuid::nil(), None, &shop, &shop, None).unwrap();
        for hour in [2, 10, 23] {
            let had = at(hour).renewable(&token, &shop).unwrap();
            let (renewed, session) = at(hour).issue(Uuid::nil(), Some(&had), &shop, &shop, None).unwrap();
            assert_eq!((session.session, session.began), (first.session, first.began));
            assert!(at(hour).check(&renewed, Some(&shop)).is_ok());
            assert!(session.expires <= session.ends(), "no token outlives its session");
            token = renewed;
        }
        assert!(at(24).check(&token, Some(&shop)).is_err() && at(24).renewable(&token, &shop).is_none());
    }
}
