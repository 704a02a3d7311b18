//! Customers kept apart, tried on every call that the contract names: a call that is added is among them without anybody writing a
//! test for it. Which credential a call takes, what its path, query and body hold, all comes from the contract.
//!
//! - `audited`: which calls leave a line in the audit log;
//! - `credentials`: who gets in, and who is told 401 or 403;
//! - `foreign`: another customer's ids, words and domains, in all places that take any;
//! - `fuzzing`: whatever schemathesis makes of the contract, from two customers, an administrator and a visitor;
//! - `repeated`: requests that come twice, and which calls take an `Idempotency-Key`;
//! - `required`: what is refused while a Redis that is required takes nothing;
//! - `leaks`: what is kept and told beside the answers: Redis, metrics, logs, live events.
mod audited;
mod contract;
mod credentials;
mod deeds;
mod foreign;
mod fuzzing;
mod leaks;
mod own;
mod repeated;
mod required;
mod scene;
