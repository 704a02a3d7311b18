//! The job ledger. Postgres keeps what a job is and how it stands; Redis only carries errands that say "look at this job".
//!
//! [`submit`] writes a job in the caller's transaction. The [`Dispatcher`] turns queued jobs into errands. A worker that gets
//! one takes the job by [`claim`], keeps it by renewing its [`Lease`], and ends it by settling it. [`reconcile`] mends
//! what crashes and lost errands leave behind. Running an errand twice is harmless: only one claim succeeds, and every
//! write of a job's work is fenced by its lease.
mod claim;
mod dispatch;
mod events;
mod idempotency;
mod ledger;
mod live;
mod payload;
mod reconcile;
mod settle;
mod stats;
mod submit;

pub use claim::{Claim, Claimed, Lease, claim};
pub use dispatch::{Dispatcher, WINDOW, stream_of};
pub use events::{Event, record, relay, stream_key};
pub use idempotency::{remember, replay, request_hash};
pub use ledger::{Filter, all_told, cancel, get, list, retry, urls};
pub use live::{EventReader, Live};
pub use payload::{Kind, Payload, QUEUES};
pub use reconcile::{MAX_STARTS, reconcile};
pub use settle::{JobError, Outcome, Renewal, fence, renew, save_progress, settle};
pub use stats::{QueueStats, queue_stats};
pub use submit::{NewJob, Submitted, child_results, live_children, submit};

/// The states of a job, as the ledger spells them.
pub mod state {
    #![expect(missing_docs, reason = "the words are explained in the operations guide")]
    pub const SCHEDULED: &str = "scheduled";
    pub const QUEUED: &str = "queued";
    pub const RUNNING: &str = "running";
    pub const NEEDS_CONFIRMATION: &str = "needs_confirmation";
    pub const DONE: &str = "done";
    pub const FAILED: &str = "failed";
    pub const DEAD: &str = "dead";
    pub const CANCELLED: &str = "cancelled";
    /// Whether a job in this state will never run again by itself.
    pub fn is_final(state: &str) -> bool {
        matches!(state, DONE | FAILED | DEAD | CANCELLED)
    }
}
