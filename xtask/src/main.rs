//! Omniops.
fn main() {}
