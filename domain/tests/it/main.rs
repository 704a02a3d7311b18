//! The business against a real Postgres and Valkey.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail like the tests do"
)]
mod answering;
mod cache;
mod dialogue;
mod hygiene;
mod ledger;
mod live;
mod model_calls;
mod model_change;
mod operators;
mod pages;
mod retrieval;
mod schedules;
mod schema;
mod tenancy;
mod typed;
