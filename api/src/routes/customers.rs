//! Customers, for the operator and for those who look after them.
use domain::tenancy::{self, AssistantSettings, HostName, NewCustomer};
use poem::web::Data;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

use super::domains::Domain;
use crate::{
    Context,
    error::Answer,
    extractors::{Admin, Body, List, Paging, Steward, Tenants},
    openapi::Tag,
};

/// A customer to be.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct CustomerInput {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// The primary domain: a host or a URL.
    #[oai(validator(min_length = 1, max_length = 260))]
    domain: String,
    /// Whether the operator vouches for the domain; true unless said otherwise.
    #[oai(nullable)]
    verified: Option<bool>,
}

/// What to change.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct CustomerChange {
    #[oai(nullable, validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    /// All assistant settings at once, as `PATCH /api/settings` takes them.
    #[oai(nullable)]
    settings: Option<BTreeMap<String, Value>>,
}

/// A customer.
#[derive(Debug, Object)]
struct Customer {
    id: Uuid,
    name: String,
    domain: String,
    settings: Value,
    /// Counts visible changes of the index.
    index_version: i64,
    created_at: OffsetDateTime,
}

impl From<tenancy::Customer> for Customer {
    fn from(customer: tenancy::Customer) -> Self {
        Self {
            id: customer.id,
            name: customer.name,
            domain: customer.domain,
            settings: customer.settings,
            index_version: customer.index_version,
            created_at: customer.created_at,
        }
    }
}

/// A customer with its domains.
#[derive(Debug, Object)]
struct CustomerDetails {
    id: Uuid,
    name: String,
    domain: String,
    settings: Value,
    index_version: i64,
    created_at: OffsetDateTime,
    domains: Vec<Domain>,
}

#[derive(ApiResponse)]
enum Made {
    /// The customer.
    #[oai(status = 201)]
    Created(Json<Customer>, #[oai(header = "Location")] String),
}

#[derive(ApiResponse)]
enum Removed {
    /// It is gone with all that it owned.
    #[oai(status = 204)]
    Gone,
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// List customers
    #[oai(
        path = "/api/customers",
        method = "get",
        tag = "Tag::Administration",
        operation_id = "list_customers"
    )]
    async fn list(
        &self,
        context: Data<&Context>,
        steward: Steward<Tenants>,
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))] limit: Query<Option<u64>>,
        cursor: Query<Option<String>>,
    ) -> Answer<Json<List<Customer>>> {
        let paging = Paging::of(limit.0, cursor.0.as_deref())?;
        let rows = tenancy::list(&context.db, &steward.reach, paging.after, paging.rows()).await?;
        Ok(Json(paging.list(rows, |row| row.id)))
    }

    /// Make a customer
    #[oai(
        path = "/api/customers",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "create_customer"
    )]
    async fn create(&self, context: Data<&Context>, admin: Admin, body: Body<CustomerInput>) -> Answer<Made> {
        let new = NewCustomer {
            domain: body.0.domain.parse::<HostName>()?,
            name: body.0.name,
            vouched: body.0.verified.unwrap_or(true),
        };
        let made = tenancy::create(&context.db, &new, admin.operator()).await?;
        context.hosts.refresh().await;
        let location = format!("/api/customers/{}", made.id);
        Ok(Made::Created(Json(made.into()), location))
    }

    /// Read a customer
    #[oai(
        path = "/api/customers/:id",
        method = "get",
        tag = "Tag::Administration",
        operation_id = "get_customer"
    )]
    async fn get(
        &self,
        context: Data<&Context>,
        steward: Steward<Tenants>,
        id: Path<Uuid>,
    ) -> Answer<Json<CustomerDetails>> {
        let customer = steward.customer(&context, id.0).await?;
        let domains = tenancy::list_domains(&context.db, &customer).await?;
        Ok(Json(CustomerDetails {
            domains: domains.into_iter().map(Into::into).collect(),
            id: customer.id,
            name: customer.name,
            domain: customer.domain,
            settings: customer.settings,
            index_version: customer.index_version,
            created_at: customer.created_at,
        }))
    }

    /// Change a customer
    #[oai(
        path = "/api/customers/:id",
        method = "patch",
        tag = "Tag::Administration",
        operation_id = "change_customer"
    )]
    async fn change(
        &self,
        context: Data<&Context>,
        steward: Steward<Tenants>,
        id: Path<Uuid>,
        body: Body<CustomerChange>,
    ) -> Answer<Json<Customer>> {
        steward.customer(&context, id.0).await?;
        let settings = body.0.settings.map(Map::from_iter);
        if let Some(settings) = &settings {
            AssistantSettings::check(settings)?;
        }
        let settings = settings.map(Value::Object);
        let name = body.0.name.as_deref();
        let changed = tenancy::rename(&context.db, id.0, name, settings, steward.operator()).await?;
        Ok(Json(changed.into()))
    }

    /// Remove a customer with all that it owns
    #[oai(
        path = "/api/customers/:id",
        method = "delete",
        tag = "Tag::Administration",
        operation_id = "delete_customer"
    )]
    async fn delete(&self, context: Data<&Context>, admin: Admin, id: Path<Uuid>) -> Answer<Removed> {
        context.privacy.end_customer(id.0, admin.operator()).await?;
        context.hosts.refresh().await;
        Ok(Removed::Gone)
    }
}
