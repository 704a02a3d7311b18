//! Failures at the wrong moment, one kind a file. Each test asserts that no job is lost, no effect is had twice, and no job is in two
//! hands at the same time; a fleet of real processes works meanwhile (`fleet`).
mod clocks;
mod delivery;
mod endings;
mod fairness;
mod health;
mod poison;
mod postgres;
mod redis;
mod soak;
mod versions;
mod workers;
