//! A customer's own settings of its assistant.
use domain::{
    learning::tolerance,
    privacy::retention,
    tenancy::{self, AssistantSettings, Scope, Tone, change_settings},
};
use poem::web::Data;
use poem_openapi::{Enum, Object, OpenApi, payload::Json, types::MaybeUndefined};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::{
    Context,
    error::Answer,
    extractors::{Body, Caller, Settings},
    openapi::Tag,
};

/// How the assistant speaks.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "Tone")]
enum Voice {
    /// Warm.
    Friendly,
    /// Plain; this is what is not set.
    Neutral,
    /// Polite and reserved.
    Formal,
}

/// How the widget looks.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct Theme {
    /// Such as `#1d5fd1`.
    color: MaybeUndefined<String>,
    /// `left` or `right`.
    position: MaybeUndefined<String>,
    /// `light` or `dark`; left out, the visitor's.
    mode: MaybeUndefined<String>,
}

/// The widget's own words, 1 to 120 characters each.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct Texts {
    title: MaybeUndefined<String>,
    subtitle: MaybeUndefined<String>,
    placeholder: MaybeUndefined<String>,
}

/// What to change: what is left out stays, `null` removes (RFC 7396).
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct SettingsChange {
    /// What the assistant is called: 1 to 60 characters.
    name: MaybeUndefined<String>,
    tone: MaybeUndefined<Voice>,
    /// What it says first, 1 to 400 characters by language code; `default` for all languages without one of their own.
    greeting: MaybeUndefined<BTreeMap<String, MaybeUndefined<String>>>,
    /// Questions to start with: at most 6, of 1 to 200 characters; `null`: chosen from the site.
    suggestions: MaybeUndefined<Vec<String>>,
    contact_email: MaybeUndefined<String>,
    contact_url: MaybeUndefined<String>,
    /// The language of the widget: en, de, fr, es, it, nl, pt, pl, ar, he or ja; `null`: the page's.
    locale: MaybeUndefined<String>,
    theme: MaybeUndefined<Theme>,
    texts: MaybeUndefined<Texts>,
    /// When and how people come in: `enabled`, `email`, `wait_minutes`, `idle_minutes`, `hours`.
    handoff: MaybeUndefined<BTreeMap<String, Value>>,
    /// How visitors are told of privacy: `notice` (the widget shows a line with a link), `url` (a page of your own), `ask_consent` (an
    /// address is kept only after a yes), `controller` (who is responsible, for the page).
    privacy: MaybeUndefined<BTreeMap<String, Value>>,
    /// Days that a conversation is kept after its last turn, 1 to 3650; `null`: 90.
    retention_days: MaybeUndefined<i32>,
    /// The share of the golden questions that pass now, 0 to 1, that a crawl may lose without waiting for a confirmation; `null`: none.
    golden_tolerance: MaybeUndefined<f64>,
}

/// The settings as they stand.
#[derive(Debug, Object)]
#[oai(rename = "Settings")]
struct Current {
    #[oai(nullable)]
    name: Option<String>,
    tone: Voice,
    /// By language code, or `default`.
    greeting: BTreeMap<String, String>,
    /// Null: chosen from the site.
    #[oai(nullable)]
    suggestions: Option<Vec<String>>,
    #[oai(nullable)]
    contact_email: Option<String>,
    #[oai(nullable)]
    contact_url: Option<String>,
    #[oai(nullable)]
    locale: Option<String>,
    theme: BTreeMap<String, String>,
    texts: BTreeMap<String, String>,
    /// What is set of it.
    handoff: BTreeMap<String, Value>,
    /// What is set of it.
    privacy: BTreeMap<String, Value>,
    retention_days: u32,
    /// The share of its golden questions that a crawl may lose.
    golden_tolerance: f64,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Read the assistant's settings
    #[oai(
        path = "/api/settings",
        method = "get",
        tag = "Tag::Chat",
        operation_id = "get_settings"
    )]
    #[expect(clippy::unused_async, reason = "the macro takes async functions only")]
    async fn get(&self, #[oai(name = "customer_id")] caller: Caller<Settings>) -> Answer<Json<Current>> {
        Ok(Json(Current::of(&caller.customer)))
    }

    /// Change the assistant's settings
    #[oai(
        path = "/api/settings",
        method = "patch",
        tag = "Tag::Chat",
        operation_id = "change_settings"
    )]
    async fn change(
        &self,
        context: Data<&Context>,
        #[oai(name = "customer_id")] caller: Caller<Settings>,
        body: Body<SettingsChange>,
    ) -> Answer<Json<Current>> {
        let patch = body.0.patch();
        if decides(&patch) {
            caller.principal.require(Scope::Privacy, true)?;
        }
        let (customer, actor) = (&caller.customer, caller.principal.actor());
        let changed = change_settings(&context.db, customer, &patch, &actor, caller.ip.as_deref()).await?;
        Ok(Json(Current::of(&changed)))
    }
}

impl Current {
    fn of(customer: &tenancy::Customer) -> Self {
        let settings = AssistantSettings::of(customer);
        let object = |name: &str| customer.settings.get(name).and_then(Value::as_object).cloned();
        Self {
            name: settings.name,
            tone: match settings.tone {
                Tone::Friendly => Voice::Friendly,
                Tone::Neutral => Voice::Neutral,
                Tone::Formal => Voice::Formal,
            },
            greeting: settings.greeting,
            suggestions: settings.suggestions,
            contact_email: settings.contact_email,
            contact_url: settings.contact_url,
            locale: settings.locale.map(|locale| locale.code().to_owned()),
            theme: settings.theme,
            texts: settings.texts,
            handoff: object("handoff").into_iter().flatten().collect(),
            privacy: object("privacy").into_iter().flatten().collect(),
            retention_days: retention::days_of(customer),
            golden_tolerance: tolerance(customer),
        }
    }
}

impl Voice {
    fn word(self) -> &'static str {
        match self {
            Self::Friendly => Tone::Friendly.as_str(),
            Self::Neutral => Tone::Neutral.as_str(),
            Self::Formal => Tone::Formal.as_str(),
        }
    }
}

/// Whether it is about where visitors' data goes and how long it stays, which is for owners, and for keys that may hand data out.
fn decides(patch: &Map<String, Value>) -> bool {
    let mailed = patch
        .get("handoff")
        .is_some_and(|handoff| handoff.is_null() || handoff.get("email").is_some());
    // Where `handoff` names nobody, `contact_email` is written to, and /privacy names both to people who ask for their data.
    mailed
        || ["contact_email", "contact_url", "privacy", "retention_days"]
            .iter()
            .any(|name| patch.contains_key(*name))
}

/// Adds a field to a patch unless it was left out.
fn put<T>(patch: &mut Map<String, Value>, name: &str, field: MaybeUndefined<T>, value: impl FnOnce(T) -> Value) {
    match field {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => drop(patch.insert(name.to_owned(), Value::Null)),
        MaybeUndefined::Value(given) => drop(patch.insert(name.to_owned(), value(given))),
    }
}

/// A patch of texts by their names.
fn texts<const N: usize>(fields: [(&str, MaybeUndefined<String>); N]) -> Value {
    let mut patch = Map::new();
    for (name, text) in fields {
        put(&mut patch, name, text, Value::from);
    }
    Value::Object(patch)
}

impl SettingsChange {
    fn patch(self) -> Map<String, Value> {
        let mut patch = Map::new();
        put(&mut patch, "name", self.name, Value::from);
        put(&mut patch, "tone", self.tone, |tone| json!(tone.word()));
        put(&mut patch, "greeting", self.greeting, |greetings| {
            let mut by_language = Map::new();
            for (language, text) in greetings {
                put(&mut by_language, &language, text, Value::from);
            }
            Value::Object(by_language)
        });
        put(&mut patch, "suggestions", self.suggestions, Value::from);
        put(&mut patch, "contact_email", self.contact_email, Value::from);
        put(&mut patch, "contact_url", self.contact_url, Value::from);
        put(&mut patch, "locale", self.locale, Value::from);
        put(&mut patch, "theme", self.theme, |theme| {
            texts([
                ("color", theme.color),
                ("position", theme.position),
                ("mode", theme.mode),
            ])
        });
        put(&mut patch, "texts", self.texts, |own| {
            texts([
                ("title", own.title),
                ("subtitle", own.subtitle),
                ("placeholder", own.placeholder),
            ])
        });
        put(&mut patch, "handoff", self.handoff, |handoff| {
            Value::Object(handoff.into_iter().collect())
        });
        put(&mut patch, "privacy", self.privacy, |privacy| {
            Value::Object(privacy.into_iter().collect())
        });
        put(&mut patch, "retention_days", self.retention_days, Value::from);
        put(&mut patch, "golden_tolerance", self.golden_tolerance, Value::from);
        patch
    }
}
