//! Real Chromium against real local sites.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers may fail as the test itself may"
)]
mod ends;
mod pages;
mod places;
mod site;
