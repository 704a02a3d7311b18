//! The `omniops` executable as its users meet it: real processes, a real browser, and kills at the wrong moment.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose ground gives way must fail, and say where"
)]
mod answers;
mod browser;
mod commands;
mod crashes;
mod dialogue;
mod handoff;
mod hostile;
mod installations;
mod process;
mod queue;
mod up;
mod widget;
