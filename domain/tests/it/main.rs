//! The business against a real Postgres and Valkey.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail like the tests do"
)]
mod answering;
mod ledger;
mod pages;
mod schema;
mod tenancy;
