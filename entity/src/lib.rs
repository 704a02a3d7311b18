//! The tables as sea-orm entities: one file a table, with finders scoped by customer.
//!
//! Entities know the shape of rows and nothing of rules; row-level security binds whatever runs through them in a tenant's
//! transaction (`domain::tenancy`). The finders filter by customer as well, so that a system transaction can't mix tenants up.
pub mod api_key;
pub mod audit_log;
pub mod chunk;
pub mod conversation;
pub mod customer;
pub mod domain;
pub mod embedding_model;
pub mod extraction;
pub mod job;
pub mod job_event;
pub mod job_url;
pub mod message;
pub mod outbound_webhook;
pub mod packed;
pub mod page;
pub mod receipt;
pub mod schedule;
pub mod scrape_job;
pub mod store_connection;
pub mod visitor;
pub mod webhook_delivery;
