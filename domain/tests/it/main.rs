//! The business against a real Postgres and Valkey.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail like the tests do"
)]
mod accounts;
mod answering;
mod audit;
mod blocks;
mod cache;
mod dialogue;
mod domains;
mod due;
mod earlier;
mod endings;
mod hygiene;
mod identical;
mod isolation;
mod keys;
mod ledger;
mod lines;
mod live;
mod model_calls;
mod model_change;
mod moved;
mod operators;
mod pages;
mod policies;
mod pooler;
mod privacy;
mod ranking;
mod references;
mod resident;
mod retrieval;
mod scale;
mod schedules;
mod schema;
mod sections;
mod sessions;
mod sharing;
mod spoken;
mod staging;
mod tenancy;
mod turn;
mod typed;
