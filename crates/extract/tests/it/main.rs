//! Extraction from the outside: whole pages, hostile pages.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failure here is the test's failure, and says how it can be had again"
)]

mod faq;
mod hidden;
mod hostile;
mod pages;
mod replay;
mod sniffing;
mod structured;
mod traps;
