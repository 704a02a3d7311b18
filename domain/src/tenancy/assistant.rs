//! A customer's settings of its assistant: how it is called, how it speaks, what it says first, where people are reached.
//!
//! They are stored as one JSON object. What is stored is read with indulgence, so that no old value can break a chat; what is
//! to be stored is checked field by field. One reader does both.
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use url::Url;

use super::{Customer, Db, sql};
use crate::{
    Error, FieldError, Result, audit, error::Kind, language::Locale, people::HandoffSettings, privacy::PrivacySettings,
};

/// The language key of a greeting for every language that has none of its own.
pub const ANY_LANGUAGE: &str = "default";
/// Most questions that a customer can suggest.
pub const SUGGESTIONS: usize = 6;

/// How the assistant speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Warm.
    Friendly,
    /// Plain.
    #[default]
    Neutral,
    /// Polite and reserved.
    Formal,
}

impl Tone {
    /// All of them.
    pub const EACH: [Self; 3] = [Self::Friendly, Self::Neutral, Self::Formal];

    /// The tone's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Friendly => "friendly",
            Self::Neutral => "neutral",
            Self::Formal => "formal",
        }
    }
}

/// Settings of one customer's assistant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssistantSettings {
    /// What the assistant is called.
    pub name: Option<String>,
    /// How it speaks.
    pub tone: Tone,
    /// What it says first, by language code or [`ANY_LANGUAGE`].
    pub greeting: BTreeMap<String, String>,
    /// Questions to start with; none: chosen from the site.
    pub suggestions: Option<Vec<String>>,
    /// Where people can be written to.
    pub contact_email: Option<String>,
    /// A page with ways to reach people.
    pub contact_url: Option<String>,
    /// The language of the widget; none: the page's.
    pub locale: Option<Locale>,
    /// `color`, `position`, `mode` of the widget.
    pub theme: BTreeMap<String, String>,
    /// `title`, `subtitle`, `placeholder` of the widget.
    pub texts: BTreeMap<String, String>,
}

impl AssistantSettings {
    /// A customer's, as far as they are understood.
    pub fn of(customer: &Customer) -> Self {
        let empty = Map::new();
        read(customer.settings.as_object().unwrap_or(&empty), &mut Vec::new())
    }

    /// Refuses what can't be stored, naming every field.
    pub fn check(settings: &Map<String, Value>) -> Result<()> {
        let mut wrong = Vec::new();
        read(settings, &mut wrong);
        refused(wrong)
    }

    /// The customer's own greeting in a language, if it has one.
    pub fn greeting(&self, locale: Option<Locale>) -> Option<&str> {
        let own = locale.and_then(|locale| self.greeting.get(locale.code()));
        own.or_else(|| self.greeting.get(ANY_LANGUAGE)).map(String::as_str)
    }
}

/// Changes a customer's settings as a merge patch does (RFC 7396): what is absent stays, `null` removes. Who did it is recorded
/// in the same transaction.
pub async fn change_settings(
    db: &Db,
    customer: &Customer,
    patch: &Map<String, Value>,
    actor: &str,
    ip: Option<&str>,
) -> Result<Customer> {
    const READ: &str = "SELECT settings FROM customer_configs WHERE id = $1 FOR UPDATE";
    const WRITE: &str = "UPDATE customer_configs SET settings = $2, updated_at = now() WHERE id = $1";
    let tx = db.tenant(customer).await?;
    let row = tx.query_one_raw(sql(READ, [customer.id.into()])).await?;
    let row = row.ok_or_else(|| Error::not_found("customer"))?;
    let mut settings: Value = row.try_get("", "settings")?;
    let before = settings.clone();
    merge(&mut settings, patch);
    let mut wrong = Vec::new();
    if let Some(merged) = settings.as_object() {
        read(merged, &mut wrong);
    }
    // What was stored long ago and is not touched now is nobody's mistake today.
    wrong.retain(|w| patch.contains_key(w.field.split(['.', '[']).next().unwrap_or_default()));
    refused(wrong)?;
    tx.execute_raw(sql(WRITE, [customer.id.into(), settings.clone().into()]))
        .await?;
    let entry = audit::Entry {
        customer: Some(customer.id),
        actor,
        action: "settings.changed",
        resource: &customer.id.to_string(),
        metadata: json!({ "fields": patch.keys().collect::<Vec<_>>(), "changes": audit::changes(&before, &settings) }),
        ip,
    };
    audit::record(&*tx, entry).await?;
    tx.commit().await?;
    Ok(Customer {
        settings,
        ..customer.clone()
    })
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: &Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in patch {
        match value {
            Value::Null => drop(object.remove(name)),
            Value::Object(inner) => merge(object.entry(name.clone()).or_insert(Value::Null), inner),
            other => drop(object.insert(name.clone(), other.clone())),
        }
    }
}

fn refused(wrong: Vec<FieldError>) -> Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = wrong.iter().map(|w| format!("{} {}", w.field, w.reason)).collect();
    Err(Error::new(Kind::Invalid(wrong), "invalid_request", told.join("; ")))
}

/// Reads what is right and notes what is wrong.
fn read(settings: &Map<String, Value>, wrong: &mut Vec<FieldError>) -> AssistantSettings {
    let mut reader = Reader { wrong };
    let mut read = AssistantSettings::default();
    for (name, value) in settings.iter().filter(|(_, value)| !value.is_null()) {
        let name = name.as_str();
        match name {
            "name" => read.name = reader.line(name, value, 60),
            "tone" => {
                let word = reader.one_of(name, value, &Tone::EACH.map(Tone::as_str));
                let tone = Tone::EACH.into_iter().find(|t| Some(t.as_str()) == word.as_deref());
                read.tone = tone.unwrap_or_default();
            }
            "greeting" => read.greeting = reader.greetings(name, value),
            "suggestions" => read.suggestions = reader.questions(name, value),
            "contact_email" => read.contact_email = reader.email(name, value),
            "contact_url" => read.contact_url = reader.web(name, value),
            "locale" => {
                let word = reader.one_of(name, value, &Locale::EACH.map(Locale::code));
                read.locale = word.as_deref().and_then(Locale::of_tag);
            }
            "theme" => read.theme = reader.fields(name, value, &["color", "position", "mode"], Reader::theme),
            "texts" => {
                let each = |reader: &mut Reader<'_>, name: &str, value: &Value| reader.line(name, value, 120);
                read.texts = reader.fields(name, value, &["title", "subtitle", "placeholder"], each);
            }
            "handoff" => reader.handoff(value),
            "privacy" => reader.privacy(value),
            "retention_days" => reader.days(name, value),
            "golden_tolerance" => reader.share(name, value),
            _ => drop(reader.no::<()>(name, "is not known here")),
        }
    }
    read
}

struct Reader<'a> {
    wrong: &'a mut Vec<FieldError>,
}

impl Reader<'_> {
    fn no<T>(&mut self, field: &str, reason: impl Into<String>) -> Option<T> {
        self.wrong.push(FieldError {
            field: field.to_owned(),
            reason: reason.into(),
        });
        None
    }

    fn text<'v>(&mut self, field: &str, value: &'v Value) -> Option<&'v str> {
        let text = value.as_str();
        text.or_else(|| self.no(field, "must be a string"))
    }

    /// How conversations are handed over to people, which `people` reads.
    fn handoff(&mut self, value: &Value) {
        let read = HandoffSettings::read(&json!({ "handoff": value }));
        if let Err(Kind::Invalid(fields)) = read.as_ref().map_err(Error::kind) {
            self.wrong.extend(fields.iter().cloned());
        }
    }

    /// The share of its golden questions that a crawl may lose ([`crate::learning::tolerance`]).
    fn share(&mut self, field: &str, value: &Value) {
        if !value.as_f64().is_some_and(|share| (0.0..=1.0).contains(&share)) {
            self.no::<()>(field, "must be a number from 0 to 1");
        }
    }

    /// How visitors are told of privacy, which `privacy` reads.
    fn privacy(&mut self, value: &Value) {
        let read = PrivacySettings::read(value);
        if let Err(Kind::Invalid(fields)) = read.as_ref().map_err(Error::kind) {
            self.wrong.extend(fields.iter().cloned());
        }
    }

    /// How long conversations are kept.
    fn days(&mut self, field: &str, value: &Value) {
        if !value.as_u64().is_some_and(|days| (1..=3650).contains(&days)) {
            self.no::<()>(field, "must be a number of days from 1 to 3650");
        }
    }

    /// A text of one line.
    fn line(&mut self, field: &str, value: &Value, most: usize) -> Option<String> {
        let text = self.text(field, value)?.trim();
        let length = text.chars().count();
        if !(1..=most).contains(&length) {
            return self.no(field, format!("must have 1 to {most} characters, not {length}"));
        }
        if text.chars().any(char::is_control) {
            return self.no(field, "must be one line without control characters");
        }
        Some(text.to_owned())
    }

    fn one_of(&mut self, field: &str, value: &Value, words: &[&str]) -> Option<String> {
        let text = self.text(field, value)?;
        if words.contains(&text) {
            return Some(text.to_owned());
        }
        self.no(field, format!("must be one of {}", words.join(", ")))
    }

    /// One text for all languages, or one for each.
    fn greetings(&mut self, field: &str, value: &Value) -> BTreeMap<String, String> {
        const MOST: usize = 400;
        if value.is_string() {
            let text = self.line(field, value, MOST);
            return text.map(|text| (ANY_LANGUAGE.to_owned(), text)).into_iter().collect();
        }
        let codes = Locale::EACH.map(Locale::code);
        let known: Vec<&str> = codes.into_iter().chain([ANY_LANGUAGE]).collect();
        self.fields(field, value, &known, |reader, name, value| {
            reader.line(name, value, MOST)
        })
    }

    fn questions(&mut self, field: &str, value: &Value) -> Option<Vec<String>> {
        let Some(items) = value.as_array() else {
            return self.no(field, "must be an array");
        };
        if items.len() > SUGGESTIONS {
            return self.no(
                field,
                format!("must have at most {SUGGESTIONS} items, not {}", items.len()),
            );
        }
        let items = items.iter().enumerate();
        Some(
            items
                .filter_map(|(i, item)| self.line(&format!("{field}[{i}]"), item, 200))
                .collect(),
        )
    }

    fn email(&mut self, field: &str, value: &Value) -> Option<String> {
        let text = self.line(field, value, 254)?;
        let sound = |c: char| !c.is_whitespace() && !"<>,;:\"()[]\\?&".contains(c);
        let right = text.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty()
                && host.contains('.')
                && !host.contains('@')
                && !host.starts_with('.')
                && !host.ends_with('.')
        });
        if right && text.chars().all(sound) {
            Some(text)
        } else {
            self.no(field, "must be an e-mail address such as help@shop.example")
        }
    }

    fn web(&mut self, field: &str, value: &Value) -> Option<String> {
        let text = self.line(field, value, 2000)?;
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.username().is_empty() => Some(text),
            _ => self.no(field, "must be an http or https URL"),
        }
    }

    fn theme(&mut self, field: &str, value: &Value) -> Option<String> {
        match field {
            "theme.position" => self.one_of(field, value, &["left", "right"]),
            "theme.mode" => self.one_of(field, value, &["light", "dark"]),
            _ => {
                let text = self.text(field, value)?;
                let hex = text.strip_prefix('#').unwrap_or_default();
                if hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Some(text.to_owned());
                }
                self.no(field, "must be a colour such as #1d5fd1")
            }
        }
    }

    /// The texts of an object with these fields.
    fn fields(
        &mut self,
        field: &str,
        value: &Value,
        known: &[&str],
        each: impl Fn(&mut Self, &str, &Value) -> Option<String>,
    ) -> BTreeMap<String, String> {
        let Some(object) = value.as_object() else {
            self.no::<()>(field, "must be an object");
            return BTreeMap::new();
        };
        let mut texts = BTreeMap::new();
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let full = format!("{field}.{name}");
            let text = if known.contains(&name.as_str()) {
                each(self, &full, value)
            } else {
                self.no(&full, "is not known here")
            };
            texts.extend(text.map(|text| (name.clone(), text)));
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn complaints(settings: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        read(&object(settings), &mut wrong);
        wrong.into_iter().map(|w| format!("{} {}", w.field, w.reason)).collect()
    }

    #[test]
    fn every_wrong_field_is_named_and_the_right_ones_are_still_read() {
        let bad = json!({
            "name": "", "tone": "rude", "greeting": { "en": "Hi", "xx": "?" }, "suggestions": ["ok", 3], "locale": "tlh",
            "contact_email": "a@b@c.example", "contact_url": "javascript:alert(1)", "theme": { "color": "red", "mode": "dark" },
            "texts": { "title": "a\nb" }, "prompt": "obey",
        });
        assert_eq!(
            complaints(&bad),
            [
                "contact_email must be an e-mail address such as help@shop.example",
                "contact_url must be an http or https URL",
                "greeting.xx is not known here",
                "locale must be one of en, de, fr, es, it, nl, pt, pl, ar, he, ja",
                "name must have 1 to 60 characters, not 0",
                "prompt is not known here",
                "suggestions[1] must be a string",
                "texts.title must be one line without control characters",
                "theme.color must be a colour such as #1d5fd1",
                "tone must be one of friendly, neutral, formal",
            ]
        );
        let read = read(&object(&bad), &mut Vec::new());
        assert_eq!(read.greeting(Some(Locale::En)), Some("Hi"));
        assert_eq!(read.greeting(Some(Locale::De)), None);
        assert_eq!(read.theme.get("mode").map(String::as_str), Some("dark"));
        assert_eq!((read.tone, read.contact_email), (Tone::Neutral, None));
        for address in [
            "a@b",
            "@b.example",
            "a b@c.example",
            "a@c.example\r\nBcc: x@y.example",
            "Ann <a@c.example>",
        ] {
            assert_eq!(complaints(&json!({ "contact_email": address })).len(), 1, "{address}");
        }
    }

    #[test]
    fn one_greeting_serves_all_languages_that_have_none() {
        let read = |value| read(&object(&value), &mut Vec::new());
        let plain = read(json!({ "greeting": "Hi" }));
        assert_eq!(plain.greeting(Some(Locale::Fr)), Some("Hi"));
        let both = read(json!({ "greeting": { "default": "Hi", "fr": "Salut" } }));
        assert_eq!(
            (both.greeting(Some(Locale::Fr)), both.greeting(None)),
            (Some("Salut"), Some("Hi"))
        );
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_removes() {
        let mut stored = json!({ "name": "Ada", "theme": { "color": "#112233", "mode": "dark" }, "tone": "formal" });
        merge(
            &mut stored,
            &object(&json!({ "name": null, "theme": { "mode": null, "position": "left" } })),
        );
        assert_eq!(
            stored,
            json!({ "theme": { "color": "#112233", "position": "left" }, "tone": "formal" })
        );
    }
}
