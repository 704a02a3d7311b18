//! The HTTP interface over a real Postgres and Valkey.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]
mod admin;
mod app;
mod browser;
mod cache;
mod chat;
mod citations;
mod contract;
mod explain;
mod follow;
mod health;
mod injection;
mod jobs;
mod model_calls;
mod outbound_webhooks;
mod people;
mod privacy;
mod problems;
mod queue;
mod schedules;
mod screenshots;
mod settings;
