//! The worker against a real Postgres, a real Valkey and real local sites.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test whose ground gives way must fail, and say where"
)]
mod ahead;
mod browsing;
mod crashing;
mod crawling;
mod failures;
mod fleet;
mod gaps;
mod giving_way;
mod golden;
mod hidden;
mod hygiene;
mod indexing;
mod ingest;
mod journal;
mod kept;
mod known;
mod ladder;
mod model_change;
mod people;
mod privacy;
mod proofs;
mod refusals;
mod shops;
mod stopping;
mod support;
mod suspects;
mod told;
mod turns;
mod upkeep;
