//! The worker against a real Postgres, a real Valkey and real local sites.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose ground gives way must fail, and say where"
)]
mod crawling;
mod indexing;
mod refusals;
mod stopping;
mod support;
