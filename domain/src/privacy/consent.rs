//! What a visitor has chosen, and what follows from it.
//!
//! - **Consent** is to keeping an address. Without it none is kept: where the customer asks for consent, nothing but a yes will do;
//!   elsewhere an address that is given for an answer is kept, unless the visitor has said no. A no takes the address back.
//! - **Do not sell**: the visitor's wish that nothing goes to others who use it for purposes of their own, by choice or by the
//!   browser's Global Privacy Control (`Sec-GPC: 1`). Omniops sells nothing and shares nothing with such others in any case; the
//!   wish is kept, stands in the person's copy and is told to the customer's webhooks, so that those who come after heed it.
//!   While the browser sends its signal, that counts more than a choice against it.
//!
//! Nothing is kept of a visitor who has said nothing: a signal of the browser is kept with the first message.
use sea_orm::ConnectionTrait;
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use super::find::alone_with;
use crate::{
    Error, Result, ids,
    tenancy::{Customer, TenantTx, sql},
};

/// Addresses that are kept of one session beside the last.
const MOST_EARLIER: i32 = 20;

/// What a visitor has chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// To keep an address; none: not asked, or not answered.
    pub consent: Option<bool>,
    /// That nothing is sold or shared.
    pub do_not_sell: bool,
    /// When the visitor last chose.
    pub at: Option<OffsetDateTime>,
}

/// Keeps what a visitor chooses; what is left out stays. Without consent an address that was kept is kept no longer.
pub async fn choose(tx: &TenantTx, session: Uuid, consent: Option<bool>, do_not_sell: Option<bool>) -> Result<Choices> {
    const CHOOSE: &str = "
        INSERT INTO visitors AS v (id, customer_id, session_id, consent, do_not_sell, choices_at)
        VALUES ($1, $2, $3, $4, coalesce($5, false), now())
        ON CONFLICT (customer_id, session_id) DO UPDATE SET consent = coalesce($4, v.consent),
          do_not_sell = coalesce($5, v.do_not_sell), choices_at = now(),
          email = CASE WHEN $4 IS DISTINCT FROM false THEN v.email END,
          email_key = CASE WHEN $4 IS DISTINCT FROM false THEN v.email_key END,
          email_at = CASE WHEN $4 IS DISTINCT FROM false THEN v.email_at END,
          earlier_emails = CASE WHEN $4 IS DISTINCT FROM false THEN v.earlier_emails END
        RETURNING consent, do_not_sell, choices_at";
    if consent.is_none() && do_not_sell.is_none() {
        return Err(Error::invalid("consent", "give `consent`, `do_not_sell` or both"));
    }
    alone_with(tx, &[session]).await?;
    let values = [
        ids::new_id().into(),
        tx.customer().into(),
        session.into(),
        consent.into(),
        do_not_sell.into(),
    ];
    let row = tx.query_one_raw(sql(CHOOSE, values)).await?;
    let row = row.ok_or_else(|| Error::internal("a visitor's choice", "no row"))?;
    Ok(Choices {
        consent: row.try_get("", "consent")?,
        do_not_sell: row.try_get("", "do_not_sell")?,
        at: row.try_get("", "choices_at")?,
    })
}

/// Keeps the signal of a browser whose visitor says something; before what is said is kept, since people may be told of that at once.
pub async fn heed_signal(tx: &TenantTx, session: Uuid) -> Result<()> {
    const HEED: &str = "
        INSERT INTO visitors AS v (id, customer_id, session_id, do_not_sell, choices_at) VALUES ($1, $2, $3, true, now())
        ON CONFLICT (customer_id, session_id) DO UPDATE SET do_not_sell = true, choices_at = now() WHERE NOT v.do_not_sell";
    alone_with(tx, &[session]).await?;
    let values = [ids::new_id().into(), tx.customer().into(), session.into()];
    tx.execute_raw(sql(HEED, values)).await?;
    Ok(())
}

/// Keeps an address that a visitor gave for an answer, if the visitor's choices allow it. One that was given before is the person's as
/// well: whoever asks for a copy, or to be forgotten, by that one is found.
pub(crate) async fn keep_email(tx: &TenantTx, customer: &Customer, visitor: Uuid, email: &str) -> Result<()> {
    const MAY: &str =
        "SELECT coalesce(consent, NOT $3) AS may, email_key, coalesce(cardinality(earlier_emails), 0) AS earlier
        FROM visitors WHERE customer_id = $1 AND id = $2 FOR UPDATE";
    const KEEP: &str = "UPDATE visitors SET email = $3, email_key = $4, email_at = now(),
        earlier_emails = CASE WHEN email_key = $4 OR email_key IS NULL THEN earlier_emails ELSE (SELECT array_agg(DISTINCT known ORDER BY known)
          FROM unnest(array_append(earlier_emails, email_key)) AS known WHERE known <> $4) END
        WHERE customer_id = $1 AND id = $2";
    let Some(key) = super::email_key(email) else {
        return Err(Error::invalid("email", "must be an e-mail address"));
    };
    let asked = PrivacySettings::of(customer).ask_consent;
    let values = [tx.customer().into(), visitor.into(), asked.into()];
    let row = tx.query_one_raw(sql(MAY, values)).await?;
    let Some(row) = row.filter(|row| row.try_get("", "may").unwrap_or(false)) else {
        let told = "an address is kept with the visitor's consent only: POST /api/consent";
        return Err(Error::conflict("consent_needed", told));
    };
    let (before, earlier): (Option<String>, i32) = (row.try_get("", "email_key")?, row.try_get("", "earlier")?);
    if earlier >= MOST_EARLIER && before.as_ref() != Some(&key) {
        let told = "another address was given too often in this session";
        return Err(Error::conflict("too_many_addresses", told));
    }
    let values = [tx.customer().into(), visitor.into(), email.into(), key.into()];
    tx.execute_raw(sql(KEEP, values)).await?;
    Ok(())
}

/// How a customer tells visitors of privacy: the object `privacy` of the customer's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivacySettings {
    /// The widget shows a notice with a link.
    pub notice: bool,
    /// The customer's own privacy page; without one, the installation's about this customer.
    pub url: Option<String>,
    /// An address is kept only after the visitor has said yes.
    pub ask_consent: bool,
    /// Who answers requests, as the privacy page names them; without it, the customer.
    pub controller: Option<String>,
}

const FIELDS: [&str; 4] = ["notice", "url", "ask_consent", "controller"];

impl PrivacySettings {
    /// The customer's. What can't be read, which nothing here stores, is as if it were not set.
    pub fn of(customer: &Customer) -> Self {
        Self::read(customer.settings.get("privacy").unwrap_or(&Value::Null)).unwrap_or_default()
    }

    /// Reads the object; an error names the field that breaks a rule.
    pub fn read(settings: &Value) -> Result<Self> {
        let wrong = |name: &str, rule: &str| Err(Error::invalid(&format!("privacy.{name}"), rule));
        let mut read = Self::default();
        let fields = match settings {
            Value::Null => return Ok(read),
            Value::Object(fields) => fields,
            _ => return Err(Error::invalid("privacy", "must be an object")),
        };
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match (name.as_str(), value) {
                ("notice", Value::Bool(yes)) => read.notice = *yes,
                ("ask_consent", Value::Bool(yes)) => read.ask_consent = *yes,
                ("notice" | "ask_consent", _) => return wrong(name, "must be true or false"),
                ("url", Value::String(text)) => match Url::parse(text) {
                    Ok(url)
                        if text.len() <= 2000
                            && url.username().is_empty()
                            && matches!(url.scheme(), "http" | "https") =>
                    {
                        read.url = Some(url.into());
                    }
                    _ => return wrong(name, "must be an http or https URL"),
                },
                ("controller", Value::String(text)) => {
                    let text = text.trim();
                    if !(1..=200).contains(&text.chars().count()) || text.chars().any(char::is_control) {
                        return wrong(name, "must be one line of 1 to 200 characters");
                    }
                    read.controller = Some(text.to_owned());
                }
                ("url" | "controller", _) => return wrong(name, "must be a text"),
                _ => {
                    let rule = format!("has no field `{name}`, only {}", FIELDS.join(", "));
                    return Err(Error::invalid("privacy", rule));
                }
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_read_and_what_breaks_a_rule_is_named() {
        assert_eq!(PrivacySettings::read(&Value::Null).unwrap(), PrivacySettings::default());
        let all = json!({ "notice": true, "ask_consent": true, "url": "https://shop.example/privacy", "controller": " Shop Ltd " });
        let read = PrivacySettings::read(&all).unwrap();
        assert!(read.notice && read.ask_consent);
        assert_eq!(read.controller.as_deref(), Some("Shop Ltd"));
        for (wrong, field) in [
            (json!(1), "privacy"),
            (json!({ "notise": true }), "privacy"),
            (json!({ "notice": "yes" }), "privacy.notice"),
            (json!({ "url": "javascript:alert(1)" }), "privacy.url"),
            (json!({ "url": 1 }), "privacy.url"),
            (json!({ "controller": "a\nb" }), "privacy.controller"),
        ] {
            let told = PrivacySettings::read(&wrong).unwrap_err();
            assert!(
                told.public_message().starts_with(&format!("{field}: ")),
                "{told} for {wrong}"
            );
        }
    }
}
