//! Omniops.
