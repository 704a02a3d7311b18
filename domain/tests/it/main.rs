//! The business against a real Postgres and Valkey.
mod answering;
mod ledger;
mod pages;
mod schema;
mod tenancy;
