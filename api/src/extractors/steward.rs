//! Whoever looks after customers: the operator, or a person whose role allows it, for the customers within reach. And a person by
//! themselves, for what concerns the own account.
use domain::{
    Error,
    jobs::Operator,
    tenancy::{Customer, Need, Principal, Reach, SignedIn, get},
};
use poem::Request;
use std::marker::PhantomData;
use uuid::Uuid;

use super::{
    admin::peer,
    credential::{forbidden, principal},
    shown::shown,
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

shown!(Steward<O>, with ADMIN | PERSON, for O: Office);

impl<O: Office> Steward<O> {
    async fn of(req: &Request) -> Result<Self, Failure> {
        let principal = principal(req).await?;
        if let Principal::User(who) = &principal {
            who.require(O::NEED, !req.method().is_safe())?;
        }
        let Some(reach) = principal.reach().cloned() else {
            return Err(forbidden("admin_only", "this call needs the admin token or a session"));
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

shown!(Person, with PERSON);

impl Person {
    async fn of(req: &Request) -> Result<Self, Failure> {
        match principal(req).await? {
            Principal::User(who) => Ok(Self {
                who: *who,
                ip: peer(req),
            }),
            _ => Err(forbidden("session_only", "this call needs the session of a person")),
        }
    }
}
