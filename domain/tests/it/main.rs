//! The business against a real Postgres and Valkey.
mod ledger;
mod pages;
mod schema;
mod tenancy;
