//! Extraction from the outside: whole pages, hostile pages.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

mod hostile;
mod pages;
mod traps;
