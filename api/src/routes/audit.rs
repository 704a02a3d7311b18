//! The audit log, for whoever decides about people and keys.
use domain::{
    Error,
    audit::{self, Filter},
    tenancy::Reach,
};
use entity::audit_log;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Query, payload::Json};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{List, Paging, Steward, Users},
    openapi::Tag,
};

/// Who did what, when and from where. Lines are never changed; the chain that shows it is checked by `omniops audit verify`.
#[derive(Debug, Object)]
struct AuditLine {
    id: i64,
    at: OffsetDateTime,
    /// The customer that it concerns; null for the installation's own.
    #[oai(nullable)]
    customer_id: Option<Uuid>,
    /// `admin`, `user:ID`, `key:ID`, `schedule:ID`, `cron`, `cli`, `visitor` or `system`.
    actor: String,
    /// As `noun.verb`: `key.created`, `scrape.started`.
    action: String,
    /// On what: usually an id.
    resource: String,
    /// What was changed, by field: `{"from": …, "to": …}`. Secrets are not in it.
    #[oai(nullable)]
    changes: Option<Value>,
    /// The rest of what is known.
    details: Value,
    #[oai(nullable)]
    ip: Option<String>,
    /// The request that did it, as its answer's `x-request-id` and the logs name it.
    #[oai(nullable)]
    request_id: Option<String>,
}

impl From<audit_log::Model> for AuditLine {
    fn from(mut line: audit_log::Model) -> Self {
        let changes = line
            .metadata
            .as_object_mut()
            .and_then(|details| details.remove("changes"));
        Self {
            id: line.id,
            at: line.at,
            customer_id: line.customer_id,
            actor: line.actor,
            action: line.action,
            resource: line.resource,
            changes,
            details: line.metadata,
            ip: line.ip,
            request_id: line.request_id,
        }
    }
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Read the audit log
    ///
    /// Newest first. Owners of some customers see the lines of these; the operator sees all, with the installation's own.
    #[oai(
        path = "/api/audit",
        method = "get",
        tag = "Tag::Administration",
        operation_id = "list_audit"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the contract")]
    async fn list(
        &self,
        context: Data<&Context>,
        steward: Steward<Users>,
        /// Only lines of this customer.
        customer_id: Query<Option<Uuid>>,
        #[oai(validator(max_length = 200))] actor: Query<Option<String>>,
        /// `key.*` stands for all of a noun.
        #[oai(validator(max_length = 200))]
        action: Query<Option<String>>,
        #[oai(validator(max_length = 500))] resource: Query<Option<String>>,
        /// From then on.
        since: Query<Option<OffsetDateTime>>,
        /// Before then.
        until: Query<Option<OffsetDateTime>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<AuditLine>>> {
        let customers = match (&steward.reach, customer_id.0) {
            (reach, Some(id)) if reach.covers(id) => Some(vec![id]),
            (_, Some(_)) => return Err(Error::not_found("customer").into()),
            (Reach::Everywhere, None) => None,
            (Reach::Customers(own), None) => Some(own.clone()),
        };
        let paging = Paging::<i64>::of(limit.0, cursor.0.as_deref())?;
        let filter = Filter {
            customers,
            actor: actor.0,
            action: action.0,
            resource: resource.0,
            since: since.0,
            until: until.0,
            before: paging.after,
        };
        let rows = audit::list(&context.db, &filter, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }
}
