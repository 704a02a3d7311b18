//! How a customer hands conversations over: the object `handoff` of the customer's settings.
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;

use crate::{Error, Result, pages::off_peak::OffPeak, tenancy::Customer};

const MINUTE: u64 = 60;
const WAIT_MINUTES: u64 = 10;
const IDLE_MINUTES: u64 = 30;
const MOST_MINUTES: u64 = 7 * 24 * 60;

/// How a customer hands conversations over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoffSettings {
    /// Visitors may ask for a person.
    pub enabled: bool,
    /// Whom to write to; without one, the customer's contact address.
    pub email: Option<String>,
    /// A visitor who has waited for so long is told that nobody is there, and the bot answers again.
    pub wait: Duration,
    /// A visitor whose person has not answered for so long waits for another.
    pub idle: Duration,
    /// When people answer; none for always.
    pub hours: Option<OffPeak>,
}

impl HandoffSettings {
    /// The customer's. What can't be read, which nothing here stores, is as if it were not set.
    pub fn of(customer: &Customer) -> Self {
        Self::read(&customer.settings).unwrap_or_else(|_| Self::usual())
    }

    fn usual() -> Self {
        Self {
            enabled: true,
            email: None,
            wait: Duration::from_secs(WAIT_MINUTES * MINUTE),
            idle: Duration::from_secs(IDLE_MINUTES * MINUTE),
            hours: None,
        }
    }

    /// Reads a customer's settings; an error names the field that breaks a rule.
    pub fn read(settings: &Value) -> Result<Self> {
        let usual = Self::usual();
        let contact = settings.get("contact_email").and_then(Value::as_str);
        let contact = contact
            .filter(|address| check_email(address).is_ok())
            .map(str::to_owned);
        let none = serde_json::Map::new();
        let fields = match settings.get("handoff") {
            None | Some(Value::Null) => &none,
            Some(Value::Object(fields)) => fields,
            Some(_) => return Err(Error::invalid("handoff", "must be an object")),
        };
        let known = ["enabled", "email", "wait_minutes", "idle_minutes", "hours"];
        if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Error::invalid(
                "handoff",
                format!("has no field `{unknown}`, only {}", known.join(", ")),
            ));
        }
        let text = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Error::invalid(&format!("handoff.{name}"), "must be a text")),
        };
        let minutes = |name: &str, usual: Duration| match fields.get(name) {
            None | Some(Value::Null) => Ok(usual),
            Some(value) => match value.as_u64().filter(|n| (1..=MOST_MINUTES).contains(n)) {
                Some(minutes) => Ok(Duration::from_secs(minutes * MINUTE)),
                None => Err(Error::invalid(
                    &format!("handoff.{name}"),
                    format!("must be a number of minutes from 1 to {MOST_MINUTES}"),
                )),
            },
        };
        let enabled = match fields.get("enabled") {
            None | Some(Value::Null) => usual.enabled,
            Some(Value::Bool(enabled)) => *enabled,
            Some(_) => return Err(Error::invalid("handoff.enabled", "must be true or false")),
        };
        let email = text("email")?;
        if let Some(address) = email {
            check_email(address).map_err(|why| Error::invalid("handoff.email", why))?;
        }
        let hours = text("hours")?.map(str::parse).transpose();
        let hours = hours.map_err(|_| {
            let rule = "must be the hours from and to, as in 09:00-17:00 or, away from UTC, 09:00-17:00 +02:00";
            Error::invalid("handoff.hours", rule)
        })?;
        Ok(Self {
            enabled,
            email: email.map(str::to_owned).or(contact),
            wait: minutes("wait_minutes", usual.wait)?,
            idle: minutes("idle_minutes", usual.idle)?,
            hours,
        })
    }

    /// Whether people answer at this hour.
    pub fn staffed(&self, now: OffsetDateTime) -> bool {
        self.hours.is_none_or(|hours| hours.wait(now).is_none())
    }
}

/// An address that a mail can be sent to, and that can end no header: `local@domain` of printable characters (a strict part of
/// RFC 5321 §4.1.2, without quotes and address literals), at most 254 of them.
pub fn check_email(address: &str) -> Result<(), &'static str> {
    const RULE: &str = "must be an e-mail address";
    if address.len() > 254 {
        return Err("must have at most 254 characters");
    }
    let (local, domain) = address.rsplit_once('@').ok_or(RULE)?;
    let atom = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-.".contains(c);
    let dots = |text: &str| text.split('.').all(|part| !part.is_empty());
    let local_fits = local.len() <= 64 && dots(local) && local.chars().all(atom);
    let host = |c: char| c.is_alphanumeric() || c == '-' || c == '.';
    let domain_fits = domain.contains('.') && dots(domain) && domain.chars().all(host);
    if local_fits && domain_fits { Ok(()) } else { Err(RULE) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    #[test]
    fn nothing_set_means_that_visitors_may_ask_and_the_contact_is_written_to() {
        let read = HandoffSettings::read(&json!({ "contact_email": "help@shop.example" })).unwrap();
        assert!(read.enabled && read.staffed(datetime!(2026-01-01 3:00 UTC)));
        assert_eq!(read.email.as_deref(), Some("help@shop.example"));
        assert_eq!((read.wait.as_secs(), read.idle.as_secs()), (600, 1800));
    }

    #[test]
    fn hours_are_kept() {
        let read = HandoffSettings::read(&json!({ "handoff": { "hours": "09:00-17:00 +02:00" } })).unwrap();
        assert!(read.staffed(datetime!(2026-01-01 7:30 UTC)) && !read.staffed(datetime!(2026-01-01 16:00 UTC)));
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        for (wrong, field) in [
            (json!({ "handoff": 1 }), "handoff"),
            (json!({ "handoff": { "emial": "x" } }), "handoff"),
            (json!({ "handoff": { "enabled": "yes" } }), "handoff.enabled"),
            (
                json!({ "handoff": { "email": "a@b.example\r\nBcc: x@y.example" } }),
                "handoff.email",
            ),
            (json!({ "handoff": { "wait_minutes": 0 } }), "handoff.wait_minutes"),
            (json!({ "handoff": { "idle_minutes": "soon" } }), "handoff.idle_minutes"),
            (json!({ "handoff": { "hours": "nine to five" } }), "handoff.hours"),
        ] {
            let told = HandoffSettings::read(&wrong).unwrap_err();
            assert!(
                told.public_message().starts_with(&format!("{field}: ")),
                "{told} for {wrong}"
            );
        }
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for good in ["a@b.example", "first.last+tag@mail.shop.example", "o'neil@shop.example"] {
            assert_eq!(check_email(good), Ok(()), "{good}");
        }
        let long = format!("{}@b.example", "a".repeat(65));
        for bad in [
            "",
            "a",
            "a@b",
            "@b.example",
            "a@",
            "a b@c.example",
            "a@b.example\n",
            "a@b..example",
            ".a@b.example",
            "<a@b.example>",
            "a@b.example,c@d.example",
            long.as_str(),
        ] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
    }
}
