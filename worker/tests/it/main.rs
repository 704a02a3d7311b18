//! The worker against a real Postgres, a real Valkey and real local sites.
mod crawling;
mod indexing;
mod refusals;
mod stopping;
mod support;
