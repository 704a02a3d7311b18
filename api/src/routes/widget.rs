//! Sessions of the chat widget.
use domain::{
    Error,
    answering::{greeting, suggestions},
    error::Kind,
    language::Locale,
    people::HandoffSettings,
    privacy::PrivacySettings,
    tenancy::{AssistantSettings, Customer, HostName, find_by_host, visitor_moment},
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, payload::Json};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

use super::consent::signal;
use crate::{
    Context,
    assets::words,
    error::Answer,
    extractors::{Body, bearer, origin},
    openapi::Tag,
};

/// Which site the widget speaks for.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewSession {
    /// The customer's domain: a host or a URL.
    #[oai(validator(min_length = 1, max_length = 260))]
    domain: String,
    /// The language that the page's script tag asks for; wins over the customer's setting.
    #[oai(nullable, validator(max_length = 35))]
    locale: Option<String>,
    /// The language of the page, else of the browser; counts where the customer has set none.
    #[oai(nullable, validator(max_length = 35))]
    page_locale: Option<String>,
}

/// Where a person can be reached.
#[derive(Debug, Object)]
struct Contact {
    #[oai(nullable)]
    email: Option<String>,
    #[oai(nullable)]
    url: Option<String>,
}

/// Whether visitors may ask for a person.
#[derive(Debug, Object)]
struct Handoff {
    enabled: bool,
    /// Whether people are there at this hour.
    staffed: bool,
}

/// What the widget says and asks about data.
#[derive(Debug, Object)]
struct PrivacyNotice {
    /// Whether to show a line about it.
    notice: bool,
    /// The page that tells all: the customer's own, else the installation's about this customer.
    url: String,
    /// Whether an address may be given only together with a yes (`POST /api/consent`).
    ask_consent: bool,
    /// Whether the browser asks by Global Privacy Control that nothing is sold or shared. Kept with the first message.
    do_not_sell: bool,
}

impl PrivacyNotice {
    fn of(context: &Context, customer: &Customer, do_not_sell: bool) -> Self {
        let settings = PrivacySettings::of(customer);
        let ours = || format!("{}/privacy?domain={}", context.base_url, customer.domain);
        Self {
            notice: settings.notice,
            url: settings.url.unwrap_or_else(ours),
            ask_consent: settings.ask_consent,
            do_not_sell,
        }
    }
}

/// A session with what the widget shows.
#[expect(clippy::struct_field_names, reason = "`session_id` is the contract's word")]
#[derive(Object)]
struct Session {
    /// For `Authorization: Bearer …`; good for this origin only.
    token: String,
    /// Keys the conversation.
    session_id: Uuid,
    /// When the token ends.
    expires_at: OffsetDateTime,
    /// The same in seconds from now.
    expires_in: i64,
    /// When the session ends: until then its token, also an ended one, can be exchanged for a fresh one.
    ends_at: OffsetDateTime,
    /// The language to speak: the script tag's, the customer's or the page's; none if it is none of those that there are texts in.
    #[oai(nullable)]
    locale: Option<String>,
    /// What the assistant is called.
    #[oai(nullable)]
    name: Option<String>,
    /// What the assistant says first.
    greeting: String,
    /// `color` (#rrggbb), `position` (left, right), `mode` (light, dark).
    theme: BTreeMap<String, String>,
    /// `title`, `subtitle`, `placeholder`.
    texts: BTreeMap<String, String>,
    /// The widget's own texts in this language.
    words: BTreeMap<String, String>,
    /// Questions to start with.
    suggestions: Vec<String>,
    contact: Contact,
    handoff: Handoff,
    privacy: PrivacyNotice,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Begin a visitor's session, or go on with it
    ///
    /// Needs no credential: the `Origin` header must name a verified domain of the same customer. A token lives for an hour. With an earlier
    /// token of the same page in `Authorization: Bearer …`, live or ended, the session goes on under a fresh token, for a day in all; a
    /// token that is no longer good for that begins a new session.
    #[oai(
        path = "/api/widget/session",
        method = "post",
        tag = "Tag::Chat",
        operation_id = "begin_session"
    )]
    async fn begin(&self, req: &Request, context: Data<&Context>, body: Body<NewSession>) -> Answer<Json<Session>> {
        let domain: HostName = body.0.domain.parse()?;
        let customer = answering(&context, &domain).await?;
        let origin = allowed_origin(&context, req, &customer).await?;
        let settings = AssistantSettings::of(&customer);
        let handoff = HandoffSettings::of(&customer);
        let locale = body.0.speaks(&settings);
        let had = bearer(req).and_then(|token| context.visitors.renewable(token, &origin));
        let had = had.filter(|had| had.customer == customer.id && had.domain == domain.as_str());
        let (token, session) = context
            .visitors
            .issue(customer.id, had.as_ref(), &origin, &domain, locale)?;
        let tx = context.db.tenant(&customer).await?;
        let suggestions = suggestions(&tx, &settings, locale).await?;
        tx.commit().await?;
        Ok(Json(Session {
            token,
            session_id: session.session,
            expires_at: visitor_moment(session.expires)?,
            expires_in: session.expires - context.clock.now().unix_timestamp(),
            ends_at: visitor_moment(session.ends())?,
            locale: locale.map(|locale| locale.code().to_owned()),
            greeting: greeting(&customer, &settings, locale),
            name: settings.name,
            theme: settings.theme,
            texts: settings.texts,
            words: words(locale.map(Locale::code)),
            suggestions,
            privacy: PrivacyNotice::of(&context, &customer, signal(req)),
            handoff: Handoff {
                enabled: handoff.enabled,
                staffed: handoff.staffed(context.clock.now()),
            },
            contact: Contact {
                email: settings.contact_email,
                url: settings.contact_url,
            },
        }))
    }
}

/// The customer whose verified domain it is. Strangers are not told whether somebody has claimed another one: its owner reads in the
/// same words what to do.
async fn answering(context: &Context, domain: &HostName) -> domain::Result<Customer> {
    let told = || {
        format!(
            "{domain} does not answer here. If it is yours: prove it with `POST /api/customers/{{id}}/domains/{domain}/verify`; until \
             then it can be tried with an API key"
        )
    };
    let found = find_by_host(&context.db, domain, true).await?;
    found.ok_or_else(|| Error::new(Kind::NotFound, "unknown_domain", told()))
}

/// The page's host, if it belongs to the customer.
async fn allowed_origin(context: &Context, req: &Request, customer: &Customer) -> domain::Result<HostName> {
    let refused = |why: &str| Error::new(Kind::Forbidden, "origin_not_allowed", why.to_owned());
    let origin = origin(req).ok_or_else(|| refused("a widget's request names its page in `Origin`"))?;
    let owner = find_by_host(&context.db, &origin, true).await?;
    match owner {
        Some(owner) if owner.id == customer.id => Ok(origin),
        _ => Err(refused("this page is on none of the customer's verified domains")),
    }
}

impl NewSession {
    /// The language that the widget speaks, if it is one of ours.
    fn speaks(&self, settings: &AssistantSettings) -> Option<Locale> {
        let tag = |tag: &Option<String>| tag.as_deref().and_then(Locale::of_tag);
        tag(&self.locale).or(settings.locale).or_else(|| tag(&self.page_locale))
    }
}
