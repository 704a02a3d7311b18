//! The `omniops` executable as its users meet it: real processes, a real browser, and kills at the wrong moment.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose ground gives way must fail, and say where"
)]
mod admin_page;
mod answers;
mod browser;
mod challenge;
mod commands;
mod copies;
mod crashes;
mod dialogue;
mod doctor;
mod erasures;
mod handoff;
mod hostile;
mod installations;
mod keys;
mod leaks;
mod notes;
mod policies;
mod pooler;
mod process;
mod queue;
mod renewal;
mod stopping;
mod up;
mod users;
mod widget;
