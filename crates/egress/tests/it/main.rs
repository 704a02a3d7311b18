//! Fetches against real local servers; nothing here leaves the loopback interface, the machine's or a namespace's.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers may fail as the test itself may"
)]

mod bodies;
mod encrypted;
mod namespaces;
mod places;
mod proxy;
mod redirects;
mod sending;
mod support;
mod time;
