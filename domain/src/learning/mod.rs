//! Learning from what visitors ask, and holding a site to what it could answer.
//!
//! [`golden`] questions are the customer's own, with the pages that should answer them; a [`run`] asks all of them of a version of the
//! index, and what a crawl has staged is only shown if it loses none that passed before. [`gaps`] gathers questions that got no
//! answer, or a bad one, by their meaning ([`cluster`]), and closes by itself when the site answers them. [`due`] says for which
//! customers there is something to do.
//!
//! Nothing here is done while a visitor waits: jobs read what the conversations left.
mod cluster;
mod due;
pub mod gaps;
pub mod golden;
mod run;
mod scrub;

pub use due::{after_index, plan};
pub use run::{Cause, Circumstances, Comparison, Examiner, Outcome, Run, keep, tolerance};
