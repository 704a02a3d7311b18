//! A customer's caller: an API key with the scope that a handler asks for, or an administrator acting for a customer: the operator, or
//! a person whose role allows it and within whose reach the customer is.
use domain::{
    Error, audit,
    limits::Class,
    tenancy::{Customer, Principal, Scope, TenantTx, get},
};
use poem::Request;
use serde_json::Value;
use std::marker::PhantomData;
use uuid::Uuid;

use super::{
    admin::peer,
    credential::{context, forbidden, principal},
    shown::shown,
};
use crate::{Context, error::Failure, middleware::Spent};

/// A scope as a type.
pub trait Permission: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $scope:expr;)*) => {
        $($(#[$doc])* pub struct $name; impl Permission for $name { const SCOPE: Scope = $scope; })*
    };
}

permissions! {
    /// Ask questions.
    Chats = Scope::Chat;
    /// Search and read pages.
    Searches = Scope::Search;
    /// Start and control jobs.
    Jobs = Scope::Jobs;
    /// Change domains.
    Domains = Scope::Domains;
    /// Read all conversations, and answer as a person.
    Conversations = Scope::Conversations;
    /// Say where to be told.
    Webhooks = Scope::Webhooks;
    /// Read and change the assistant's settings.
    Settings = Scope::Settings;
    /// Hand out and erase what is held about a person.
    Privacy = Scope::Privacy;
    /// Connect shops.
    Shops = Scope::Shops;
}

/// A key with the scope `P`, or an administrator: which customer is meant stands in the path.
pub struct KeyHolder<P> {
    /// Who it is.
    pub principal: Principal,
    /// Where the request came from.
    pub ip: Option<String>,
    permission: PhantomData<P>,
}

impl<P: Permission> KeyHolder<P> {
    async fn of(req: &Request) -> Result<Self, Failure> {
        let principal = principal(req).await?;
        if matches!(principal, Principal::Visitor(_)) {
            return Err(forbidden("key_only", "this call needs an API key"));
        }
        principal.require(P::SCOPE, !req.method().is_safe())?;
        Ok(Self {
            principal,
            ip: peer(req),
            permission: PhantomData,
        })
    }

    /// The customer with this id, if the caller may act for it; another's is as good as none.
    pub async fn customer(&self, context: &Context, id: Uuid) -> domain::Result<Customer> {
        match &self.principal {
            Principal::Key { customer, .. } if customer.id == id => Ok(customer.clone()),
            other => reached(context, other, id).await,
        }
    }
}

shown!(KeyHolder<P>, with KEY | ADMIN | PERSON, for P: Permission);

/// A key with the scope `P` and its customer; or an administrator, with the customer of `?customer_id=`. As a parameter it is named
/// `customer_id`, so that the contract shows both.
pub struct Caller<P> {
    /// For whom.
    pub customer: Customer,
    /// Who it is.
    pub principal: Principal,
    /// Where the request came from.
    pub ip: Option<String>,
    spent: Spent,
    permission: PhantomData<P>,
}

impl<P> Caller<P> {
    /// Counts work that the caller starts for the customer, and that it changes something; refused where the customer has started
    /// enough. `Class::Change` is no work of the customer's.
    pub async fn spend(&self, context: &Context, class: Class) -> domain::Result<()> {
        self.spent
            .count(context, &self.principal, self.customer.id, class)
            .await
    }

    /// Writes into the audit log what the caller does, in the transaction of the deed.
    pub async fn note(&self, tx: &TenantTx, action: &str, resource: &str, metadata: Value) -> domain::Result<()> {
        let entry = audit::Entry {
            customer: Some(self.customer.id),
            actor: &self.principal.actor(),
            action,
            resource,
            metadata,
            ip: self.ip.as_deref(),
        };
        audit::record(&**tx, entry).await
    }
}

shown!(Caller<P>, with KEY | ADMIN | PERSON, or customer_id, for P: Permission);

impl<P: Permission> Caller<P> {
    async fn of(req: &Request) -> Result<Self, Failure> {
        let holder = KeyHolder::<P>::of(req).await?;
        let customer = acting_for(req, &holder.principal).await?;
        Ok(Self {
            customer,
            principal: holder.principal,
            ip: holder.ip,
            spent: req.data::<Spent>().cloned().unwrap_or_default(),
            permission: PhantomData,
        })
    }
}

/// The customer of a key; for administrators the one that the query names. A key that names another customer finds none, rather than
/// its own in that one's place.
pub async fn acting_for(req: &Request, principal: &Principal) -> Result<Customer, Failure> {
    let named = named_customer(req)?;
    match (principal, named) {
        (Principal::Key { customer, .. }, named) if named.is_none_or(|id| id == customer.id) => Ok(customer.clone()),
        (_, Some(id)) => Ok(reached(context(req)?, principal, id).await?),
        (_, None) => {
            let reason = "is required with the admin token or a session";
            Err(Error::invalid("customer_id", reason).into())
        }
    }
}

/// The customer that the query names.
pub fn named_customer(req: &Request) -> Result<Option<Uuid>, Failure> {
    let query = req.uri().query().unwrap_or_default();
    let mut query = url::form_urlencoded::parse(query.as_bytes());
    let named = query
        .find(|(name, _)| name == "customer_id")
        .map(|(_, id)| id.parse::<Uuid>());
    let wrong = |_| Error::invalid("customer_id", "must be a UUID");
    Ok(named.transpose().map_err(wrong)?)
}

/// The customer with this id, if it is within an administrator's reach; another's is as good as none.
async fn reached(context: &Context, principal: &Principal, id: Uuid) -> domain::Result<Customer> {
    match principal.reach() {
        Some(reach) if reach.covers(id) => get(&context.db.awaited(), id).await,
        _ => Err(Error::not_found("customer")),
    }
}
