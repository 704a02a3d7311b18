//! Extraction from the outside: whole pages, hostile pages.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failure here is the test's failure")]

mod faq;
mod hidden;
mod hostile;
mod pages;
mod replay;
mod sniffing;
mod structured;
mod traps;
