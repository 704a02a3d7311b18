//! The HTTP interface over a real Postgres and Valkey.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]
mod accounts;
mod admin;
mod admin_page;
mod app;
mod audit;
mod browser;
mod cache;
mod chat;
mod citations;
mod contract;
mod edge;
mod explain;
mod follow;
mod gdpr;
mod health;
mod injection;
mod isolation;
mod jobs;
mod learning;
mod limits;
mod model_calls;
mod outbound_webhooks;
mod people;
mod privacy;
mod problems;
mod provider_failures;
mod queue;
mod schedules;
mod screenshots;
mod search;
mod settings;
mod shops;
mod standing;
