//! Fetches against real local servers; nothing here leaves the loopback interface.

mod bodies;
mod places;
mod redirects;
mod support;
mod time;
