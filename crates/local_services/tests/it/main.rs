//! Real servers, started as whoever runs the tests.

#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod support;

mod owner;
mod restart;
mod round_trip;
mod start;
