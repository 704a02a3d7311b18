//! One file a command.
pub mod doctor;
pub mod eval;
pub mod migrate;
pub mod serve;
pub mod up;
