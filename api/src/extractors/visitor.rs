//! Visitors of a site, with the session token of its widget.
use domain::language::Locale;
use domain::tenancy::{Customer, Principal, Scope, VisitorSession};
use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaParamIn, MetaSchemaRef, Registry},
    types::Type,
};
use uuid::Uuid;

use super::{
    caller::{acting_for, named_customer},
    credential::{Schemes, context, forbidden, principal},
};

/// A visitor.
pub struct Visitor {
    /// The customer whose site it is.
    pub customer: Customer,
    /// The visitor's session.
    pub session: VisitorSession,
}

impl<'a> ApiExtractor<'a> for Visitor {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Schemes::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![Schemes::SESSION]
    }

    async fn from_request(req: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        match principal(req).await? {
            Principal::Visitor(session) => Ok(Self {
                customer: owner(req, &session).await?,
                session,
            }),
            _ => Err(forbidden("visitor_only", "this call needs a widget's session token").into()),
        }
    }
}

/// Whoever asks questions: a visitor within the own session, or a key with the scope `chat`.
pub struct Asker {
    /// Whose pages answer.
    pub customer: Customer,
    /// The session that a visitor is bound to; a key is bound to none.
    pub session: Option<Uuid>,
    /// The language that the visitor's widget began in.
    pub locale: Option<Locale>,
}

impl<'a> ApiExtractor<'a> for Asker {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme, ApiExtractorType::Parameter];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Schemes::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![Schemes::SESSION, Schemes::KEY, Schemes::ADMIN, Schemes::PERSON]
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(Uuid::schema_ref())
    }

    async fn from_request(req: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let principal = principal(req).await?;
        if let Principal::Visitor(session) = &principal {
            let customer = owner(req, session).await?;
            return Ok(Self {
                customer,
                session: Some(session.session),
                locale: session.locale.as_deref().and_then(Locale::of_tag),
            });
        }
        let granted = principal.require(Scope::Chat, !req.method().is_safe());
        granted.map_err(crate::error::Failure::from)?;
        Ok(Self {
            customer: acting_for(req, &principal).await?,
            session: None,
            locale: None,
        })
    }
}

/// Whoever reads a conversation: a visitor the own one, or a key with the scope `chat` or `conversations`.
pub struct Listener {
    /// Whose visitors they are.
    pub customer: Customer,
    /// The session that a visitor is bound to; a key is bound to none.
    pub session: Option<Uuid>,
}

impl From<Visitor> for Listener {
    fn from(visitor: Visitor) -> Self {
        Self {
            customer: visitor.customer,
            session: Some(visitor.session.session),
        }
    }
}

impl<'a> ApiExtractor<'a> for Listener {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme, ApiExtractorType::Parameter];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Schemes::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![Schemes::SESSION, Schemes::KEY, Schemes::ADMIN, Schemes::PERSON]
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(Uuid::schema_ref())
    }

    async fn from_request(req: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let principal = principal(req).await?;
        if let Principal::Visitor(session) = &principal {
            let customer = owner(req, session).await?;
            return Ok(Self {
                customer,
                session: Some(session.session),
            });
        }
        let writing = !req.method().is_safe();
        let granted = principal.require(Scope::Conversations, writing);
        granted
            .or_else(|_| principal.require(Scope::Chat, writing))
            .map_err(crate::error::Failure::from)?;
        Ok(Self {
            customer: acting_for(req, &principal).await?,
            session: None,
        })
    }
}

/// A visitor's customer is the session's; who names another one finds none.
async fn owner(req: &Request, session: &VisitorSession) -> std::result::Result<Customer, crate::error::Failure> {
    if named_customer(req)?.is_some_and(|id| id != session.customer) {
        return Err(domain::Error::not_found("customer").into());
    }
    Ok(session.customer(&context(req)?.db).await?)
}
