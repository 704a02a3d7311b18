//! Whoever looks after customers: the operator, or a person whose role allows it, for the customers within reach. And a person by
//! themselves, for what concerns the own account.
use domain::{
    Error,
    jobs::Operator,
    tenancy::{Customer, Need, Principal, Reach, SignedIn, get},
};
use poem::{Request, RequestBody, Result};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, registry::Registry};
use std::marker::PhantomData;
use uuid::Uuid;

use super::{
    admin::peer,
    credential::{Schemes, forbidden, principal},
};
use crate::{Context, error::Failure};

/// What is looked after, as a type.
pub trait Office: Send + Sync + 'static {
    /// What the role has to allow.
    const NEED: Need;
}

/// The customers themselves.
pub struct Tenants;
impl Office for Tenants {
    const NEED: Need = Need::Customers;
}

/// Keys of customers.
pub struct ApiKeys;
impl Office for ApiKeys {
    const NEED: Need = Need::Keys;
}

/// People's accounts.
pub struct Users;
impl Office for Users {
    const NEED: Need = Need::Users;
}

/// An administrator who may do `O`, for the customers within reach.
pub struct Steward<O> {
    /// For whom.
    pub reach: Reach,
    /// As the audit log names them.
    pub actor: String,
    /// Where the request came from.
    pub ip: Option<String>,
    user: Option<Uuid>,
    office: PhantomData<O>,
}

impl<O> Steward<O> {
    /// For the audit log.
    pub fn operator(&self) -> Operator<'_> {
        Operator {
            actor: &self.actor,
            ip: self.ip.as_deref(),
        }
    }

    /// The customer with this id, if it is within reach; another's is as good as none.
    pub async fn customer(&self, context: &Context, id: Uuid) -> domain::Result<Customer> {
        if self.reach.covers(id) {
            get(&context.db, id).await
        } else {
            Err(Error::not_found("customer"))
        }
    }

    /// Whether this is the own account.
    pub fn is(&self, user: Uuid) -> bool {
        self.user == Some(user)
    }
}

impl<'a, O: Office> ApiExtractor<'a> for Steward<O> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Schemes::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![Schemes::ADMIN, Schemes::PERSON]
    }

    async fn from_request(req: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let principal = principal(req).await?;
        if let Principal::User(who) = &principal {
            who.require(O::NEED, !req.method().is_safe()).map_err(Failure::from)?;
        }
        let Some(reach) = principal.reach().cloned() else {
            return Err(forbidden("admin_only", "this call needs the admin token or a session").into());
        };
        Ok(Self {
            reach,
            actor: principal.actor(),
            ip: peer(req),
            user: match principal {
                Principal::User(who) => Some(who.user),
                _ => None,
            },
            office: PhantomData,
        })
    }
}

/// A person with a session.
pub struct Person {
    /// Who it is.
    pub who: SignedIn,
    /// Where the request came from.
    pub ip: Option<String>,
}

impl<'a> ApiExtractor<'a> for Person {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Schemes::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![Schemes::PERSON]
    }

    async fn from_request(req: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        match principal(req).await? {
            Principal::User(who) => Ok(Self {
                who: *who,
                ip: peer(req),
            }),
            _ => Err(forbidden("session_only", "this call needs the session of a person").into()),
        }
    }
}
