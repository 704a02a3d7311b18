//! Sessions of the chat widget.
use domain::{
    Error,
    error::Kind,
    ids,
    tenancy::{Customer, HostName, find_by_host, settings},
};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, payload::Json};
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Body, origin},
    openapi::Tag,
};

/// Which site the widget speaks for.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewSession {
    /// The customer's domain: a host or a URL.
    #[oai(validator(min_length = 1, max_length = 260))]
    domain: String,
}

/// Where a person can be reached.
#[derive(Debug, Object)]
struct Contact {
    #[oai(nullable)]
    email: Option<String>,
    #[oai(nullable)]
    url: Option<String>,
}

/// A session with what the widget shows.
#[expect(clippy::struct_field_names, reason = "`session_id` is the contract's word")]
#[derive(Debug, Object)]
struct Session {
    /// For `Authorization: Bearer …`; good for this origin only.
    token: String,
    /// Keys the conversation.
    session_id: Uuid,
    /// When the token ends.
    expires_at: OffsetDateTime,
    /// The language that the site's owner chose.
    #[oai(nullable)]
    locale: Option<String>,
    /// What the assistant says first.
    #[oai(nullable)]
    greeting: Option<String>,
    /// `color` (#rrggbb), `position` (left, right), `mode` (light, dark).
    theme: BTreeMap<String, Value>,
    /// `title`, `subtitle`, `placeholder`.
    texts: BTreeMap<String, Value>,
    /// Questions to start with.
    suggestions: Vec<String>,
    contact: Contact,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Begin a visitor's session
    ///
    /// Needs no credential: the `Origin` header must name a verified domain of the same customer.
    #[oai(
        path = "/api/widget/session",
        method = "post",
        tag = "Tag::Chat",
        operation_id = "begin_session"
    )]
    async fn begin(&self, req: &Request, context: Data<&Context>, body: Body<NewSession>) -> Answer<Json<Session>> {
        let domain: HostName = body.0.domain.parse()?;
        let unknown = || {
            Error::new(
                Kind::NotFound,
                "unknown_domain",
                format!("{domain} does not answer here"),
            )
        };
        let customer = find_by_host(&context.db, &domain, true).await?.ok_or_else(unknown)?;
        let origin = allowed_origin(&context, req, &customer).await?;
        let (token, session) = context.visitors.issue(customer.id, ids::new_id(), &origin)?;
        let expires_at = OffsetDateTime::from_unix_timestamp(session.expires);
        let expires_at = expires_at.map_err(|e| Error::internal("a session's end", e))?;
        Ok(Json(Session {
            expires_at,
            ..Session::of(&customer, token, session.session)
        }))
    }
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

impl Session {
    fn of(customer: &Customer, token: String, session_id: Uuid) -> Self {
        let text = |name| settings(customer, name).map(str::to_owned);
        let object = |name| {
            let map = customer.settings.get(name).and_then(Value::as_object).cloned();
            map.into_iter().flatten().collect()
        };
        Self {
            token,
            session_id,
            expires_at: OffsetDateTime::UNIX_EPOCH,
            locale: text("locale"),
            greeting: text("greeting"),
            theme: object("theme"),
            texts: object("texts"),
            suggestions: suggestions(customer),
            contact: Contact {
                email: text("contact_email"),
                url: text("contact_url"),
            },
        }
    }
}

/// The questions that a customer suggests.
pub fn suggestions(customer: &Customer) -> Vec<String> {
    let list = customer.settings.get("suggestions").and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
