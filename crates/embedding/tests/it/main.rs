//! The local model with its real weights, and the provider's client against local servers.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod files;
mod local;
mod multilingual;
mod openai;
mod support;
