//! API keys, for the operator and for owners of customers.
use domain::{
    Error,
    tenancy::{self, IssuedKey, KeyRecord, NewKey, OVERLAP, Scope},
};
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use secrecy::ExposeSecret;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    error::Answer,
    extractors::{ApiKeys, Body, List, Paging, Steward},
    openapi::Tag,
};

/// A key to be.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct KeyInput {
    customer_id: Uuid,
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// `*` for all, or named: `chat`, `search`, `jobs`, `domains`, `conversations`, `webhooks`, `settings`, …
    #[oai(validator(min_items = 1, max_items = 20))]
    scopes: Vec<String>,
    /// When it ends; within ten years. Without it, when it is revoked.
    #[oai(nullable)]
    expires_at: Option<OffsetDateTime>,
}

/// What is kept of a key.
#[derive(Debug, Object)]
struct Key {
    id: Uuid,
    customer_id: Uuid,
    name: String,
    /// Its first characters.
    prefix: String,
    scopes: Vec<String>,
    #[oai(nullable)]
    expires_at: Option<OffsetDateTime>,
    #[oai(nullable)]
    last_used_at: Option<OffsetDateTime>,
    #[oai(nullable)]
    revoked_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

/// A new key: the only time that its text is shown.
#[derive(Object)]
struct NewlyMade {
    id: Uuid,
    customer_id: Uuid,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    /// The key itself.
    key: String,
    #[oai(nullable)]
    expires_at: Option<OffsetDateTime>,
    /// When the key that it replaces ends.
    #[oai(nullable)]
    replaced_ends_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl From<KeyRecord> for Key {
    fn from(record: KeyRecord) -> Self {
        Self {
            id: record.id,
            customer_id: record.customer,
            name: record.name,
            prefix: record.prefix,
            scopes: record.scopes,
            expires_at: record.expires_at,
            last_used_at: record.last_used_at,
            revoked_at: record.revoked_at,
            created_at: record.created_at,
        }
    }
}

impl From<IssuedKey> for NewlyMade {
    fn from(issued: IssuedKey) -> Self {
        Self {
            id: issued.record.id,
            customer_id: issued.record.customer,
            name: issued.record.name,
            prefix: issued.record.prefix,
            scopes: issued.record.scopes,
            key: issued.key.expose_secret().to_owned(),
            expires_at: issued.record.expires_at,
            replaced_ends_at: issued.replaced_ends_at,
            created_at: issued.record.created_at,
        }
    }
}

#[derive(ApiResponse)]
enum KeyMade {
    /// The key, shown this once.
    #[oai(status = 201)]
    Created(Json<NewlyMade>),
}

#[derive(ApiResponse)]
enum Revoked {
    /// The key no longer works.
    #[oai(status = 204)]
    Done,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List keys
    #[oai(
        path = "/api/keys",
        method = "get",
        tag = "Tag::Administration",
        operation_id = "list_keys"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        steward: Steward<ApiKeys>,
        /// Only keys of this customer.
        customer_id: Query<Option<Uuid>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Key>>> {
        if customer_id.0.is_some_and(|id| !steward.reach.covers(id)) {
            return Err(Error::not_found("customer").into());
        }
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let rows = tenancy::list_keys(&context.db, &steward.reach, customer_id.0, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Make a key
    #[oai(
        path = "/api/keys",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "create_key"
    )]
    async fn create(
        &self,
        context: Data<&Context>,
        steward: Steward<ApiKeys>,
        body: Body<KeyInput>,
    ) -> Answer<KeyMade> {
        if !steward.reach.covers(body.0.customer_id) {
            return Err(Error::not_found("customer").into());
        }
        let scopes = body
            .0
            .scopes
            .iter()
            .map(|s| s.parse())
            .collect::<domain::Result<Vec<Scope>>>()?;
        let new = NewKey {
            customer: body.0.customer_id,
            name: body.0.name,
            scopes,
            expires_at: body.0.expires_at,
        };
        let issued = tenancy::issue(&context.db, &new, &context.clock, steward.operator()).await?;
        Ok(KeyMade::Created(Json(issued.into())))
    }

    /// Revoke a key
    #[oai(
        path = "/api/keys/:id",
        method = "delete",
        tag = "Tag::Administration",
        operation_id = "revoke_key"
    )]
    async fn revoke(&self, context: Data<&Context>, steward: Steward<ApiKeys>, id: Path<Uuid>) -> Answer<Revoked> {
        tenancy::revoke(&context.db, id.0, &steward.reach, steward.operator()).await?;
        Ok(Revoked::Done)
    }

    /// Replace a key; the old one works on for a day, or as long as is said
    ///
    /// The successor has the same name, scopes and lifetime. 409 `key_rotated` where there is one already, `key_ended` for a key that no
    /// longer works.
    #[oai(
        path = "/api/keys/:id/rotate",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "rotate_key"
    )]
    async fn rotate(
        &self,
        context: Data<&Context>,
        steward: Steward<ApiKeys>,
        id: Path<Uuid>,
        /// Hours that the old key works on beside its successor; 0 ends it at once.
        #[oai(validator(minimum(value = "0"), maximum(value = "168")))]
        overlap_hours: Query<Option<u16>>,
    ) -> Answer<KeyMade> {
        let overlap = overlap_hours
            .0
            .map_or(OVERLAP, |hours| Duration::from_hours(hours.into()));
        let by = steward.operator();
        let issued = tenancy::rotate(&context.db, id.0, overlap, &steward.reach, &context.clock, by).await?;
        Ok(KeyMade::Created(Json(issued.into())))
    }
}
