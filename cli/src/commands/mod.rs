//! One file a command.
pub mod audit;
pub mod cache;
pub mod config;
pub mod copies;
pub mod doctor;
pub mod erasures;
pub mod eval;
pub mod keys;
pub mod migrate;
pub mod queue;
pub mod serve;
pub mod up;
pub mod users;
