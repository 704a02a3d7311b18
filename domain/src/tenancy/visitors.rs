//! Session tokens of the widget: short-lived, signed, bound to the origin that they were given to. The server keeps no
//! row for a visitor who only looks.
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

use super::HostName;
use crate::{Error, Result, clock::Clock, error::Kind, language::Locale, secrets::Signer};

/// A token lives this long; the widget asks for another when it ends.
const LIFETIME: Duration = Duration::from_hours(24);

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
    /// The language that the widget began in.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// When it ends, in seconds since 1970.
    #[serde(rename = "e")]
    pub expires: i64,
}

/// Gives and checks session tokens.
#[derive(Clone)]
pub struct VisitorTokens {
    signer: Signer,
    clock: Clock,
}

impl VisitorTokens {
    /// Tokens signed under the installation's `master` key.
    pub fn new(master: &[u8], clock: Clock) -> Self {
        Self {
            signer: Signer::new(master, "widget session"),
            clock,
        }
    }

    /// A token for a visitor of `origin`.
    pub fn issue(
        &self,
        customer: Uuid,
        session: Uuid,
        origin: &HostName,
        locale: Option<Locale>,
    ) -> Result<(String, VisitorSession)> {
        let expires = (self.clock.now() + LIFETIME).unix_timestamp();
        let session = VisitorSession {
            customer,
            session,
            origin: origin.to_string(),
            locale: locale.map(|locale| locale.code().to_owned()),
            expires,
        };
        Ok((self.signer.seal(&serde_json::to_vec(&session)?), session))
    }

    /// The session of a token presented from `origin`. A request without an origin is no browser's, and is refused.
    pub fn check(&self, token: &str, origin: Option<&HostName>) -> Result<VisitorSession> {
        let refused = |why| Error::new(Kind::Unauthorized, "invalid_session", why);
        let payload = self
            .signer
            .open(token)
            .ok_or_else(|| refused("the session token is not valid"))?;
        let session: VisitorSession = serde_json::from_slice(&payload)?;
        if session.expires <= self.clock.now().unix_timestamp() {
            return Err(refused("the session token has ended"));
        }
        if origin.map(HostName::as_str) != Some(session.origin.as_str()) {
            return Err(refused("the session token belongs to another origin"));
        }
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_token_is_good_for_its_origin_and_its_day() {
        let noon = datetime!(2026-01-01 12:00 UTC);
        let tokens = VisitorTokens::new(b"master", Clock::fixed(noon));
        let shop: HostName = "shop.example".parse().unwrap();
        let (token, session) = tokens.issue(Uuid::nil(), Uuid::max(), &shop, Some(Locale::De)).unwrap();
        assert_eq!(tokens.check(&token, Some(&shop)).unwrap(), session);

        let other: HostName = "evil.example".parse().unwrap();
        assert!(tokens.check(&token, Some(&other)).is_err());
        assert!(tokens.check(&token, None).is_err());
        let tomorrow = VisitorTokens::new(b"master", Clock::fixed(noon + time::Duration::days(1)));
        assert_eq!(
            tomorrow.check(&token, Some(&shop)).unwrap_err().code(),
            "invalid_session"
        );
    }
}
