//! The ground that failure tests stand on: what a fault does, and that it ends.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose ground gives way must fail, and say where"
)]
mod processes;
mod servers;
mod wires;
