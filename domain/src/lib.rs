//! The business of Omniops, free of transport: configuration, tenants, the job ledger, the page store, retrieval and
//! answering. `api` and `worker` are two ways to call it, and never see each other.
//!
//! What must stay true: environment variables are read only in [`config`]; rows are reached only through
//! [`tenancy::TenantTx`] and [`tenancy::SystemTx`]; time, ids and randomness come from [`clock`], [`ids`] and [`secrets`].
pub mod answering;
pub mod audit;
pub mod clock;
pub mod commerce;
pub mod config;
pub mod error;
pub mod ids;
pub mod jobs;
pub mod language;
pub mod learning;
pub mod lifecycle;
pub mod limits;
pub mod outside;
pub mod pages;
pub mod people;
pub mod privacy;
pub mod retrieval;
pub mod schema;
pub mod secrets;
pub mod telemetry;
pub mod tenancy;

pub use error::{Error, FieldError, Result};
