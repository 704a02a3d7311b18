//! The queue against a real Valkey: delivery, what handlers do, what becomes of workers, what becomes of the server.
//!
//! Every test has a server of its own, because most of them hurt it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

mod delivery;
mod deployments;
mod handlers;
mod outages;
mod publishing;
mod readme;
mod server;
mod work;
mod workers;
