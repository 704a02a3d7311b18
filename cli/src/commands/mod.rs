//! One file a command.
pub mod cache;
pub mod doctor;
pub mod eval;
pub mod migrate;
pub mod queue;
pub mod serve;
pub mod up;
