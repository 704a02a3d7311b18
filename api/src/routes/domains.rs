//! Further domains of a customer, and the proof that they are the customer's.
use domain::{
    audit,
    tenancy::{self, DomainRecord, HostName, Principal, Proof},
};
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{Body, Domains, KeyHolder},
    openapi::Tag,
};

/// A domain to be added.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct DomainInput {
    /// A host or a URL.
    #[oai(validator(min_length = 1, max_length = 260))]
    domain: String,
}

/// A domain with what proves it.
#[derive(Debug, Object)]
pub struct Domain {
    host: String,
    verified: bool,
    #[oai(nullable)]
    verified_at: Option<OffsetDateTime>,
    /// `file`, `meta`, `dns` or `operator`.
    #[oai(nullable)]
    method: Option<String>,
    /// Publish it as a line of `/.well-known/omniops.txt`, or as `<meta name="omniops-verification" content="…">` of the home page.
    token: String,
}

impl From<DomainRecord> for Domain {
    fn from(record: DomainRecord) -> Self {
        Self {
            verified: record.verified_at.is_some(),
            verified_at: record.verified_at,
            host: record.host,
            method: record.method,
            token: record.token,
        }
    }
}

#[derive(ApiResponse)]
enum Added {
    /// The domain, new or as it was.
    #[oai(status = 201)]
    Added(Json<Domain>),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Add a domain
    #[oai(
        path = "/api/customers/:id/domains",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "add_domain"
    )]
    async fn add(
        &self,
        context: Data<&Context>,
        holder: KeyHolder<Domains>,
        id: Path<Uuid>,
        body: Body<DomainInput>,
    ) -> Answer<Added> {
        let customer = holder.customer(&context, id.0).await?;
        let host: HostName = body.0.domain.parse()?;
        let record = tenancy::add_domain(&context.db, &customer, &host).await?;
        note(&context, &holder, id.0, "domain.added", &host).await?;
        Ok(Added::Added(Json(record.into())))
    }

    /// Prove a domain
    ///
    /// Fetches the file and the home page. The operator may vouch instead.
    #[oai(
        path = "/api/customers/:id/domains/:host/verify",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "verify_domain"
    )]
    async fn verify(
        &self,
        context: Data<&Context>,
        holder: KeyHolder<Domains>,
        id: Path<Uuid>,
        host: Path<String>,
        /// With the admin token: no proof is needed.
        vouch: Query<Option<bool>>,
    ) -> Answer<Json<Domain>> {
        let customer = holder.customer(&context, id.0).await?;
        let host: HostName = host.0.parse()?;
        let vouched = vouch.0.unwrap_or_default() && matches!(holder.principal, Principal::Admin);
        let record = tenancy::own_domain(&context.db, &customer, &host).await?;
        let proof = if vouched {
            Proof::Operator
        } else {
            tenancy::prove(&context.egress, &record).await?
        };
        tenancy::mark_verified(&context.db, &customer, &host, proof).await?;
        context.hosts.refresh().await;
        note(&context, &holder, id.0, "domain.verified", &host).await?;
        Ok(Json(tenancy::own_domain(&context.db, &customer, &host).await?.into()))
    }
}

async fn note(
    context: &Context,
    holder: &KeyHolder<Domains>,
    customer: Uuid,
    action: &str,
    host: &HostName,
) -> domain::Result<()> {
    let entry = audit::Entry {
        customer: Some(customer),
        actor: &holder.principal.actor(),
        action,
        resource: host.as_str(),
        metadata: json!({}),
        ip: holder.ip.as_deref(),
    };
    audit::note(&context.db, entry).await
}
