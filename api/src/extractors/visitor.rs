//! Visitors of a site, with the session token of its widget.
use domain::{
    Error,
    language::Locale,
    tenancy::{Customer, Principal, Scope, VisitorSession},
};
use poem::Request;
use uuid::Uuid;

use super::{
    caller::{acting_for, named_customer},
    credential::{context, forbidden, principal},
    shown::shown,
};
use crate::error::Failure;

/// A visitor.
pub struct Visitor {
    /// The customer whose site it is.
    pub customer: Customer,
    /// The visitor's session.
    pub session: VisitorSession,
}

shown!(Visitor, with SESSION);

impl Visitor {
    async fn of(req: &Request) -> Result<Self, Failure> {
        match principal(req).await? {
            Principal::Visitor(session) => Ok(Self {
                customer: owner(req, &session).await?,
                session,
            }),
            _ => Err(forbidden("visitor_only", "this call needs a widget's session token")),
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

shown!(Asker, with SESSION | KEY | ADMIN | PERSON, or customer_id);

impl Asker {
    async fn of(req: &Request) -> Result<Self, Failure> {
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
        granted.map_err(Failure::from)?;
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

shown!(Listener, with SESSION | KEY | ADMIN | PERSON, or customer_id);

impl Listener {
    async fn of(req: &Request) -> Result<Self, Failure> {
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
            .map_err(Failure::from)?;
        Ok(Self {
            customer: acting_for(req, &principal).await?,
            session: None,
        })
    }
}

/// A visitor's customer is the session's; who names another one finds none.
async fn owner(req: &Request, session: &VisitorSession) -> Result<Customer, Failure> {
    if named_customer(req)?.is_some_and(|id| id != session.customer) {
        return Err(Error::not_found("customer").into());
    }
    Ok(session.customer(&context(req)?.db.awaited()).await?)
}
