//! Further domains of a customer, and the proof that they are the customer's.
use domain::{
    jobs::Operator,
    tenancy::{self, DomainRecord, HostName, Proof},
};
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
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
    /// `dns`, `file`, `meta` or `operator`: how it was proved last.
    #[oai(nullable)]
    method: Option<String>,
    /// When the proof was looked at last.
    #[oai(nullable)]
    checked_at: Option<OffsetDateTime>,
    /// Since when the proof is missing. After three days the domain is not verified any more.
    #[oai(nullable)]
    failing_since: Option<OffsetDateTime>,
    /// When the proof was taken for gone, or the operator gave the domain to somebody else.
    #[oai(nullable)]
    unverified_at: Option<OffsetDateTime>,
    /// Publish it in one of three places: as TXT record `omniops-verification=…` of `_omniops-challenge.HOST`, as a line of
    /// `/.well-known/omniops.txt`, or as `<meta name="omniops-verification" content="…">` in the head of the home page.
    token: String,
}

impl From<DomainRecord> for Domain {
    fn from(record: DomainRecord) -> Self {
        Self {
            verified: record.verified_at.is_some(),
            verified_at: record.verified_at,
            host: record.host,
            method: record.method,
            checked_at: record.checked_at,
            failing_since: record.failing_since,
            unverified_at: record.unverified_at,
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

#[derive(ApiResponse)]
enum Removed {
    /// It is gone.
    #[oai(status = 204)]
    Gone,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Add a domain
    ///
    /// Whoever adds one claims it; it is the customer's once it is verified. Until then it may be crawled for a preview of ten pages,
    /// and its widget does not answer. Addresses, local names and public suffixes are for the operator to add.
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
        if !is_operator(&holder) && !context.outside.excepts(&host) {
            host.check_claim()?;
        }
        let actor = holder.principal.actor();
        let record = tenancy::claim_domain(&context.db, &customer, &host, by(&holder, &actor)).await?;
        Ok(Added::Added(Json(record.into())))
    }

    /// Remove a domain
    ///
    /// Its widget answers no more, and somebody else may prove it. The primary domain stays.
    #[oai(
        path = "/api/customers/:id/domains/:host",
        method = "delete",
        tag = "Tag::Administration",
        operation_id = "remove_domain"
    )]
    async fn remove(
        &self,
        context: Data<&Context>,
        holder: KeyHolder<Domains>,
        id: Path<Uuid>,
        host: Path<String>,
    ) -> Answer<Removed> {
        let customer = holder.customer(&context, id.0).await?;
        let host: HostName = host.0.parse()?;
        let actor = holder.principal.actor();
        tenancy::remove_domain(&context.db, &customer, &host, by(&holder, &actor)).await?;
        context.hosts.refresh().await;
        Ok(Removed::Gone)
    }

    /// Prove a domain
    ///
    /// Looks for the token in DNS, in the file and on the home page. The operator may vouch instead, which takes the domain from
    /// whoever has it; a proof does not: while somebody else's stands, this is a conflict `domain_taken`.
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
        let vouched = vouch.0.unwrap_or_default() && is_operator(&holder);
        let record = tenancy::own_domain(&context.db, &customer, &host).await?;
        let proof = if vouched {
            Proof::Operator
        } else {
            context.outside.prover().prove(&record).await?
        };
        let actor = holder.principal.actor();
        tenancy::verify_domain(&context.db, &customer, &host, proof, by(&holder, &actor)).await?;
        context.hosts.refresh().await;
        Ok(Json(tenancy::own_domain(&context.db, &customer, &host).await?.into()))
    }
}

fn is_operator(holder: &KeyHolder<Domains>) -> bool {
    holder.principal.rules_installation()
}

fn by<'a>(holder: &'a KeyHolder<Domains>, actor: &'a str) -> Operator<'a> {
    Operator {
        actor,
        ip: holder.ip.as_deref(),
    }
}
