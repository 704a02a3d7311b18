//! Providers that fail in every way, each a real server on a loopback socket.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like the tests do"
)]
mod failures;
mod provider;
mod retries;
mod streams;
