//! The job ledger. Postgres keeps what a job is and how it stands; Redis only carries errands that say "look at this job".
//!
//! [`submit`] writes a job in the caller's transaction. The [`Dispatcher`] turns queued jobs into errands. A worker that gets
//! one takes the job ([`claim_all`]), keeps it for as long as it says by [`beat`] that it lives, and ends it ([`settle_all`]).
//! [`Dispatcher::reconcile`] mends what crashes leave behind; what Redis loses, the dispatcher's next round puts back. Running an
//! errand twice is harmless: only one claim succeeds, and every write of a job's work is fenced by its [`Lease`].
//!
//! What must stay true: whatever writes an event of a job has locked the job's row before, in the same transaction, so that the
//! ids of one job's events grow in the order in which they become visible.
mod claim;
mod controls;
mod cron;
mod dead;
mod dispatch;
mod ending;
mod events;
mod heartbeat;
mod idempotency;
mod ledger;
mod live;
mod payload;
mod reconcile;
mod redis_server;
pub mod retention;
pub mod schedules;
mod settle;
mod stats;
mod stream;
mod submit;
mod waiting;
mod workers;

pub use claim::{Ask, Claim, Claimed, Lease, claim_all};
pub use controls::{Control, Operator, limit_queue, pause_queue, queue_named, resume_queue};
pub use dead::{DeadFilter, DeadLetter, REPLAY_MOST, Replayed, list_dead, replay_all_dead, replay_dead};
pub use dispatch::Dispatcher;
pub use ending::{JobError, Outcome};
pub(crate) use events::announce_one;
pub use events::{Event, record, relay, stream_key};
pub use heartbeat::{Held, Identity, beat, leave};
pub use idempotency::{answered, remember, replay, request_hash};
pub use ledger::{Filter, all_told, cancel, confirm, get, is_cancelled, list, retry, scope, urls};
pub(crate) use live::Watch;
pub use live::{EventReader, Live};
pub use payload::{Kind, MaintenanceTask, Payload, QUEUES, SyncWork};
use reconcile::SUSPECT_STARTS;
pub use reconcile::{MAX_STARTS, Mended};
pub use redis_server::RedisServer;
pub use settle::{Settled, fence, save_progress, settle, settle_all};
pub use stats::{
    CustomerStats, Lag, MOST_LAG, Overview, QueueStats, events_lag, measure, measure_streams, overview, queue_stats,
};
pub use stream::{GROUP, LANES, Lane, MOST_WAITING};
pub use submit::{BULK, NOW, NewJob, SOON, Submitted, child_results, live_children, submit, submit_all};
pub use waiting::others_wait;
pub use workers::{RunningJob, Worker, WorkerState, list_workers};

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
