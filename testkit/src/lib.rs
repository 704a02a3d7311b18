//! What tests stand on: a real Postgres and Valkey of their own, customers and keys, real local sites, and stub servers for
//! services outside of the machine.
//!
//! A missing need fails the test and names itself; nothing here skips. Panicking is right: this crate is a dev-dependency only.
#![expect(
    clippy::expect_used,
    reason = "a test whose ground gives way must fail, and say where"
)]
mod kit;
mod provider;
mod site;

pub use kit::{ADMIN_TOKEN, CRON_SECRET, Kit, eventually, local_model, within};
pub use provider::{Provider, Script};
pub use site::{Hit, Page, Site};
