//! Fetches against real local servers; nothing here leaves the loopback interface.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers may fail as the test itself may"
)]

mod bodies;
mod places;
mod proxy;
mod redirects;
mod support;
mod time;
