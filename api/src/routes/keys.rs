//! API keys, for the operator.
use domain::{
    audit,
    tenancy::{self, IssuedKey, KeyRecord, NewKey, Scope},
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
    extractors::{Admin, Body, List, Paging},
    openapi::Tag,
};

/// A key to be.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct KeyInput {
    customer_id: Uuid,
    #[oai(validator(min_length = 1, max_length = 100))]
    name: String,
    /// `*`, `chat`, `search`, `jobs`, `domains`.
    #[oai(validator(min_items = 1, max_items = 10))]
    scopes: Vec<String>,
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
#[derive(Debug, Object)]
struct NewlyMade {
    id: Uuid,
    customer_id: Uuid,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    /// The key itself.
    key: String,
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
            key: issued.key,
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
        _admin: Admin,
        /// Only keys of this customer.
        customer_id: Query<Option<Uuid>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Key>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let rows = tenancy::list_keys(&context.db, customer_id.0, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Make a key
    #[oai(
        path = "/api/keys",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "create_key"
    )]
    async fn create(&self, context: Data<&Context>, admin: Admin, body: Body<KeyInput>) -> Answer<KeyMade> {
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
        };
        let issued = tenancy::issue(&context.db, &new).await?;
        note(&context, &admin, Some(new.customer), "key.created", issued.record.id).await?;
        Ok(KeyMade::Created(Json(issued.into())))
    }

    /// Revoke a key
    #[oai(
        path = "/api/keys/:id",
        method = "delete",
        tag = "Tag::Administration",
        operation_id = "revoke_key"
    )]
    async fn revoke(&self, context: Data<&Context>, admin: Admin, id: Path<Uuid>) -> Answer<Revoked> {
        tenancy::revoke(&context.db, id.0).await?;
        note(&context, &admin, None, "key.revoked", id.0).await?;
        Ok(Revoked::Done)
    }

    /// Replace a key; the old one works on for a day
    #[oai(
        path = "/api/keys/:id/rotate",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "rotate_key"
    )]
    async fn rotate(&self, context: Data<&Context>, admin: Admin, id: Path<Uuid>) -> Answer<KeyMade> {
        let issued = tenancy::rotate(&context.db, id.0, &context.clock).await?;
        note(&context, &admin, Some(issued.record.customer), "key.rotated", id.0).await?;
        Ok(KeyMade::Created(Json(issued.into())))
    }
}

async fn note(context: &Context, admin: &Admin, customer: Option<Uuid>, action: &str, key: Uuid) -> domain::Result<()> {
    let entry = audit::Entry {
        customer,
        actor: "admin",
        action,
        resource: &key.to_string(),
        metadata: json!({}),
        ip: admin.ip.as_deref(),
    };
    audit::note(&context.db, entry).await
}
